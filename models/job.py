"""The file contract, seen from inside a job: read ``job.json``, write events and ``result.json``.

Standard library only, so that a bad job is refused before anything heavy is imported.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal, Self

from models.log import say, say_event

DEVICES = ("cpu", "cuda")
DETERMINISMS = ("portable", "native")
CHECKPOINT = "checkpoint.pt"
DATA = ("train.npz", "test.npz", "metadata.json")
PROBE = "probe.npz"

INPUTS: Mapping[str, tuple[str, ...]] = {
    "simulate": (),
    "train": DATA,
    "diagnose": (*DATA, CHECKPOINT),
}
"""Experiment → names of the files that it reads."""
OPTIONAL: Mapping[str, tuple[str, ...]] = {"simulate": (PROBE,)}
"""Experiment → names of files that it reads if its parameters ask for them."""

OPTIONAL_KEYS: Mapping[str, frozenset[str]] = {"train": frozenset({"checkpoint_every"})}
"""Experiment → keys that its job may lack."""

RESULT = "result.json"
EVENTS = "events.jsonl"
DIFFERENCES = "differences.json"
AUDIT = "audit.json"
FIT_CHECKPOINTS = "fit_checkpoint_*"
"""Names of what a fit leaves to go on from."""
RESUME = "resume"
"""Folder beside ``job.json`` with such a checkpoint, of an attempt before this one."""

DETERMINISTIC: Mapping[str, bool] = {
    "train.npz": True,
    "test.npz": True,
    "metadata.json": True,
    "history.json": True,
    "metrics.json": True,
    "stats.json": True,
    "effective_config.json": True,
    "model.pt": True,
    "model_best.pt": True,
    "model_before_collapse.pt": True,
    "model_at_collapse.pt": True,
    "model_stopped.pt": True,
    "checkpoints.json": True,
    "grad_norms.csv": True,
    "recon.npz": True,
    "recon.png": True,
    "loss.png": True,
    "activation_report*.json": True,
    "activation_profile*.png": True,
    "grad_hist*.npz": True,
    "grad_hist*.png": True,
    "statistics.json": True,
    "losses.png": True,
    "learning_rates.png": True,
    "gradient_norms.png": True,
    "correlations.png": True,
    "activations.png": True,
    "scores.png": True,
    DIFFERENCES: True,
    "audit_step_*.pt": True,
    "audit_trace.npz": True,
    AUDIT: True,
    FIT_CHECKPOINTS: False,
    "regression_tests.json": False,
    "timing.json": False,
    "environment.json": False,
    EVENTS: False,
}
"""Name of a file that a job leaves → whether the same job gives the same bytes again."""


class JobError(Exception):
    """The job cannot be run as it is stated; the message names the key and what is wrong."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A file that the job reads."""

    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as ``job.json`` states it. ``parameters`` are left to ``models.config`` to judge."""

    experiment: str
    name: str
    parameters: Mapping[str, Any]
    seed: int
    device: str
    threads: int
    determinism: Literal["portable", "native"]
    inputs: Mapping[str, Input]
    sha256: str
    folder: Path = Path()
    """Where ``job.json`` lies."""
    checkpoint_every: Mapping[str, Any] | None = None
    """How often its fit leaves a state to go on from, for ``models.config`` to judge; or never."""


# --- reading -------------------------------------------------------------------------------------


def read_job(path: Path, experiment: str) -> Job:
    """Read and check a job for ``experiment``; input paths become relative to the working folder.

    Raises:
        JobError: the file cannot be read, is not what the contract says, or is for another
            experiment.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JobError(f"{path} cannot be read: {error.strerror}") from error
    table = _parse(content, path)
    _exact_keys(
        table,
        {"schema_version", "experiment", "name", "parameters", "seed", "execution", "inputs"},
        "job",
        optional=OPTIONAL_KEYS.get(experiment, frozenset()),
    )
    if table["schema_version"] != 1:
        raise JobError(f"schema_version is {table['schema_version']!r}; this is version 1")
    if table["experiment"] != experiment:
        raise JobError(f"experiment is {table['experiment']!r}, but {experiment!r} was asked for")
    execution = _table(table["execution"], "execution")
    _exact_keys(execution, {"device", "threads", "determinism"}, "execution")
    if execution["device"] not in DEVICES:
        raise JobError(f"execution.device is {execution['device']!r}; give one of {DEVICES}")
    if execution["determinism"] not in DETERMINISMS:
        raise JobError(
            f"execution.determinism is {execution['determinism']!r}; give one of {DETERMINISMS}"
        )
    return Job(
        experiment=experiment,
        name=_text(table["name"], "name"),
        parameters=_table(table["parameters"], "parameters"),
        seed=_integer(table["seed"], "seed", least=0),
        device=execution["device"],
        threads=_integer(execution["threads"], "execution.threads", least=1),
        determinism=execution["determinism"],
        inputs=_inputs(table["inputs"], experiment, path.parent),
        sha256=hashlib.sha256(content).hexdigest(),
        folder=path.parent,
        checkpoint_every=(
            _table(table["checkpoint_every"], "checkpoint_every")
            if "checkpoint_every" in table
            else None
        ),
    )


