"""A hub: the sealed folder that a phase leaves. Its names, its staging, its seal.

A hub is put together in ``<artifacts>/<phase>/.staging-<stamp>`` and renamed to
``<artifacts>/<phase>/<stamp>`` once every file is on disk and listed in ``SHA256SUMS``, so a folder
under its final name is complete. Sealed hubs are never written again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from runner.core.digest import entries, pretty_json
from runner.core.errors import EngineError, NoHubError, VerificationError
from runner.core.files import make_durable, remove_tree, undone
from runner.core.names import STAMP
from runner.core.reading import MIB, parse_table, read_below, shortened, typed
from runner.experiment import EXPERIMENT
from runner.hub.checksums import (
    CHECKSUMS,
    Verification,
    compare_checksums,
    digest_files,
    write_checksums,
)
from runner.hub.record import HubRecord
from runner.hub.records.base import FileRecord
from runner.hub.records.data import DatasetRecord

MANIFEST = "manifest.toml"
LOCK = "manifest.lock.json"
PLAN = "plan.json"
RECORD = "hub.json"
ENVIRONMENT = "environment.json"
PROVENANCE = "provenance.json"
CRATE = "ro-crate-metadata.json"
README = "README.md"
SUMMARY = "summary.md"
REPORT = "report.html"
DIFF = "uncommitted.diff"
JOURNAL = "journal.jsonl"
ARMS = "arms"
STEPS = "steps"
AUDITS = "audits"
DATASET = "dataset"
CODE = "code"
COMPARED = "compared"
SUMMARY_DIR = "summary"
PLOTS = "plots"
STATISTICS = "statistics.json"
TESTS = "tests"
TESTS_LOG = "regression_tests.log"
JOB = "job.json"
MOST_RECORD_BYTES = 256 * MIB
"""Of a hub's record, plan or checksums that are read: ten thousand arms and more."""

_STAMP = "%Y-%m-%dT%H%M%SZ"
_STAMP_PATTERN = re.compile(STAMP)
_STAGING = ".staging-"
_STATE = ".run-"
_DETERMINISTIC = {MANIFEST, PLAN}
BUNDLED = (CODE, COMPARED)
"""Folders of what was given to the run, copied so that the run can be repeated."""


def arm_dir(arm: str) -> str:
    """Folder of an arm's files inside the hub."""
    return f"{ARMS}/{arm}"


def step_dir(step: str, arm: str) -> str:
    """Folder of what a step made of an arm."""
    return f"{STEPS}/{step}/{arm}"


def audit_dir(arm: str) -> str:
    """Folder of what an audit of an arm left."""
    return f"{AUDITS}/{arm}"


def dataset_audit_dir(dataset: DatasetRecord) -> str:
    """Folder of what an audit of a dataset left."""
    return f"{dataset.folder}/audit"


def log_name(stage: str, arm: str) -> str:
    """Name of an arm's console log."""
    return EXPERIMENT.stages.log(stage, arm)


def metrics_name(stage: str, phase: str) -> str:
    """Name of the table with one row per arm."""
    return EXPERIMENT.stages.metrics(stage, phase)


@dataclass(kw_only=True)
class Staging:
    """A hub that is being put together. ``path`` is where; ``final`` is where it will be."""

    path: Path
    final: Path
    kept: bool = False
    """Whether what is in it by now is worth more than a tidy folder, whatever happens."""

    @property
    def state(self) -> Path:
        """The folder beside it with what is known of the run until the hub is sealed."""
        return self.path.with_name(f"{_STATE}{self.final.name}")

    def discard(self) -> None:
        """Remove it, unless it is ``kept``."""
        if not self.kept:
            remove_tree(self.path)
            remove_tree(self.state)

    def seal(self, sign: Callable[[Path], None] | None = None) -> Path:
        """Write ``SHA256SUMS``, make every file read-only and durable, rename; the hub's path.

        ``sign`` is given the folder once ``SHA256SUMS`` is there. Raises ``VerificationError``
        naming every link, device or odd name; nothing is renamed then.
        """
        (self.path / CHECKSUMS).unlink(missing_ok=True)
        write_checksums(self.path)
        if sign is not None:
            sign(self.path)
        _protect(self.path)
        if os.path.lexists(self.final):
            raise VerificationError(
                f"{self.final} exists already; move it away, the new hub waits in {self.path}"
            )
        self.path.rename(self.final)
        make_durable([self.final.parent])
        remove_tree(self.state)
        return self.final


