"""Hubs as text for the console: the list of them, and what one says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from runner.core.errors import VerificationError
from runner.core.reading import shortened
from runner.core.text import briefly, plain
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.report import arm_tables, tables
from runner.report.pages import columns, facts
from runner.report.tally import tally
from runner.report.view import View, make_view
from runner.report.wording import STATUS_WORDS, aligned, moment
from runner.verify.statistics import Statistics

ENDPOINT = EXPERIMENT.endpoint
WIDTH = 80
"""Columns of a terminal."""
LONGEST_NAMES = 16
"""Of arms, in a line of the list."""
MOST_COLUMNS = 6
"""Arms that stand side by side."""
MARKS = {"good": "+", "neutral": " ", "bad": "!"}


def render_list(hubs: Sequence[Path]) -> str:
    """Two lines per hub: path, date, arms that succeeded, met rules, reached the endpoint; title.

    A hub whose record cannot be read is listed with the reason.
    """
    if not hubs:
        return "no sealed hubs here; `phasehub run MANIFEST` makes one"
    head = ("hub", "date", "succeeded", "rules", ENDPOINT.past)
    return aligned([head, *(row for path in hubs for row in _hub_rows(path))])


def _hub_rows(path: Path) -> Iterator[tuple[str, ...]]:
    try:
        record = layout.read(path)
    except VerificationError as error:
        yield (str(path), f"broken: {shortened(str(error))}")
        return
    counted = tally(record)
    date = moment(record.started).partition(" ")[0]
    number = sum(arm.fate.reached is True for arm in record.arms)
    reached = counted.reached if len(counted.reached) <= LONGEST_NAMES else f"{number} arms"
    yield (str(path), date, counted.succeeded, counted.rules_hold, reached)
    profile = f" (profile {record.profile})" if record.profile else ""
    title = plain(record.title)
    room = WIDTH - 2 - len(profile)
    yield (f"  {title if len(title) <= room else f'{title[: room - 1]}…'}{profile}",)


def render_show(record: HubRecord, statistics: Statistics | None = None) -> str:
    """What a hub says: question, outcome, groups, tables, verdict, failures, origin."""
    view = make_view(record, statistics=statistics)
    profile = f", profile {record.profile}" if record.profile else ""
    blocks = [
        f"{record.phase}{profile}: {plain(record.title)}\n{plain(record.question)}\n"
        f"{moment(record.started)} to {moment(record.ended)}",
        _outcome(view),
        _groups(view),
        _differing(view),
        _measurements(view),
        tables.on_console(view.rules) if view.rules else "",
        *_failures(record),
        aligned(facts(record)),
    ]
    return "\n\n".join(block for block in blocks if block)


def _outcome(view: View) -> str:
    sentences = [f"{MARKS[one.kind]} {plain(one.text)}" for one in view.statements]
    return "\n".join([*sentences, *(f"  {plain(note)}" for note in view.record.notes)])


def _groups(view: View) -> str:
    """How often the endpoint came about in each group of arms that differ in the seed alone."""
    if view.groups is None:
        return ""
    rows = [(row.label, row.reached, row.rate) for row in view.groups.groups]
    return aligned([("across seeds", ENDPOINT.past, "rate (95 % interval)"), *rows])


def _differing(view: View) -> str:
    """Knobs that differ by line, arms by column."""
    if not view.knob_names:
        return ""
    return _fitting(arm_tables.differing(view.knob_names, view.rows), "parameters that differ")


def _measurements(view: View) -> str:
    table = arm_tables.measured(columns(view.results), view.rows)
    notes = [
        f"({number}) {briefly(note.arms)}: no {', '.join(note.stats)}: {plain(note.reason)}"
        for number, note in enumerate(view.footnotes, start=1)
    ]
    definitions = [f"  {view.definitions}"] if view.definitions else []
    return "\n".join([_fitting(table, "metrics"), *notes, *definitions])


def _failures(record: HubRecord) -> list[str]:
    return [
        "\n".join(
            [
                f"{arm.name}: {STATUS_WORDS[arm.status]}; the end of its log:",
                *(f"    {plain(line)}" for line in arm.log_tail[-10:]),
            ]
        )
        for arm in record.arms
        if arm.log_tail
    ]


def _fitting(table: tables.Table, first: str) -> str:
    """A column for each arm, as consoles are narrow; a line for each where arms are many.

    ``first`` is the heading of the first column.
    """
    if len(table.rows) <= MOST_COLUMNS:
        return tables.on_console(tables.turned(table, first))
    head, *rest = table.columns
    return tables.on_console(replace(table, columns=(replace(head, heading=first), *rest)))
