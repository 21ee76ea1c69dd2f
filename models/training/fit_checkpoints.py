"""Checkpoints of a fit on disk: each written as a whole or not at all, and found to be whole.

``fit_checkpoint_<epochs>.pt`` is the state after so many epochs. ``fit_checkpoint_<epochs>.json``
is renamed into place after it, and names the files that belong to it, each with its digest; a file
that is torn is noticed by that, and the checkpoint before is still there.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

import lightning
import numpy as np
import torch

from models.job import FIT_CHECKPOINTS, RESUME, Job, JobError, sha256_file
from models.log import say, warn

NUM_KEPT = 2
"""Checkpoints that lie there at a time; the one before the last is for when that is torn."""
SOURCES = Path(__file__).parents[1]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A checkpoint that an attempt before this one has left, found to be whole."""

    epochs: int
    state: Path
    others: tuple[Path, ...]
    """What else the fit had left by then."""


class Writer:
    """Writes checkpoints, each as a whole or not at all, and removes the oldest."""

    def __init__(self, folder: Path, job_sha256: str) -> None:
        self.folder = folder
        self._job_sha256 = job_sha256
        self._written: list[int] = []
        self._known: dict[str, dict[str, Any]] = {}
        """Files of the fit that are on disk, and never change, by their names."""

    def write(self, state: Mapping[str, Any], others: list[Path]) -> None:
        """Put a state on disk, with the digests of ``others``; no trouble with the disk is ours."""
        epochs = int(state["epochs"])
        if epochs in self._written:
            return
        try:
            self._write(epochs, state, others)
        except (OSError, RuntimeError) as error:  # torch has its own for a disk that is full
            why = getattr(error, "strerror", None) or error
            warn(f"no checkpoint after {epochs} epochs: {why}; the fit goes on")
            self._remove(epochs)
            return
        say(f"checkpoint after {epochs} epochs")
        self._written.append(epochs)
        while len(self._written) > NUM_KEPT:
            self._remove(self._written.pop(0))

    def _write(self, epochs: int, state: Mapping[str, Any], others: list[Path]) -> None:
        files = [
            self._put(
                self._path(epochs, "pt"),
                lambda file: torch.save(dict(state), cast("IO[bytes]", file)),
            )
        ]
        files += [self._settled(path) for path in others]
        table = {
            "schema_version": 1,
            "job_sha256": self._job_sha256,
            "made_with": made_with(),
            "epochs": epochs,
            "files": files,
        }
        text = json.dumps(table, sort_keys=True, indent=2) + "\n"
        self._put(self._path(epochs, "json"), lambda file: file.write(text.encode()))

    def _path(self, epochs: int, kind: str) -> Path:
        return self.folder / f"fit_checkpoint_{epochs:06d}.{kind}"

    def _put(self, path: Path, write: Callable[[Digesting], object]) -> dict[str, Any]:
        """Have it written under another name, wait for the disk, give it its name."""
        part = path.with_name(f".{path.name}.part")
        try:
            with part.open("wb") as file:
                digesting = Digesting(file)
                write(digesting)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        # The file's own fsync does not cover its name, which is the folder's:
        # https://man7.org/linux/man-pages/man2/fsync.2.html
        _sync(path.parent)
        return _described(path, digesting.sha256)

    def _settled(self, path: Path) -> dict[str, Any]:
        """What is said of a file that lies there complete, once it is on disk."""
        if path.name not in self._known:
            _sync(path)
            self._known[path.name] = _described(path, sha256_file(path))
        return self._known[path.name]

    def _remove(self, epochs: int) -> None:
        for kind in ("json", "pt"):
            self._path(epochs, kind).unlink(missing_ok=True)


class Digesting:
    """A file that is written in one go, and the digest of what was to be written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest = file, hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write, and take note of it."""
        self._digest.update(content)
        return self._file.write(content)

    def flush(self) -> None:
        """Hand on what was written."""
        self._file.flush()

    @property
    def sha256(self) -> str:
        """Digest of all that was written."""
        return self._digest.hexdigest()


def _described(path: Path, sha256: str) -> dict[str, Any]:
    return {"path": path.name, "sha256": sha256, "bytes": path.stat().st_size}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@cache
def made_with() -> dict[str, str]:
    """What the bits of a fit depend on beside its job: source, libraries, processor."""
    whole = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*.py")):
        whole.update(f"{path.relative_to(SOURCES).as_posix()}\n{sha256_file(path)}\n".encode())
    return {
        "models_sha256": whole.hexdigest(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "lightning": str(lightning.__version__),
        "numpy": np.__version__,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "",
    }


def given_to(job: Job) -> Given | None:
    """The checkpoint that lies beside a job; ``None`` where it is to begin at its beginning.

    Raises:
        JobError: it is of another job, made with something else, or not as it was written.
    """
    folder = job.folder / RESUME
    if not folder.is_dir():
        return None
    tables = sorted(folder.glob(f"{FIT_CHECKPOINTS}.json"))
    if len(tables) != 1:
        raise JobError(f"{RESUME}/ has {len(tables)} checkpoints; give one")
    try:
        return _read(tables[0], job.sha256)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{RESUME}/{tables[0].name} cannot be gone on from: {error}") from error


def _read(path: Path, job_sha256: str) -> Given:
    table = json.loads(path.read_text(encoding="utf-8"))
    for name, wanted in (
        ("schema_version", 1),
        ("job_sha256", job_sha256),
        ("made_with", made_with()),
    ):
        if table[name] != wanted:
            raise ValueError(f"{name} is {table[name]}, and would have to be {wanted}")
    for file in table["files"]:
        if sha256_file(path.with_name(file["path"])) != file["sha256"]:
            raise ValueError(f"{file['path']} is not as it was written")
    state, *others = (path.with_name(file["path"]) for file in table["files"])
    return Given(epochs=table["epochs"], state=state, others=tuple(others))
