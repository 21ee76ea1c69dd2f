"""Arms as rows of a page's tables: what differs, what was measured, why a score is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.core.text import listing, plain
from runner.hub.record import ArmRecord, differing_knobs, leaves
from runner.report.wording import NOTHING, collapse, declared, duration, measured, outcome

Results = tuple[tuple[str, str], ...]
"""Heading and statistic of the columns that a page shows; the metrics table has them all."""

COMMON: Results = (
    ("val loss, best", "val_loss_best"),
    ("val loss, final", "val_loss_final"),
    ("amp SSIM", "amp_ssim"),
    ("amp MAE", "amp_mae"),
)
PLAIN: Results = (("phase SSIM", "phase_ssim"), ("phase MAE", "phase_mae"))
"""Of arms by definition 1."""
ALIGNED: Results = (
    ("phase SSIM, aligned", "phase_aligned_ssim"),
    ("phase MAE, aligned", "phase_aligned_mae"),
)
"""Of arms by definition 2."""


def results(arms: Sequence[ArmRecord]) -> Results:
    """The columns for arms: scores of the phase by the definitions that the arms have."""
    found = {min(arm.score_definition, 2) for arm in arms if arm.stats}
    phases = {1: PLAIN, 2: ALIGNED}
    return COMMON + tuple(pair for number in sorted(found or {1}) for pair in phases[number])


_DEFINITIONS = {
    1: "by the old definition 1: the phase is scored with its global phase, which no measurement "
    "tells, and collapsed means flat, not finite or unlike the object",
    2: "by definition 2: the phase is scored once its global phase is aligned, and collapsed means "
    "flat",
}


def definitions(shown: Sequence[tuple[str | None, ArmRecord]]) -> str:
    """By which definitions the scores of arms are, in a sentence; empty where nothing was scored.

    Arms come with the name of the hub that they are from, ``None`` for a page's own.
    """
    hubs: dict[int, dict[str, None]] = {}
    for name, arm in shown:
        if arm.stats:
            hubs.setdefault(arm.score_definition, {})[name or "this hub"] = None
    told = [
        (f"of {listing(list(names))} " if len(hubs) > 1 else "")
        + _DEFINITIONS.get(number, f"by definition {number}, which this phasehub does not know")
        for number, names in sorted(hubs.items())
    ]
    return f"Scores and collapse {'; '.join(told)}." if told else ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value as text, and the number of the footnote that says why there is none."""

    text: str
    footnote: int | None = None


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """Why scores are missing: which ones, and of which arms."""

    reason: str
    stats: tuple[str, ...]
    arms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm in the tables. ``fate`` tells at a glance what became of it."""

    label: str
    phase: str | None
    """The earlier phase that the arm is from; ``None`` for this phase."""
    fate: Literal["fine", "unsound", "collapsed", "failed"]
    outcome: str
    collapsed: str
    cells: tuple[Cell, ...]
    knobs: tuple[str, ...]
    as_planned: bool


@dataclass(frozen=True, kw_only=True)
class ArmTable:
    """All arms, and the knobs that are not the same in all of them."""

    knob_names: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[Footnote, ...]
    """The first one has number 1."""
    results: Results
    """Heading and statistic of the scores in ``rows``."""
    definitions: str
    """By which definitions they are."""


def arm_table(shown: Sequence[tuple[str | None, ArmRecord]]) -> ArmTable:
    """Rows for arms, each with the name of the hub that it is from, ``None`` for a page's own."""
    arms = [arm for _, arm in shown]
    names = differing_knobs([arm.plan for arm in arms])
    footnotes = _footnotes(arms)
    numbers = {note.reason: number for number, note in enumerate(footnotes, start=1)}
    columns = results(arms)
    return ArmTable(
        knob_names=names,
        rows=tuple(_row(phase, arm, names, numbers, columns) for phase, arm in shown),
        footnotes=footnotes,
        results=columns,
        definitions=definitions(shown),
    )


def constant_scores(arms: Sequence[ArmRecord]) -> str | None:
    """The scores that every phase gets for nothing, in the words of the columns."""
    for arm in arms:
        scores = [
            f"{heading} {measured(value)}"
            for heading, stat in results(arms)
            if (value := arm.stats.get(f"constant_{stat}")) is not None
        ]
        if scores:
            return ", ".join(scores)
    return None


def _row(
    phase: str | None,
    arm: ArmRecord,
    knobs: Sequence[str],
    numbers: Mapping[str, int],
    columns: Results,
) -> Row:
    plan = dict(leaves(arm.plan))
    return Row(
        label=arm.name,
        phase=phase,
        fate=_fate(arm),
        outcome=outcome(arm),
        collapsed=collapse(arm),
        cells=(
            *(_cell(arm, stat, numbers) for _, stat in columns),
            Cell(text=measured(arm.timing.get("steps_per_s"))),
            Cell(text=duration(arm.wall_s)),
        ),
        knobs=tuple(declared(plan[name]) if name in plan else NOTHING for name in knobs),
        as_planned=not arm.differences,
    )


def _fate(arm: ArmRecord) -> Literal["fine", "unsound", "collapsed", "failed"]:
    if arm.status != "succeeded":
        return "failed"
    if arm.collapsed:
        return "collapsed"
    return "unsound" if arm.shortcoming else "fine"


def _cell(arm: ArmRecord, stat: str, numbers: Mapping[str, int]) -> Cell:
    """A statistic; one that means nothing has a footnote."""
    value = arm.stats.get(stat)
    reason = arm.null_reasons.get(stat) if value is None else None
    return Cell(text=measured(value), footnote=numbers[reason] if reason else None)


def _footnotes(arms: Sequence[ArmRecord]) -> tuple[Footnote, ...]:
    """One footnote for each reason, whichever scores and arms it is given for.

    Reasons for scores of the best epoch, which the pages do not show, are left to the tables.
    """
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for arm in arms:
        for stat, reason in arm.null_reasons.items():
            if stat.startswith("best_"):
                continue
            stats, names = found.setdefault(reason, ({}, {}))
            stats[plain(stat)] = names[arm.name] = None
    return tuple(
        Footnote(reason=reason, stats=tuple(stats), arms=tuple(names))
        for reason, (stats, names) in found.items()
    )
