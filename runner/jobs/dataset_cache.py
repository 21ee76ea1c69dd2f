"""Datasets that are kept between runs: bound to what made them, and held to what they once were.

A dataset lies in a folder that is named after what it is made from (``address``), with an entry,
written last, that says which code and which job made it and what each file is. Beside it lies what
a simulation at this address is expected to give. That file outlives the folder: it is written once
and never again, so that bytes which did not come out as before are refused until somebody decides.

All of it belongs to the user who runs phasehub, and another program of this user can forge it as a
whole. What tells then are the hubs that were sealed before, and ``phasehub reproduce``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import JsonValue

from runner.core.digest import digest_json, entries, pretty_json, tree_digest
from runner.core.errors import VerificationError
from runner.core.names import InnerPath, Sha256
from runner.core.project import is_source
from runner.core.reading import (
    MIB,
    MissingError,
    open_below,
    parse_table,
    read_file,
    read_table,
    typed,
)
from runner.engines.images.snapshot import Snapshot
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.records.base import FileRecord, Record
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.collection import RESULT, Result
from runner.plan.model import Job

SIMULATOR = EXPERIMENT.program.simulator
"""What of ``models/`` decides the bytes of a dataset."""
ENTRY = "entry.json"
METADATA = "metadata.json"
MOST_HUBS = 20
"""Newest hubs of a phase that are asked for what they say of the data."""

Digests = Mapping[str, str]
"""File → its digest."""


class CacheEntry(Record):
    """``entry.json``: what the runner itself saw when it collected a dataset."""

    schema_version: Literal[1] = 1
    made_from: dict[str, JsonValue]
    """Everything that the bytes follow from; its digest is the folder's name."""
    models_sha256: Sha256
    """The snapshot that simulated it: tree digest of ``models/``."""
    engine: str
    image: str | None
    """Id of the image that it was simulated in; ``null`` for an engine without."""
    job_sha256: Sha256
    files: tuple[FileRecord, ...]
    """What arms read."""
    beside: dict[InnerPath, Sha256]
    """The other files of the folder, which tell of the simulation."""


class Expectation(Record):
    """``<address>.expected.json``: what the first simulation at an address gave."""

    schema_version: Literal[1] = 1
    models_sha256: Sha256
    files: dict[InnerPath, Sha256]


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """What a sealed hub says of its data."""

    hub: str
    files: Digests


# --- addresses -----------------------------------------------------------------------------------


def made_from(job: Job, models: Path, environment: str) -> dict[str, JsonValue]:
    """Everything that the bytes of a dataset follow from.

    The parameters and the seed; the simulator's source; and ``environment``, the identity of the
    installed packages. No parameter can change and leave the old dataset in use.
    """
    return {
        "parameters": job.parameters,
        "seed": job.seed,
        "threads": job.execution.threads,
        "determinism": job.execution.determinism,
        "simulator": tree_digest(models, include=_is_simulator),
        "environment": environment,
    }


def address(job: Job, models: Path, environment: str) -> str:
    """Digest of ``made_from``."""
    return digest_json(made_from(job, models, environment))


def _is_simulator(path: PurePosixPath) -> bool:
    return path.parts[0] in SIMULATOR and is_source(path)


def restored_folder(record: DatasetRecord, cache: Path) -> Path:
    """Where arrays out of an archive are kept: under the digest of what they are.

    Not where a run looks. That place is named after what data are made from, and nobody but a
    simulation on this machine can say that these arrays follow from it.
    """
    return cache / f"restored-{digest_json(digests(record.files))}"


def digests(files: tuple[FileRecord, ...]) -> dict[str, str]:
    """File → its digest."""
    return {file.path: file.sha256 for file in files}


def differing(one: Digests, other: Digests) -> str:
    """The names of the files that are not the same on both sides, or only on one."""
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))


# --- entries -------------------------------------------------------------------------------------


def find_folder(record: DatasetRecord, cache: Path) -> Path | None:
    """The folder with the very files of a hub's dataset, simulated or restored.

    The hub's digests decide, whatever stands beside the files. ``None`` where something is missing
    or has other bytes.
    """
    if not re.fullmatch("[0-9a-f]{64}", record.parameters_sha256) or not record.files:
        return None
    for folder in places_of(record, cache):
        try:
            refuse_others(folder, digests(record.files))
        except ValueError:
            continue
        return folder
    return None


def places_of(record: DatasetRecord, cache: Path) -> tuple[Path, Path]:
    """Where the data of a hub can lie: simulated here, or restored from an archive."""
    return cache / record.parameters_sha256, restored_folder(record, cache)


