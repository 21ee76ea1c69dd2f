"""What of a run is on disk before its hub is sealed, so that any process can go on with it.

Beside the staged folder ``.staging-<time>`` lies ``.run-<time>``: ``run.json`` says what was asked
for and decided, ``arms/``, ``datasets/`` and ``tests/`` have a record of everything that has ended,
and a lock in it is held for as long as a process executes the run. What is in here counts; the
staged folder has the files that it speaks of.
"""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from runner.core import locks
from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import (
    EngineError,
    NoRunError,
    OthersError,
    RunnerError,
    VerificationError,
)
from runner.core.files import write_durably
from runner.core.names import Sha256
from runner.core.owners import other_owner
from runner.core.reading import read_table, typed
from runner.engines.base import Handle
from runner.hub import layout
from runner.hub.journal import tables
from runner.hub.records.arm import ArmRecord
from runner.hub.records.base import FileRecord, Record
from runner.hub.records.provenance import CodeRecord, EngineRecord
from runner.hub.records.registered import RegisteredFinding

RUN = "run.json"
ENGINE = "engine.json"
_LOCK = "run"

WORK = ".attempts"
"""Folder of the attempts inside the staged hub; gone before the seal."""

R = TypeVar("R", bound=Record)
_HANDLE = TypeAdapter(Handle)


class Records(dict[str, R]):
    """Records by name, each of them on disk before it is in here."""

    def __init__(self, folder: Path, kind: type[R]) -> None:
        """Read what is there. Raises ``VerificationError`` for what is no such record."""
        super().__init__()
        self._folder = folder
        for path in sorted(folder.glob("*.json")):
            try:
                record = typed(kind, read_table(folder, path.name), path.name)
            except ValueError as error:
                raise VerificationError(
                    f"{folder}: {error}; without this file, what it speaks of is run again"
                ) from error
            super().__setitem__(path.stem, record)

    def __setitem__(self, name: str, record: R) -> None:
        """Write the record, wait for the disk, and have it from now on."""
        content = pretty_json(record.model_dump(mode="json"))
        write_durably(self._folder / f"{name}.json", content)
        super().__setitem__(name, record)

    def __delitem__(self, name: str) -> None:
        """Have it no more, here and on disk."""
        (self._folder / f"{name}.json").unlink(missing_ok=True)
        super().__delitem__(name)


class Asked(Record):
    """What the user asked for, with absolute paths."""

    manifest: str
    engine: str
    device: str
    profile: str | None
    only: tuple[str, ...]
    with_optional: bool
    artifacts: str
    python: str | None
    signing_key: str | None
    locked: bool
    reuse: tuple[str, ...] = ()
    signers: str | None = None
    fail_fast: bool = False
    retries: int | None = None
    set_over: tuple[str, ...] = ()


