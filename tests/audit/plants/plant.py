"""A planted bug: an edit of the sources, and an arm in which it matters."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What is replaced in which file of ``models/``; ``what`` says it in words."""

    name: str
    what: str
    edits: tuple[tuple[str, str, str], ...]
    """File below ``models/``, what stands there once, what is put in its place."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Of the tiny arm's parameters, so that the bug has something to act on."""
    blind: str | None = None
    """Why the audit cannot see it, for those that it is known not to see."""

    def sow(self, folder: Path) -> Path:
        """A copy of ``models/`` and ``runner/`` with the bug in it."""
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "models", folder / "models", ignore=ignored)
        shutil.copytree(ROOT / "runner", folder / "runner", ignore=ignored)
        for file, old, new in self.edits:
            path = folder / "models" / file
            text = path.read_text()
            if text.count(old) != 1:
                raise ValueError(f"{self.name}: {text.count(old)} times in {file}: {old!r}")
            path.write_text(text.replace(old, new))
        return folder


def plant(name: str, what: str, *edits: tuple[str, str, str], **changes: Any) -> Plant:
    """A plant; keywords are tables of parameters, or ``blind``."""
    blind = changes.pop("blind", None)
    return Plant(name=name, what=what, edits=edits, changes=changes, blind=blind)