def all_staged(artifacts: Path) -> list[Staging]:
    """Every staging folder of a phase below ``artifacts``; its hub waits to be finished."""
    return [
        Staging(path=path, final=path.with_name(name), kept=True)
        for path in sorted(artifacts.glob(f"*/{_STAGING}*"))
        if is_name(name := path.name.removeprefix(_STAGING))
    ]


def sealed_from(folder: Path) -> Path | None:
    """The sealed hub of a run, by its staging folder or its own; ``None`` where there is none."""
    hub = folder.with_name(folder.name.removeprefix(_STAGING))
    return hub if is_name(hub.name) and (hub / CHECKSUMS).is_file() else None


def outlived_states(artifacts: Path) -> list[Path]:
    """What was known of runs whose hubs are sealed by now, where it was left."""
    return [
        path
        for path in sorted(artifacts.glob(f"*/{_STATE}*"))
        if is_name(name := path.name.removeprefix(_STATE))
        and (path.with_name(name) / CHECKSUMS).is_file()
        and not path.with_name(f"{_STAGING}{name}").exists()
    ]


def staged(artifacts: Path, phase: str, now: datetime) -> AbstractContextManager[Staging]:
    """``stage``; what is raised in the block discards it."""
    return undone(lambda: stage(artifacts, phase, now), Staging.discard)


def staged_at(final: Path) -> AbstractContextManager[Staging]:
    """The staging folder of a hub that will be ``final``; what is raised in the block discards it.

    Raises ``EngineError`` where ``final`` exists or nothing can be written.
    """
    return undone(lambda: _stage_at(final), Staging.discard)


def _stage_at(final: Path) -> Staging:
    if os.path.lexists(final):
        raise EngineError(f"{final} exists already; name a folder that does not")
    staging = Staging(path=final.parent / f"{_STAGING}{final.name}", final=final)
    try:
        staging.path.mkdir(parents=True)
    except OSError as error:
        raise EngineError(
            f"{staging.path} cannot be made: {error.strerror}; name another folder with --out"
        ) from error
    return staging


def stage(artifacts: Path, phase: str, now: datetime) -> Staging:
    """Claim a name for a hub of ``phase`` and create its staging folder.

    The name is ``now`` in UTC, to the second. Where another run has that second, sealed or staged,
    the next free second is taken: names stay sortable and of one form, and the record keeps the
    true time. Raises ``EngineError`` where nothing can be written.
    """
    parent = artifacts / phase
    second = now.astimezone(UTC)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while (staging := _claim(parent, second.strftime(_STAMP))) is None:
            second += timedelta(seconds=1)
    except OSError as error:
        raise EngineError(
            f"no hub can be written below {artifacts}: {error.strerror}: {error.filename}; "
            "give another folder with --out"
        ) from error
    return staging


def _claim(parent: Path, stamp: str) -> Staging | None:
    """The staging folder of a stamp, or None if the stamp is taken.

    Creating the folder takes the stamp: only its owner renames to the final name, so a look for
    that name *after* the creation cannot be overtaken.
    """
    staging = Staging(path=parent / f"{_STAGING}{stamp}", final=parent / stamp)
    try:
        staging.path.mkdir()
    except FileExistsError:
        return None
    if os.path.lexists(staging.final):
        staging.path.rmdir()
        return None
    return staging


def write_record(folder: Path, record: HubRecord) -> HubRecord:
    """List every file of ``folder`` under ``artifacts`` of the record and write ``hub.json``.

    To be called last before the seal. Returns the record as written. Raises ``VerificationError``
    for what cannot be sealed.
    """
    complete = record.model_copy(update={"artifacts": list_files(folder, record)})
    (folder / RECORD).write_bytes(pretty_json(complete.model_dump(mode="json")))
    return complete


