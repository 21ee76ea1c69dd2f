"""The project that this code lies in: its folder, its sources, its state on this machine."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from runner.core.digest import tree_digest

ROOT = Path(__file__).resolve().parents[2]
TESTS = "tests/models"
"""Where tests can be that run as a job: what a job sees is ``models`` and these."""


def state_dir(root: Path = ROOT) -> Path:
    """Where wheels, environments and cached datasets are kept between runs."""
    named = os.environ.get("PHASEHUB_STATE")
    return Path(named).resolve() if named else root / ".phasehub"


def models_digest(root: Path) -> str:
    """Tree digest of the sources of ``models/`` at ``root``, without compiled caches."""
    return source_digest(root / "models")


def source_digest(folder: Path) -> str:
    """Tree digest of the sources in a folder, without compiled caches."""
    return tree_digest(folder, include=is_source)


def is_source(path: PurePosixPath) -> bool:
    """Whether a file is a source, and not what Python made of one."""
    return "__pycache__" not in path.parts
