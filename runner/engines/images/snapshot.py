"""The code that a run takes from a checkout or a hub: copied once, and only the copy is read.

A snapshot lies in the state folder under the digest of its bytes. Whatever is said or made of the
code afterwards (the engine, the image, the address of the data, what the hub carries, the record)
comes from it, so that all of it belongs together, however the checkout is edited meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from filelock import FileLock

from runner.core.caches import mark_used, refuse_others
from runner.core.digest import entries, files_digest, oddity, sha256_file, tree_digest
from runner.core.errors import EngineError, VerificationError
from runner.core.files import remove_tree
from runner.core.project import TESTS, is_source, models_digest
from runner.core.reading import copy_below
from runner.engines.images.stage import DOCKERFILE

SHELF = "code"
"""Folder of the snapshots in the state folder."""
CODE, DATA = "code", "data"
"""Folders of a snapshot: what jobs run, and what regression tests are shown."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A read-only copy of ``models/`` with its locks, the Dockerfile, and a project's tests."""

    folder: Path
    sha256: str
    """Tree digest of the folder, which bears it as its name."""
    models_sha256: str
    """Tree digest of ``models/`` alone, as records have it."""

    @property
    def root(self) -> Path:
        """The folder that holds ``models/`` and the Dockerfile, and nothing else."""
        return self.folder / CODE

    @property
    def tests(self) -> Path:
        """The folder that holds ``tests/models`` and nothing else; absent where there are none."""
        return self.folder / DATA

    def is_of(self, root: Path, tests: Path | None = None) -> bool:
        """Whether the code at ``root``, and the tests at ``tests``, are still what was copied."""
        try:
            digests = {one.name: sha256_file(one.root / one.path) for one in _sources(root, tests)}
        except (OSError, VerificationError):  # it is being edited just now
            return False
        return files_digest(digests) == self.sha256

    def refuse_changes(self) -> None:
        """Raise ``VerificationError`` when the copy itself is no longer what it was."""
        if not _holds(self.folder, self.sha256):
            raise VerificationError(
                f"{self.folder}, the copy of the code that jobs run, was changed while it was in "
                "use; nothing may write there. Run again"
            )


def take(root: Path, state: Path, tests: Path | None = None) -> Snapshot:
    """Copy the code at ``root`` into the state folder, unless the very same bytes are there.

    ``tests`` is the folder of the project whose ``tests/models`` are to be run, if any are.
    Whether the code was edited while it was copied, ``Snapshot.is_of`` tells afterwards.

    Raises:
        VerificationError: There is no code, or a link or an odd name in it.
        EngineError: It cannot be read, or the state folder not be written, or is another user's.
    """
    shelf = state / SHELF
    try:
        refuse_others(state)
        shelf.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / ".lock"):
            return _put(_copied(_sources(root, tests), shelf), shelf)
    except ValueError as error:
        raise VerificationError(f"{root}: {error}; restore the code from git") from error
    except OSError as error:
        raise EngineError(
            f"the code at {root} cannot be copied below {shelf}: {error}; mend that, or name "
            "another folder in PHASEHUB_STATE"
        ) from error


def _copied(sources: Iterable[_Source], shelf: Path) -> Path:
    """A folder with the copy; it is not in its place yet."""
    half_made = shelf / ".new"
    remove_tree(half_made)
    for one in sources:
        (half_made / one.name).parent.mkdir(parents=True, exist_ok=True)
        copy_below(one.root, one.path, half_made / one.name)
    return half_made


def _put(copied: Path, shelf: Path) -> Snapshot:
    """The copy under its digest. One that is there already, and was changed, gives way."""
    digest = tree_digest(copied)
    folder = shelf / digest
    if _holds(folder, digest):
        mark_used(folder)
        remove_tree(copied)
    else:
        if folder.exists():
            changed = shelf / ".changed"
            remove_tree(changed)
            folder.rename(changed)
            remove_tree(changed)
        _protect(copied)
        copied.rename(folder)
    return Snapshot(folder=folder, sha256=digest, models_sha256=models_digest(folder / CODE))


class _Source(NamedTuple):
    """A file that is taken: its name in the snapshot, and its path below a folder."""

    name: str
    root: Path
    path: str


def _sources(root: Path, tests: Path | None) -> Iterator[_Source]:
    """Every file that is taken of the code at ``root`` and of a project's tests."""
    if not (root / "models").is_dir() or not (root / DOCKERFILE).is_file():
        raise VerificationError(
            f"{root} does not hold models/ and the {DOCKERFILE}; restore them from git"
        )
    yield _Source(f"{CODE}/{DOCKERFILE}", root, DOCKERFILE)
    yield from _part(CODE, root, "models")
    if tests is not None:
        yield from _part(DATA, tests, TESTS)


def _part(place: str, root: Path, part: str) -> Iterator[_Source]:
    for path in _below(root / part):
        yield _Source(f"{place}/{part}/{path}", root, f"{part}/{path}")


def _below(folder: Path) -> list[PurePosixPath]:
    """The sources below a folder, if it is there. Raises ``VerificationError`` for odd ones."""
    found = [path for path in entries(folder) if is_source(path)] if folder.is_dir() else []
    for path in found:
        if problem := oddity(folder, path):
            raise VerificationError(f"{folder}: {problem}")
    return found


def _holds(folder: Path, digest: str) -> bool:
    """Whether a folder is exactly what its digest says.

    A compiled cache is one file too many, as Python would run it in the place of the source.
    """
    try:
        return folder.is_dir() and tree_digest(folder) == digest
    except (OSError, VerificationError):
        return False


def _protect(folder: Path) -> None:
    """Take the right to write from everybody."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o555 if path.is_dir() else 0o444)
