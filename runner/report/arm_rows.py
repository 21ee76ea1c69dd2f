"""Arms as rows of a page's tables: what differs, what was measured, why a score is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from runner.core.text import listing, plain
from runner.experiment import EXPERIMENT
from runner.hub.leaves import differing_knobs, leaves
from runner.hub.records.arm import ArmRecord
from runner.report.tables import Cell
from runner.report.wording import (
    NOTHING,
    came_about_and_why,
    declared,
    duration,
    measured,
    outcome,
)

RESULTS = EXPERIMENT.results

Results = tuple[tuple[str, str], ...]
"""Heading and statistic of the columns that a page shows; the metrics table has them all."""


def results(arms: Sequence[ArmRecord]) -> Results:
    """The columns for arms, by the definitions that their scores have."""
    return RESULTS.columns(vars(arm) for arm in arms if arm.stats)


def definitions(shown: Sequence[tuple[str | None, ArmRecord]]) -> str:
    """By which definitions the scores of arms are, in a sentence; empty where nothing was scored.

    Arms come with the name of the hub that they are from, ``None`` for a page's own.
    """
    hubs: dict[int, dict[str, None]] = {}
    for name, arm in shown:
        if arm.stats:
            hubs.setdefault(RESULTS.definition(vars(arm)), {})[name or "this hub"] = None
    phrases = [
        (f"of {listing(list(names))} " if len(hubs) > 1 else "") + RESULTS.definitions(number)
        for number, names in sorted(hubs.items())
    ]
    return f"{RESULTS.definitions_of} {'; '.join(phrases)}." if phrases else ""


@dataclass(frozen=True, kw_only=True)
class Footnote:
    """Why scores are missing: which ones, and of which arms."""

    reason: str
    stats: tuple[str, ...]
    arms: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm in the tables.

    ``fate`` tells at a glance what became of it: ``failed``, ``unsound``, ``fine``, or the
    endpoint's own word.
    """

    label: str
    about: str
    """What the manifest says of it; empty where it says nothing."""
    phase: str | None
    """The earlier phase that the arm is from; ``None`` for this phase."""
    fate: str
    outcome: str
    came_about: str
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
            if (value := arm.stats.get(f"{RESULTS.baseline}{stat}")) is not None
        ]
        if scores:
            return ", ".join(scores)
    return None


def baseline_cells(arms: Sequence[ArmRecord], columns: Results) -> tuple[Cell, ...]:
    """What every column is worth for nothing; none where nothing was scored.

    Arms of several datasets may have several baselines: then it is the range.
    """
    found = [
        sorted(
            {
                float(value)
                for arm in arms
                if isinstance(value := arm.stats.get(f"{RESULTS.baseline}{stat}"), int | float)
            }
        )
        for _, stat in columns
    ]
    return tuple(map(_range, found)) if any(found) else ()


def _range(values: Sequence[float]) -> Cell:
    if len(values) > 1:
        return Cell(text=f"{measured(values[0])} to {measured(values[-1])}")
    return Cell(text=measured(values[0]), value=values[0]) if values else Cell(text=NOTHING)


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
        about=". ".join(text for text in (arm.title, arm.description) if text),
        phase=phase,
        fate=_fate(arm),
        outcome=outcome(arm),
        came_about=came_about_and_why(arm),
        cells=(
            *(_cell(arm, stat, numbers) for _, stat in columns),
            _number(arm.timing.get("steps_per_s")),
            Cell(text=duration(arm.wall_s), value=arm.wall_s),
        ),
        knobs=tuple(declared(plan[name]) if name in plan else NOTHING for name in knobs),
        as_planned=not arm.differences,
    )


def _fate(arm: ArmRecord) -> str:
    if arm.status != "succeeded":
        return "failed"
    if arm.fate.reached:
        return EXPERIMENT.endpoint.past
    return "unsound" if arm.fate.shortcoming else "fine"


def _cell(arm: ArmRecord, stat: str, numbers: Mapping[str, int]) -> Cell:
    """A statistic; one that means nothing has a footnote."""
    value = arm.stats.get(stat)
    reason = arm.null_reasons.get(stat) if value is None else None
    return replace(_number(value), note=numbers[reason] if reason else None)


def _number(value: object) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Cell(text=measured(value))
    return Cell(text=measured(value), value=float(value))


def _footnotes(arms: Sequence[ArmRecord]) -> tuple[Footnote, ...]:
    """One footnote for each reason, whichever scores and arms it is given for.

    Reasons for scores that the pages do not show are left to the tables.
    """
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for arm in arms:
        for stat, reason in arm.null_reasons.items():
            if stat.startswith(RESULTS.best):
                continue
            stats, names = found.setdefault(reason, ({}, {}))
            stats[plain(stat)] = names[arm.name] = None
    return tuple(
        Footnote(reason=reason, stats=tuple(stats), arms=tuple(names))
        for reason, (stats, names) in found.items()
    )
