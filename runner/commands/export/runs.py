"""A hub as trackers of experiments see one: runs with knobs, numbers, words and curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any

from pydantic import JsonValue

from runner.core.errors import ExportError
from runner.experiment import EXPERIMENT
from runner.hub.history import Column
from runner.hub.leaves import leaves
from runner.hub.metrics_table import flat_rows
from runner.hub.records.arm import ArmRecord
from runner.manifest.set_knobs import in_words
from runner.verify.checked_hub import CheckedHub

UNIT = EXPERIMENT.progress.unit
"""What curves are counted by."""
SCORE = "score."
"""Before the names of scores where curves stand beside them, some of which have the same names."""


@dataclass(frozen=True, kw_only=True)
class ExportedArm:
    """One run."""

    name: str
    succeeded: bool
    started: datetime
    ended: datetime
    """Of an arm that was never started, these are the times of the hub."""
    knobs: Mapping[str, JsonValue]
    """Dotted name → value, defaults spelled out; and the seed."""
    numbers: Mapping[str, float]
    """Scores and times that are numbers; one that means nothing is missing."""
    words: Mapping[str, str]
    """What else is said of it: status, proof, flags, texts; profile, and what was set."""
    curves: Mapping[str, Column]
    """What the fit came to, by its units."""

    @property
    def last_unit(self) -> int:
        """The unit whose weights the numbers are of; 0 without a curve."""
        return max((len(curve) for curve in self.curves.values()), default=1) - 1


@dataclass(frozen=True, kw_only=True)
class ExportedHub:
    """Runs of one hub, and what is said of it."""

    name: str
    phase: str
    title: str
    sha256: str
    """Digest of ``SHA256SUMS``, and thereby of every file."""
    rows: list[dict[str, object]]
    arms: tuple[ExportedArm, ...]


def exported(hub: CheckedHub) -> ExportedHub:
    """All of a hub that is exported. Raises ``VerificationError``."""
    record = hub.record
    variant = {"profile": record.profile, "set": in_words(record.set_knobs) or None}
    return ExportedHub(
        name=hub.name,
        phase=record.phase,
        title=record.title,
        sha256=hub.sha256,
        rows=[row | variant for row in flat_rows(record)],
        arms=tuple(_arm(hub, arm, variant) for arm in record.arms),
    )


def _arm(hub: CheckedHub, arm: ArmRecord, variant: Mapping[str, str | None]) -> ExportedArm:
    measured = {**dict(leaves(arm.timing)), **dict(leaves(arm.stats))}
    numbers = {name: float(value) for name, value in measured.items() if is_number(value)}
    said = {name: value for name, value in measured.items() if name not in numbers}
    given = {"status": arm.status, "message": arm.message, "proof": arm.proof_in_words, **variant}
    words = {name: spelled(value) for name, value in (said | given).items() if value is not None}
    return ExportedArm(
        name=arm.name,
        succeeded=arm.status == "succeeded",
        started=datetime.fromisoformat(arm.started or hub.record.started),
        ended=datetime.fromisoformat(arm.ended or hub.record.ended),
        knobs={**dict(leaves(arm.parameters)), "seed": arm.seed},
        numbers=numbers,
        words={name: word for name, word in words.items() if word},
        curves=hub.history(arm),
    )


@dataclass(frozen=True, kw_only=True)
class Point:
    """A number at a unit of the fit."""

    name: str
    value: float
    unit: int


def points(arm: ExportedArm) -> Iterator[Point]:
    """Every entry of the curves, and every score at the last unit, as ``score.<name>``."""
    for name, value in arm.numbers.items():
        yield Point(name=f"{SCORE}{name}", value=value, unit=arm.last_unit)
    for name, curve in arm.curves.items():
        for unit, number in enumerate(curve):
            if number is not None:
                yield Point(name=name, value=number, unit=unit)


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; flags are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def spelled(value: object) -> str:
    """A JSON value as a word: texts as they are, all else as JSON writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def library(module: str, extra: str) -> Any:  # noqa: ANN401 - a library
    """A tool's own library. Raises ``ExportError`` that names the extra where it is missing."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ExportError(
            f"--to {extra} needs a library that is not installed ({error}); install phasehub with "
            f"the extra: pip install 'phasehub[{extra.partition('-')[0]}]', in a clone "
            f"pip install '.[{extra.partition('-')[0]}]'"
        ) from None