def open_entry(folder: Path) -> CacheEntry:
    """The entry of a cached dataset; every file of the folder has been read and is as it says.

    Raises ``ValueError``, saying what is wrong.
    """
    entry = typed(CacheEntry, read_table(folder, ENTRY), ENTRY)
    if digest_json(entry.made_from) != folder.name:
        raise ValueError(f"{ENTRY} is of another dataset")
    expected = {**digests(entry.files), **entry.beside}
    refuse_others(folder, expected)
    strange = {path.as_posix() for path in entries(folder)} - {*expected, ENTRY}
    if strange:
        raise ValueError(f"{min(strange)} does not belong to it")
    result = typed(Result, read_table(folder, RESULT), RESULT)
    if (result.job_sha256, data_files(result.files)) != (entry.job_sha256, entry.files):
        raise ValueError(f"{RESULT} and {ENTRY} do not agree")
    return entry


def data_files(files: tuple[FileRecord, ...]) -> tuple[FileRecord, ...]:
    """The files that arms read: those that are deterministic."""
    return tuple(file for file in files if file.deterministic)


def write_entry(
    folder: Path,
    *,
    origin: dict[str, JsonValue],
    code: Snapshot,
    engine: EngineRecord,
    job_sha256: str,
    files: tuple[FileRecord, ...],
) -> CacheEntry:
    """Bind a collected dataset to what made it; to be called when all its other files are there."""
    image = engine.facts.get("image")
    named = digests(files)
    entry = CacheEntry(
        made_from=origin,
        models_sha256=code.models_sha256,
        engine=engine.name,
        image=str(image["id"]) if isinstance(image, dict) else None,
        job_sha256=job_sha256,
        files=files,
        beside={
            path.as_posix(): _digest(folder, path.as_posix())
            for path in entries(folder)
            if path.as_posix() not in named
        },
    )
    (folder / ENTRY).write_bytes(pretty_json(entry.model_dump(mode="json")))
    return entry


def refuse_others(folder: Path, expected: Digests, problem: str = "was changed") -> None:
    """Raise ``ValueError`` for the first file that cannot be read, or has other bytes: ``problem``.

    One that is missing is a ``MissingError``.
    """
    for name, digest in expected.items():
        try:
            found = _digest(folder, name)
        except FileNotFoundError:
            raise MissingError(f"{name} is missing") from None
        except OSError as error:
            raise ValueError(f"{name} cannot be read: {error.strerror}") from error
        if found != digest:
            raise ValueError(f"{name} {problem}")


def _digest(folder: Path, name: str) -> str:
    whole = hashlib.sha256()
    with open_below(folder, name) as file:
        while block := file.read(MIB):
            whole.update(block)
    return whole.hexdigest()


# --- what is expected ----------------------------------------------------------------------------


def expectation_file(cache: Path, key: str) -> Path:
    """Where it is written what a simulation gives."""
    return cache / f"{key}.expected.json"


def read_expectation(path: Path) -> Expectation | None:
    """What is expected; ``None`` before the first simulation. Raises ``VerificationError``."""
    try:
        content = read_file(path.parent, path.name)
        return typed(Expectation, parse_table(content, path.name), path.name)
    except ValueError as error:
        if not path.exists() and not path.is_symlink():
            return None
        raise VerificationError(
            f"{path.parent}: {error}; it says what a simulation gave before: remove the file to "
            "take the next simulation as it comes"
        ) from error


def expect(path: Path, entry: CacheEntry) -> None:
    """Write down what was simulated, once and for all."""
    new = path.with_name(f".{path.name}.new")
    said = Expectation(models_sha256=entry.models_sha256, files=digests(entry.files))
    new.write_bytes(pretty_json(said.model_dump(mode="json")))
    new.replace(path)


def refuse_other_bytes(path: Path, expected: Expectation | None, found: Digests) -> None:
    """Raise ``VerificationError`` when a simulation does not give what one gave before."""
    if expected is not None and expected.files != found:
        raise VerificationError(
            f"dataset {path.name[:12]}: simulated again, {differing(expected.files, found)} did "
            "not come out as before; the simulation is not repeatable on this machine, or the "
            "cache was forged. It is not used. To take the next simulation as it comes, remove "
            f"{path}"
        )


def sealed_data(artifacts: Path, phase: str) -> dict[str, Sealed]:
    """Address → what the newest sealed hub of a phase that has these data says of them."""
    found: dict[str, Sealed] = {}
    for folder in layout.find_hubs(artifacts, phase)[-MOST_HUBS:]:
        try:
            datasets = layout.read(folder).datasets
        except VerificationError:  # it is no witness
            continue
        name = f"{phase}/{folder.name}"
        found |= {
            one.parameters_sha256: Sealed(hub=name, files=digests(one.files))
            for one in datasets
            if one.status == "succeeded"
        }
    return found
