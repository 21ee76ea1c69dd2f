"""Groups of arms as tables: rates, scores, single knobs, pairs."""

from __future__ import annotations

from collections.abc import Sequence

from runner.experiment import EXPERIMENT
from runner.report.groups import FactorTable, GroupsView
from runner.report.tables import Cell, Column, Table, cells

ENDPOINT = EXPERIMENT.endpoint


def rates(view: GroupsView) -> Table:
    """How often the endpoint came about in each group, with what the group is."""
    return Table(
        label=f"How often each group {ENDPOINT.past}",
        wraps=True,
        columns=(
            Column(heading="group"),
            Column(heading=ENDPOINT.past, is_number=True),
            Column(heading="rate (95 % interval)", is_number=True),
            Column(heading="drawn", is_drawn=True),
            *(Column(heading=name, is_code=True) for name in view.knob_names),
        ),
        rows=tuple(
            (
                *cells((row.label, row.reached, row.rate)),
                Cell(text="", drawn=row.drawn),
                *cells(row.knobs),
            )
            for row in view.groups
        ),
    )


def spreads(view: GroupsView, scores: Sequence[str]) -> Table:
    """The scores of each group over its runs, and over those without the endpoint."""
    return Table(
        label="Scores by group",
        wraps=True,
        columns=(
            *(Column(heading=name) for name in ("group", "runs")),
            *(Column(heading=name, is_number=True, may_wrap=True) for name in scores),
        ),
        rows=tuple(cells((row.label, row.over, *row.cells)) for row in view.spreads),
    )


def single_knob(factor: FactorTable) -> Table:
    """How often the endpoint came about with each value of a knob."""
    return Table(
        label=f"Rates by {factor.knob}",
        wraps=True,
        columns=(
            Column(heading="other knobs"),
            *(Column(heading=name, is_number=True) for name in (*factor.values, "p")),
        ),
        rows=tuple(cells((row.setting, *row.rates, row.p_value)) for row in factor.rows),
    )


def pairs(view: GroupsView, score: str) -> Table:
    """Two groups in each row: how often the endpoint came about, and how their scores differ."""
    names = (f"{ENDPOINT.past}, A", "B", "p", f"Δ {score}")
    return Table(
        label="Comparisons of two groups",
        wraps=True,
        columns=(
            *(Column(heading=name) for name in ("A", "B")),
            Column(heading="what differs"),
            *(Column(heading=name, is_number=True) for name in names),
            Column(heading="drawn", is_drawn=True),
            Column(heading="evidence"),
        ),
        rows=tuple(
            (
                *cells(row.groups),
                Cell(text=row.knobs, aside="" if row.controlled else "cause not separable"),
                *cells((*row.reached, row.p_adjusted, row.difference)),
                Cell(text="", drawn=row.drawn),
                Cell(text="yes", kind="good") if row.evidence else Cell(text="no"),
            )
            for row in view.comparisons
        ),
    )
