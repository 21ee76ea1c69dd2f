"""The project that a manifest belongs to: its folder, and what is found in it by name."""

from __future__ import annotations

from itertools import chain
from pathlib import Path, PurePosixPath

from runner.core.digest import tree_digest

MANIFESTS = "manifests"
REGISTER = Path("docs", "study", "findings.toml")
"""Where a study's register lies, from the folder of its project."""
TESTS = "tests/models"
"""Where tests can be that run as a job: what a job sees is ``models`` and these."""


def project_of(manifest: Path) -> Path:
    """The folder of the project that a manifest belongs to.

    Of the folders above it, no further up than the checkout that holds it: the nearest with a
    register; else the one whose ``manifests`` it lies in; else the checkout's; else its own.
    """
    above = _up_to_its_checkout(manifest.resolve())
    with_register = (folder for folder in above if (folder / REGISTER).is_file())
    with_manifests = (folder for folder in above if folder / MANIFESTS in above)
    checkouts = (folder for folder in above if _has_history(folder))
    return next(chain(with_register, with_manifests, checkouts, above))


def _up_to_its_checkout(path: Path) -> list[Path]:
    above: list[Path] = []
    for folder in path.parents:
        above.append(folder)
        if _has_history(folder):
            break
    return above


def _has_history(folder: Path) -> bool:
    return (folder / ".git").exists()


def models_digest(root: Path) -> str:
    """Tree digest of the sources of ``models/`` at ``root``, without compiled caches."""
    return source_digest(root / "models")


def source_digest(folder: Path) -> str:
    """Tree digest of the sources in a folder, without compiled caches."""
    return tree_digest(folder, include=is_source)


def is_source(path: PurePosixPath) -> bool:
    """Whether a file is a source, and not what Python made of one."""
    return "__pycache__" not in path.parts
