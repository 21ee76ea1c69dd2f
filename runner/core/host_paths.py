"""Where things lie on this machine, kept out of what a hub says: a word stands for each folder.

Messages of errors, command lines and handles of jobs name files by their full paths, and so the
user, the disks and the projects of whoever made the hub.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.installation import SOURCES, state_dir

_SHALLOWEST = 2
"""Parts of a path that is replaced; ``/`` alone is in every path."""


class Places:
    """Words for folders, beside those for the state, phasehub itself and the home folder.

    A folder inside another goes before it; of two words for one folder, the later one is used.
    """

    def __init__(self, **folders: Path) -> None:
        words = {
            "~": Path("~").expanduser(),
            "<phasehub>": SOURCES,
            "<state>": state_dir(),
            **{f"<{word}>": folder for word, folder in folders.items()},
        }
        spelled = [
            (str(path), word)
            for word, folder in words.items()
            for path in {folder.absolute(), folder.resolve()}
            if len(path.parts) >= _SHALLOWEST
        ]
        self._words = dict(sorted(spelled, key=lambda one: len(one[0]), reverse=True))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        folders = "|".join(map(re.escape, self._words)) or "(?!)"
        # A name that only begins like the folder's is another folder.
        return re.compile(rf"(?<![\w.-])(?:{folders})(?![\w-]|\.\w)")

    def hide(self, text: str) -> str:
        """The text with a word in the place of each folder."""
        return self._pattern.sub(lambda found: self._words[found[0]], text)

    def hidden(self, value: Any) -> Any:  # noqa: ANN401 - JSON
        """A JSON value with ``hide`` done to every text in it."""
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(key): self.hidden(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.hidden(inner) for inner in value]
        return value
