"""The small files of the arms, as the job at the end of a phase is shown them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.config.summary import Summary, SummaryArm
from models.job import Job

Series = NDArray[np.float64]

STATS, HISTORY, METRICS, GRADIENTS = (
    "stats.json",
    "history.json",
    "metrics.json",
    "grad_norms.csv",
)


BY_EPOCH = ("train_loss", "val_loss", "learning_rate", "decoder_share_not_positive")


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """One arm that counts: its place among the groups, and what it left."""

    group: int
    name: str
    seed: int
    stats: Mapping[str, Any]
    history: Mapping[str, Series]
    """One value an epoch; NaN for what was not finite."""
    frc: tuple[Series, ...]
    """Correlation by ring, of amplitude and of phase; NaN where it means nothing."""
    gradients: Mapping[str, Series]
    """``step``, ``epoch``, ``pre_clip`` and ``post_clip`` of the gradient-norm trace."""
    activations: Mapping[str, Mapping[str, Any]]
    """Layer → its row in the activation report; empty where the arm has no report."""

    @property
    def collapsed(self) -> bool:
        """Whether the arm is flat; by definition 1 other things had collapsed as well."""
        return bool(self.stats["collapsed"]) and self._old_word in (None, "flat")

    @property
    def shortcoming(self) -> str | None:
        """``not_finite``, ``unlike_object``, ``unfinished``, or ``None``."""
        found = self.stats.get("collapse_kind") or self._old_word
        if found in ("not_finite", "unlike_object"):
            return str(found)
        return "unfinished" if self.stats.get("unfinished") is True else None

    @property
    def fate(self) -> str | None:
        """What plots mark an arm with: ``collapsed``, or its shortcoming; ``None`` for neither."""
        return "collapsed" if self.collapsed else self.shortcoming

    @property
    def fate_epoch(self) -> int | None:
        """Epoch from which on it was that; ``None`` where none is known."""
        epoch = self.stats.get("collapse_epoch")
        return None if epoch is None or self.fate is None else int(epoch)

    @property
    def _old_word(self) -> str | None:
        """The word that the reason of definition 1 begins with; ``None`` by a later one."""
        if "score_definition" in self.stats or not self.stats["collapsed"]:
            return None
        word = str(self.stats.get("collapse_reason") or "flat").partition(":")[0]
        return {"not finite": "not_finite", "unlike the object": "unlike_object"}.get(word, word)

    def measured(self, stat: str) -> float | None:
        """A statistic as a number; ``None`` where it means nothing or was not finite."""
        return number(self.stats.get(stat))


def read_runs(job: Job, summary: Summary) -> tuple[Run, ...]:
    """The arms that count, in the order of the groups.

    Raises:
        ValueError: a file cannot be used; the message names arm and file.
    """
    return tuple(
        read_run(job, place, arm)
        for place, group in enumerate(summary.groups)
        for arm in group.arms
        if counts(job, arm)
    )


def counts(job: Job, arm: SummaryArm) -> bool:
    """Whether an arm ran as planned and left its statistics."""
    return arm.status == "succeeded" and f"{arm.key}/{STATS}" in job.inputs


def read_run(job: Job, group: int, arm: SummaryArm) -> Run:
    """The files of one arm. Raises ``ValueError`` naming arm and file."""
    paths = {
        name.removeprefix(f"{arm.key}/"): given.path
        for name, given in job.inputs.items()
        if name.startswith(f"{arm.key}/")
    }
    try:
        return Run(
            group=group,
            name=arm.name,
            seed=arm.seed,
            stats=judged(table(paths.get(STATS))),
            history=by_epoch(table(paths.get(HISTORY))),
            frc=tuple(series(curve) for curve in correlations(table(paths.get(METRICS)))),
            gradients=trace(paths.get(GRADIENTS)),
            activations=layers(paths),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"arm {arm.name}: {error}") from error


def judged(stats: dict[str, Any]) -> dict[str, Any]:
    """Statistics that say whether the arm collapsed. Raises ``ValueError`` for others."""
    if not isinstance(stats.get("collapsed"), bool):
        raise ValueError(f"{STATS} does not say whether the arm collapsed")  # noqa: TRY004
    return stats


def table(path: Path | None) -> dict[str, Any]:
    """A JSON table; empty where there is no file. Raises ``ValueError`` for anything else."""
    if path is None:
        return {}
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no table")  # noqa: TRY004  a flaw of the file
    return content


def by_epoch(history: Mapping[str, Any]) -> dict[str, Series]:
    """The series of a history that are drawn; those that the arm does not have are empty."""
    return {name: series(history.get(name) or ()) for name in BY_EPOCH}


def number(value: object) -> float | None:
    """A finite number; ``None`` for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def series(values: Sequence[object]) -> Series:
    """Numbers as an array, NaN for null."""
    found = [number(value) for value in values]
    return np.array([math.nan if value is None else value for value in found])


def correlations(metrics: Mapping[str, Any]) -> Sequence[Sequence[object]]:
    """The Fourier ring correlation with the last weights: amplitude, phase."""
    found = metrics.get("frc", {}).get("last_epoch", ())
    return [curve or () for curve in found]


def trace(path: Path | None) -> dict[str, Series]:
    """The gradient-norm trace; NaN where a norm is not finite."""
    names = ("step", "epoch", "pre_clip", "post_clip")
    if path is None:
        return dict.fromkeys(names, np.array([]))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def layers(paths: Mapping[str, Path]) -> dict[str, Any]:
    """The rows of the arm's activation report, the first by name if there are several."""
    reports = sorted(name for name in paths if name.startswith("activation_report"))
    found = table(paths[reports[0]]).get("layers", {}) if reports else {}
    return dict(found)
