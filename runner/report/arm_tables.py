"""Arms as tables: what differs, what was measured, what did not match the plan."""

from __future__ import annotations

from collections.abc import Sequence

from runner.experiment import EXPERIMENT
from runner.hub.records.again import ReproductionRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.base import Difference
from runner.report.arm_rows import Row
from runner.report.reproduction import what_differs
from runner.report.tables import Cell, Column, Table, cells
from runner.report.wording import NOTHING, declared


def differing(names: Sequence[str], rows: Sequence[Row]) -> Table:
    """The knobs that are not the same in all arms."""
    return Table(
        label="What differs between the arms",
        columns=(Column(heading="arm"), *(Column(heading=n, is_code=True) for n in names)),
        rows=tuple((Cell(text=_name(row), aside=row.about), *cells(row.knobs)) for row in rows),
        kinds=tuple("earlier" if row.phase else "" for row in rows),
    )


def measured(headings: Sequence[str], rows: Sequence[Row], baseline: Sequence[Cell] = ()) -> Table:
    """What became of the arms and what was measured of them.

    ``baseline`` is what the first of these headings are worth for nothing.
    """
    endpoint = EXPERIMENT.endpoint
    return Table(
        label="What was measured of the arms",
        id="measured-table",
        columns=(
            *(Column(heading=name) for name in ("arm", "outcome", endpoint.noun)),
            *(Column(heading=name, is_number=True) for name in headings),
        ),
        rows=tuple(
            (
                _arm(row),
                Cell(text=row.outcome, kind="bad" if row.fate == "failed" else ""),
                Cell(
                    text=row.came_about,
                    kind="bad" if row.fate in (endpoint.past, "unsound") else "",
                ),
                *row.cells,
            )
            for row in rows
        ),
        fixed=_baseline(headings, baseline),
        kinds=tuple(f"{row.fate}{' earlier' if row.phase else ''}" for row in rows),
    )


def _baseline(headings: Sequence[str], baseline: Sequence[Cell]) -> tuple[tuple[Cell, ...], ...]:
    if not baseline:
        return ()
    first = cells((EXPERIMENT.results.baseline_name, "baseline", NOTHING))
    rest = cells((NOTHING,) * (len(headings) - len(baseline)))
    return ((*first, *baseline, *rest),)


def mismatches(arm: ArmRecord) -> Table:
    """What was live in an arm beside what was planned."""
    return Table(
        label=f"How {arm.name} differs from its plan",
        columns=tuple(Column(heading=name) for name in ("knob", "planned", "effective")),
        rows=tuple(
            (Cell(text=one.knob), *cells((_planned(one), _effective(one))))
            for one in arm.differences
        ),
    )


def _planned(difference: Difference) -> str:
    if difference.kind == "unexpected":
        return "not in the plan"
    return declared(difference.planned)


def _effective(difference: Difference) -> str:
    return "not shown" if difference.kind == "missing" else declared(difference.effective)


def reproduced(record: ReproductionRecord) -> Table:
    """Each deterministic file beside its original."""
    names = ("deterministic file", "original", "made again", "")
    return Table(
        label="Files beside their originals",
        wraps=True,
        columns=tuple(Column(heading=name) for name in names),
        rows=tuple(
            (
                *cells((one.path, _digest(one.before), _digest(one.after))),
                Cell(text=what_differs(one), kind="good" if one.identical else "bad"),
            )
            for one in record.files
        ),
    )


def _digest(sha256: str | None) -> str:
    return (sha256 or "none")[:12]


def _arm(row: Row) -> Cell:
    return Cell(text=_name(row), dagger="" if row.as_planned else "†")


def _name(row: Row) -> str:
    return f"{row.phase} · {row.label}" if row.phase else row.label
