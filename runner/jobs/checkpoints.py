"""Checkpoints that arms leave, from one attempt to the next.

A checkpoint is a table, ``fit_checkpoint_<n>.json``, and the files that it names by their digests.
It is kept beside the attempts of its arm, and laid beside the ``job.json`` of the next one: an
input that no job states, because it changes no result. What an attempt left is not to be trusted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.core.digest import sha256_file
from runner.core.files import make_durable, remove_tree, share
from runner.core.names import Sha256
from runner.core.reading import MIB, open_below, read_table, typed
from runner.engines.base import Outcome
from runner.experiment import EXPERIMENT
from runner.jobs.attempts import Attempt

KEPT = "checkpoint"
"""Folder beside the attempts of an arm, with the last checkpoint of those that are gone."""
RESUME = "resume"
"""Folder beside ``job.json``, with the checkpoint that an attempt goes on from."""
TABLES = "fit_checkpoint_*.json"
UNITS = f"{EXPERIMENT.progress.unit}s"
MOST_TABLES = 10
"""Checkpoints of an attempt that are looked at."""
REFUSED = 2
"""Exit status of a job that will not begin with what it was given."""


class CheckpointFile(BaseModel):
    """A file of a checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$")]
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]


class Checkpoint(BaseModel):
    """What a checkpoint says of itself, as far as the runner looks."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1]
    job_sha256: Sha256
    done: Annotated[int, Field(strict=True, ge=1, le=10**9, alias=UNITS)]
    """How much of the fit was done."""
    files: Annotated[tuple[CheckpointFile, ...], Field(min_length=1, max_length=1000)]

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.bytes for file in self.files)


def keep_last(folder: Path, *, most: int) -> int | None:
    """Keep the last whole checkpoint of the attempts in ``folder``; how much it has done.

    ``most`` is how many bytes it may have. The attempts can be removed then.
    """
    for checkpoint, place, name in _all_in(folder):
        if place == folder / KEPT:
            return checkpoint.done
        new = folder / f".{KEPT}.new"
        remove_tree(new)
        if checkpoint.size <= most and _is_whole(checkpoint, place):
            _lay(checkpoint, place, name, new)
            make_durable([*new.iterdir(), new])
            remove_tree(folder / KEPT)
            new.rename(folder / KEPT)
            make_durable([folder])
            return checkpoint.done
    return None


def give(attempt: Attempt) -> int | None:
    """Lay the checkpoint that was kept beside an attempt's job, if it is of this job.

    How much of the fit it has done; ``None`` where the attempt begins at its beginning.
    """
    kept = _kept_for(attempt)
    resume = attempt.launch.job_dir / RESUME
    for checkpoint, name in _tables(kept):
        if checkpoint.job_sha256 == attempt.job_sha256 and _is_whole(checkpoint, kept):
            _lay(checkpoint, kept, name, resume)
            return checkpoint.done
    return None


def given(attempt: Attempt) -> int | None:
    """How much of the fit the checkpoint has done that was laid beside an attempt's job."""
    found = next(_tables(attempt.launch.job_dir / RESUME), None)
    return found[0].done if found else None


def require_resumed_from(timing: Mapping[str, Any], done: int | None) -> None:
    """Raise ``ValueError`` where an arm does not say that it went on from what it was given."""
    stated = timing.get(EXPERIMENT.progress.resumed)
    if stated != done:
        key = EXPERIMENT.progress.resumed
        raise ValueError(f"{key} is {stated}, and the attempt was given a checkpoint of {done}")


def was_refused(attempt: Attempt, outcome: Outcome) -> bool:
    """Whether a job did not begin because of the checkpoint that lies beside it."""
    return outcome.exit_code == REFUSED and given(attempt) is not None


def is_kept(attempt: Attempt) -> bool:
    """Whether there is a checkpoint for an arm, whatever it is."""
    return _kept_for(attempt).is_dir()


def drop(attempt: Attempt) -> None:
    """Remove the checkpoint that was kept for an arm."""
    remove_tree(_kept_for(attempt))


def _kept_for(attempt: Attempt) -> Path:
    return attempt.launch.job_dir.parent.with_name(KEPT)


def in_words(done: int) -> str:
    """So much of a fit."""
    return f"{done} {EXPERIMENT.progress.unit if done == 1 else UNITS}"


def _all_in(folder: Path) -> Iterator[tuple[Checkpoint, Path, str]]:
    """The checkpoints in a folder of attempts, the latest first; of equal ones the one kept."""
    found = [(checkpoint, folder / KEPT, name) for checkpoint, name in _tables(folder / KEPT)]
    for attempt in folder.iterdir() if folder.is_dir() else ():
        if attempt.name.isdecimal():
            job = attempt / "job" / "job.json"
            for place in (attempt / "out", attempt / "job" / RESUME):
                for checkpoint, name in _tables(place):
                    if job.is_file() and checkpoint.job_sha256 == sha256_file(job):
                        found.append((checkpoint, place, name))
    yield from sorted(found, key=lambda one: -one[0].done)


def _tables(folder: Path) -> Iterator[tuple[Checkpoint, str]]:
    """The checkpoints that lie in a folder; what is no table of one is passed over."""
    for path in sorted(folder.glob(TABLES), reverse=True)[:MOST_TABLES]:
        try:
            yield typed(Checkpoint, read_table(folder, path.name), path.name), path.name
        except (OSError, ValueError):
            continue


def _is_whole(checkpoint: Checkpoint, place: Path) -> bool:
    """Whether every file is as the table says, and is called like no other of them."""
    names = {file.path for file in checkpoint.files}
    whole = all(_is_as_recorded(file, place) for file in checkpoint.files)
    return whole and len(names) == len(checkpoint.files)


def _is_as_recorded(file: CheckpointFile, place: Path) -> bool:
    try:
        with open_below(place, file.path) as found:
            if os.fstat(found.fileno()).st_size != file.bytes:
                return False
            digest = sha256()
            while block := found.read(MIB):
                digest.update(block)
            return digest.hexdigest() == file.sha256
    except (OSError, ValueError):
        return False


def _lay(checkpoint: Checkpoint, place: Path, name: str, target: Path) -> None:
    """Have a whole checkpoint at another place, too, without room for another copy of it."""
    target.mkdir(parents=True)
    for one in {name, *(file.path for file in checkpoint.files)}:
        share(place / one, target / one)