def list_files(folder: Path, record: HubRecord) -> tuple[FileRecord, ...]:
    """Every file of ``folder`` but ``hub.json`` and ``SHA256SUMS``, in byte order of the paths.

    Raises ``VerificationError`` for what cannot be sealed.
    """
    known = {
        f"{data.folder}/{file.path}": file.deterministic
        for data in record.datasets
        for file in data.files
    }
    for arm in record.arms:
        known |= {f"{arm_dir(arm.name)}/{file.path}": file.deterministic for file in arm.files}
        for file in arm.audit.files if arm.audit else ():
            known[f"{audit_dir(arm.name)}/{file.path}"] = file.deterministic
    for data in record.datasets:
        for file in data.audit.files if data.audit else ():
            known[f"{dataset_audit_dir(data)}/{file.path}"] = file.deterministic
    if record.summary:
        known |= {file.path: file.deterministic for file in record.summary.files}
    for step in record.steps:
        for made in step.captures:
            folder_of = step_dir(step.name, made.arm)
            known |= {f"{folder_of}/{file.path}": file.deterministic for file in made.files}
    return tuple(
        FileRecord(
            path=path.as_posix(),
            sha256=digest,
            bytes=(folder / path).stat().st_size,
            deterministic=_is_deterministic(path, known),
        )
        for path, digest in digest_files(folder).items()
        if path.as_posix() != RECORD
    )


def _is_deterministic(path: PurePosixPath, known: dict[str, bool]) -> bool:
    name = path.as_posix()
    given = name in _DETERMINISTIC or path.parts[0] in BUNDLED or path.name == JOB
    return known.get(name, given or is_given(path))


def is_given(path: PurePosixPath) -> bool:
    """Whether a file of a hub is one that a simulation was given."""
    return path.name == EXPERIMENT.given.name and path.parts[0] == DATASET


def verify(hub: Path) -> Verification:
    """Compare every file of a sealed hub with ``SHA256SUMS``; follows no link.

    Raises ``VerificationError`` for a folder that is no hub or was never sealed.
    """
    return compare_checksums(hub)


def read(hub: Path) -> HubRecord:
    """The record of a hub. Raises ``VerificationError`` where there is none that can be read."""
    try:
        content = read_below(hub, RECORD, most=MOST_RECORD_BYTES)
    except OSError as error:
        kind = VerificationError if os.path.lexists(hub) else NoHubError
        raise kind(
            f"{hub} is not a hub: {RECORD} cannot be read ({error.strerror}); "
            "`phasehub list` names the sealed hubs"
        ) from error
    except ValueError as error:
        raise VerificationError(f"{hub} is not a hub: {error}") from error
    return parse(content, hub)


def parse(content: bytes, hub: Path) -> HubRecord:
    """The record in the bytes of the ``hub.json`` of ``hub``. Raises as ``read``."""
    try:
        table = parse_table(content, RECORD)
        version = table.get("schema_version")
        if version != 1:
            raise VerificationError(
                f"{hub / RECORD} has schema_version {shortened(repr(version))}; this phasehub "
                "reads version 1"
            )
        return typed(HubRecord, table, RECORD)
    except ValueError as error:
        raise VerificationError(
            f"{hub} has no record that can be used: {error}; `phasehub verify` tells whether it "
            "was changed"
        ) from error


def is_name(name: str) -> bool:
    """Whether a folder is called as a sealed hub is: by its time."""
    return _STAMP_PATTERN.fullmatch(name) is not None


def find_hubs(artifacts: Path, phase: str | None = None) -> list[Path]:
    """Sealed hubs below ``artifacts``, by phase and then by time; those of one phase if given."""
    return sorted(
        path.parent
        for path in artifacts.glob(f"*/*/{CHECKSUMS}")
        if is_name(path.parent.name) and phase in (None, path.parent.parent.name)
    )


def _protect(folder: Path) -> None:
    """Take the right to write from every file, and wait until files and folders are on disk."""
    files = entries(folder)
    for file in files:
        path = folder / file
        path.chmod(path.stat().st_mode & 0o555)
    make_durable(folder / file for file in files)
    make_durable(folder / parent for parent in {one for file in files for one in file.parents})