class Begun(Record):
    """What was decided when a run began; what goes on with it must come to the same."""

    version: Literal[1] = 1
    run_id: str
    started: float
    """Seconds since 1970."""
    asked: Asked
    manifest_sha256: Sha256
    plan_sha256: Sha256
    arms: tuple[str, ...]
    snapshot_sha256: Sha256
    """Digest of the code with the project's tests."""
    code: CodeRecord
    registered: tuple[RegisteredFinding, ...]
    notes: tuple[str, ...]
    """What a reader of the hub must know, as far as it was known then."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Unfinished:
    """A run that has begun and is not sealed."""

    staging: layout.Staging
    begun: Begun
    alive: bool
    """Whether a process executes it now."""
    ended: int
    """Arms of which there is a record."""


def begin(staging: layout.Staging, begun: Begun) -> None:
    """Put on disk that a run has begun."""
    write_durably(staging.state / RUN, pretty_json(begun.model_dump(mode="json")))


def write_engine(staging: layout.Staging, engine: EngineRecord) -> None:
    """Put on disk where the jobs run."""
    write_durably(staging.state / ENGINE, pretty_json(engine.model_dump(mode="json")))


def read_begun(staging: layout.Staging) -> Begun:
    """What was decided. Raises ``VerificationError`` where no run lies there that can go on."""
    try:
        return typed(Begun, read_table(staging.state, RUN), RUN)
    except ValueError as error:
        raise VerificationError(
            f"{staging.state}: {error}; this run cannot go on, run its manifest again"
        ) from error


def read_engine(staging: layout.Staging) -> EngineRecord | None:
    """Where its jobs ran so far; ``None`` where none could."""
    if not (staging.state / ENGINE).is_file():
        return None
    try:
        return typed(EngineRecord, read_table(staging.state, ENGINE), ENGINE)
    except ValueError as error:
        raise VerificationError(f"{staging.state}: {error}; run the manifest again") from error


@contextmanager
def held(staging: layout.Staging) -> Iterator[None]:
    """Hold a run for as long as the block lasts.

    Raises ``EngineError`` where another process does.
    """
    staging.state.mkdir(mode=0o700, exist_ok=True)
    with locks.hold(staging.state, _LOCK) as free:
        if not free:
            raise EngineError(
                f"{staging.path} is executed by another process; `phasehub status` shows how "
                "far it is"
            )
        yield


def is_alive(state: Path) -> bool:
    """Whether a process holds the run whose state lies in a folder."""
    with locks.hold(state, _LOCK) as free:
        return not free


def was_alive(state: Path) -> bool:
    """Whether a process once held the run, and none does now."""
    return state.is_dir() and locks.exists(state, _LOCK) and not is_alive(state)


def looked_at(artifacts: Path) -> Iterator[tuple[layout.Staging, Unfinished | RunnerError]]:
    """Every run below ``artifacts`` that has begun and is not sealed, or why it cannot be read.

    Of another user's it is not known how far it is; it is an ``OthersError``.
    """
    for staging in layout.all_staged(artifacts):
        if owner := other_owner(staging.state):
            why = f"is a run of {owner}, who alone can go on with it, seal it or clean it away"
            yield staging, OthersError(f"{staging.path} {why}")
        elif (staging.state / RUN).exists():
            try:
                yield staging, _look(staging)
            except RunnerError as error:
                yield staging, error


def unfinished(artifacts: Path) -> list[Unfinished]:
    """Every such run that can be read, oldest first."""
    found = [one for _, one in looked_at(artifacts) if isinstance(one, Unfinished)]
    return sorted(found, key=lambda one: one.begun.started)


def _look(staging: layout.Staging) -> Unfinished:
    return Unfinished(
        staging=staging,
        begun=read_begun(staging),
        alive=is_alive(staging.state),
        ended=sum(1 for _ in (staging.state / "arms").glob("*.json")),
    )


def choose(named: Path | None, artifacts: Path, *, alive: bool = False) -> Unfinished:
    """The run that is meant: the one named, or the only one that no process executes.

    With ``alive`` the only one that a process does execute; one that is named may be either.

    Raises ``NoRunError`` where there is none, ``EngineError`` where several could be meant, and
    ``VerificationError`` where the one that is named cannot be read.
    """
    if named is not None:
        for staging, one in looked_at(named.resolve().parent.parent):
            if named.resolve() in (staging.path.resolve(), staging.final.resolve()):
                if isinstance(one, RunnerError):
                    raise one
                return one
        raise NoRunError(f"{named} is no unfinished run; `phasehub status` lists them")
    meant = [one for one in unfinished(artifacts) if one.alive is alive]
    if len(meant) == 1:
        return meant[0]
    if not meant:
        what = "that is under way" if alive else "to go on with"
        raise NoRunError(f"below {artifacts} there is no run {what}")
    names = ", ".join(str(one.staging.path) for one in meant)
    what = "under way" if alive else "unfinished"
    raise EngineError(f"several runs are {what}; name one of them: {names}")


def journal(staging: layout.Staging) -> Iterator[dict[str, Any]]:
    """What the journal tells, in its order; a line that was cut short tells nothing."""
    return tables(staging.path)


def mend_journal(staging: layout.Staging) -> None:
    """End the last line of the journal where a process was killed while it wrote it."""
    with (staging.path / layout.JOURNAL).open("ab+") as file:
        if not file.tell():
            return
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\n")


def starts(staging: layout.Staging) -> Counter[str]:
    """How often each job was started so far, by the journal, or was about to be."""
    return _count(staging, "intended") - _count(staging, "postponed")


def _count(staging: layout.Staging, event: str) -> Counter[str]:
    return Counter(str(entry["name"]) for entry in _entries(staging, event))


def handles(staging: layout.Staging) -> dict[str, Handle]:
    """By the names of jobs, that by which an engine finds the one that was started last.

    A handle that leads out of the run's folder of attempts is none of ours.
    """
    folder = staging.path.resolve()
    found: dict[str, Handle] = {}
    for entry in _entries(staging, "started"):
        try:
            handle = _HANDLE.validate_python(_with_places(entry.get("handle"), folder))
        except ValidationError:
            continue
        inside = Path(os.path.normpath(handle.out_dir)).is_relative_to(folder / WORK)
        if inside and handle.log_path.startswith(f"{folder}/"):
            found[str(entry["name"])] = handle
    return found


def _entries(staging: layout.Staging, event: str) -> Iterator[dict[str, Any]]:
    return (one for one in journal(staging) if one.get("event") == event and "name" in one)


def _with_places(handle: object, folder: Path) -> object:
    """A handle with the run's folder where the journal has a word for it."""
    if not isinstance(handle, dict):
        return handle
    words = {key: value for key, value in handle.items() if isinstance(value, str)}
    return handle | {key: value.replace("<hub>", str(folder)) for key, value in words.items()}


def changed_files(folder: Path, files: tuple[FileRecord, ...]) -> list[str]:
    """The files of a record that are not, or are no longer, as it says."""
    return [
        file.path
        for file in files
        if not (folder / file.path).is_file() or sha256_file(folder / file.path) != file.sha256
    ]


def is_final(arm: ArmRecord) -> bool:
    """Whether an arm has come to its end: not one whose turn never came or that was stopped."""
    return arm.status not in ("interrupted", "could_not_start", "not_run")
