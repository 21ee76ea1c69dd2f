"""Where this phasehub lies: its own sources, and what it keeps between runs.

Neither is the project that a manifest belongs to; that is ``runner.core.project``.
"""

from __future__ import annotations

import os
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2]
"""The folder that holds ``runner/``, ``models/`` with its locks, and the Dockerfile.

A checkout, or the copy of these in an installed package.
"""


def is_checkout(sources: Path = SOURCES) -> bool:
    """Whether the sources lie as they are developed; a wheel has all but what builds it."""
    return (sources / "pyproject.toml").is_file()


def state_dir(sources: Path = SOURCES) -> Path:
    """Where wheels, environments and cached datasets are kept between runs.

    Where ``PHASEHUB_STATE`` says; else in the checkout, or in the user's folder of caches.
    """
    if named := os.environ.get("PHASEHUB_STATE"):
        return Path(named).resolve()
    if is_checkout(sources):
        return sources / ".phasehub"
    from platformdirs import user_cache_path  # here: a job's supervisor needs SOURCES alone

    return user_cache_path("phasehub").resolve()