def verify_inputs(job: Job) -> None:
    """Compare every input with its stated digest.

    Raises:
        JobError: an input is missing or has other bytes.
    """
    for name, given in sorted(job.inputs.items()):
        try:
            found = sha256_file(given.path)
        except OSError as error:
            raise JobError(f"input {name} cannot be read: {error.strerror}") from error
        if found != given.sha256:
            raise JobError(f"input {name} has sha256 {found}, but the job states {given.sha256}")


def sha256_file(path: Path) -> str:
    """Digest of the bytes of a file. Raises ``OSError`` as ``open`` does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse(content: bytes, path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(
            content.decode(), object_pairs_hook=_unique_keys, parse_constant=_no_constant
        )
    except ValueError as error:
        raise JobError(f"{path} is not valid JSON: {error}") from error
    return _table(parsed, "job")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError(f"a key appears twice among {[key for key, _ in pairs]}")
    return table


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _inputs(value: object, experiment: str, folder: Path) -> dict[str, Input]:
    table = _table(value, "inputs")
    if experiment in INPUTS:  # of the others the inputs are as many as there are
        optional = table.keys() & OPTIONAL.get(experiment, ())
        _exact_keys(table, {*INPUTS[experiment], *optional}, "inputs")
    found = {}
    for name, entry in table.items():
        given = _table(entry, f"inputs.{name}")
        _exact_keys(given, {"path", "sha256"}, f"inputs.{name}")
        path, digest = (_text(given[key], f"inputs.{name}.{key}") for key in ("path", "sha256"))
        if PurePosixPath(path).is_absolute():
            raise JobError(f"inputs.{name}.path is absolute; give it relative to the job's folder")
        if not re.fullmatch("[0-9a-f]{64}", digest):
            raise JobError(f"inputs.{name}.sha256 is {digest!r}, no lowercase SHA-256 digest")
        found[name] = Input(path=folder / path, sha256=digest)
    return found


def _exact_keys(
    table: Mapping[str, Any], wanted: set[str], where: str, optional: frozenset[str] = frozenset()
) -> None:
    missing, unknown = sorted(wanted - table.keys()), sorted(table.keys() - wanted - optional)
    if missing:
        raise JobError(f"{where} lacks {', '.join(missing)}")
    if unknown:
        raise JobError(f"{where} has unknown keys: {', '.join(unknown)}")


def _table(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise JobError(f"{where} is no JSON object")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise JobError(f"{where} is {value!r}, not a string")
    return value


def _integer(value: object, where: str, *, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise JobError(f"{where} is {value!r}, not an integer of at least {least}")
    return value


# --- writing -------------------------------------------------------------------------------------


class Events:
    """``events.jsonl``: one JSON object a line, flushed at once. A context manager.

    What a reader of the log would want to know is said on the console, too.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, event: str, **facts: object) -> None:
        """Append an event with the time, in seconds since the epoch; NaN becomes null."""
        line = {"event": event, "time": time.time(), **facts}
        plain = {key: _finite(value) for key, value in line.items()}
        self._file.write(json.dumps(plain, allow_nan=False) + "\n")
        self._file.flush()
        say_event(event, facts)

    def stage(self, stage: str) -> None:
        """Say what goes on now."""
        self.write("stage", stage=stage)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


def _finite(value: object) -> object:
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def write_json(path: Path, content: object) -> None:
    """Write JSON with sorted keys; raises ``ValueError`` for NaN and infinity."""
    text = json.dumps(content, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def is_deterministic(name: str) -> bool:
    """What ``DETERMINISTIC`` says of a file name.

    Raises:
        ValueError: no entry covers the name.
    """
    for pattern, deterministic in DETERMINISTIC.items():
        if "/" not in name and fnmatchcase(name, pattern):
            return deterministic
    raise ValueError(f"{name} is not declared as deterministic or observational in models.job")


def write_result(job: Job, out: Path) -> None:
    """List all files of ``out`` in ``result.json``, which appears complete or not at all.

    Checkpoints of the fit are removed after that, unless they are to be kept.

    Raises:
        ValueError: a file is there whose kind is not declared.
    """
    keeps = job.checkpoint_every is not None and job.checkpoint_every.get("keep") is True
    discarded = set() if keeps else set(out.glob(FIT_CHECKPOINTS))
    files = [
        {
            "path": path.relative_to(out).as_posix(),
            "sha256": sha256_file(path),
            "bytes": path.stat().st_size,
            "deterministic": is_deterministic(path.relative_to(out).as_posix()),
        }
        for path in sorted(out.rglob("*"))
        if path.is_file() and path not in discarded
    ]
    result = {
        "schema_version": 1,
        "experiment": job.experiment,
        "job_sha256": job.sha256,
        "files": sorted(files, key=lambda file: str(file["path"])),
    }
    for file in files:
        say(f"wrote {file['path']}, {file['bytes']:,} bytes")
    temporary = out / f".{RESULT}"
    write_json(temporary, result)
    temporary.replace(out / RESULT)
    for path in discarded:
        path.unlink()
