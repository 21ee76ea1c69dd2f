"""The course of a run as a drawing and as a table: places in px, words for what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.core.text import plain
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.report.course import Course, Lane, Span, course
from runner.report.tables import Cell, Column, Table, cells
from runner.report.wording import NOTHING, duration, measured

LEFT, WIDTH, RIGHT = 210, 640, 150
"""Of names, of the time axis and of words behind it, px."""
ROW, TOP = 20, 26
MOST_ROWS = 80
"""Lanes that are drawn; the table has all of them."""
LONGEST_NAME = 30
STEPS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200, 86400)
MOST_TICKS = 8
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle on the time axis, px, with what is said of it."""

    x: float
    width: float
    kind: str
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class DrawnLane:
    """A lane: its name, its boxes, and a heading where another place begins."""

    name: str
    y: int
    place: str
    boxes: tuple[Box, ...]
    aside: str
    is_bad: bool


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Everything that a page draws of a course, and the same as a table."""

    width: int
    height: int
    left: int
    lanes: tuple[DrawnLane, ...]
    ticks: tuple[tuple[float, str], ...]
    gaps: tuple[Box, ...]
    places: str
    num_left_out: int
    has_journal: bool
    table: Table


def timeline(record: HubRecord, folder: Path) -> Timeline | None:
    """The timeline of the run that made a hub; ``None`` where nothing of it is known."""
    found = course(record, folder)
    if found is None or found.length_s <= 0:
        return None
    scale = WIDTH / found.length_s
    lanes = tuple(_drawn(found, scale))
    places = {lane.place for lane in found.lanes}
    return Timeline(
        width=LEFT + WIDTH + RIGHT,
        height=(lanes[-1].y if lanes else TOP) + ROW + 4,
        left=LEFT,
        lanes=lanes,
        ticks=tuple(_ticks(found.length_s, scale)),
        gaps=tuple(_box(one, scale, "gap", "no process ran the phase") for one in found.gaps),
        places=f"{len(places)} place{'s' if len(places) > 1 else ''}",
        num_left_out=max(0, len(found.lanes) - MOST_ROWS),
        has_journal=found.has_journal,
        table=_table(found, {arm.name: arm for arm in record.arms}),
    )


def _drawn(found: Course, scale: float) -> Iterator[DrawnLane]:
    before, y = "", TOP
    for lane in found.lanes[:MOST_ROWS]:
        is_new = lane.place != before
        y += ROW if is_new else 0
        yield DrawnLane(
            name=lane.name if len(lane.name) <= LONGEST_NAME else f"{lane.name[:LONGEST_NAME]}…",
            y=y,
            place=lane.place if is_new else "",
            boxes=tuple(_boxes(lane, scale)),
            aside=_aside(lane),
            is_bad=_is_bad(lane.attempts[-1:]),
        )
        before, y = lane.place, y + ROW


def _boxes(lane: Lane, scale: float) -> Iterator[Box]:
    for span in lane.spans:
        if span.waited_s * scale >= 1:
            wait = (span.start_s - span.waited_s, span.start_s)
            yield _box(wait, scale, "wait", f"{lane.name}: waited {duration(span.waited_s)}")
        kind = "failed" if _is_bad((span,)) else span.kind
        yield _box((span.start_s, span.end_s), scale, kind, f"{lane.name}: {_words(span)}")


def _box(times: tuple[float, float], scale: float, kind: str, text: str) -> Box:
    start, end = times
    width = max(1.5, (end - start) * scale)
    return Box(x=round(LEFT + start * scale, 1), width=round(width, 1), kind=kind, text=text)


def _is_bad(spans: tuple[Span, ...]) -> bool:
    return any(span.status != "succeeded" for span in spans)


def _words(span: Span) -> str:
    what = "audit" if span.kind == "audit" else f"attempt {span.attempt}"
    end = plain(span.status).replace("_", " ") or "cut short"
    return f"{what}, {span.place}, {duration(span.end_s - span.start_s)}, {end}"


def _aside(lane: Lane) -> str:
    """What stands behind the axis: how long the last attempt was, and how many there were."""
    spans = lane.attempts or lane.spans
    last = spans[-1]
    end = plain(last.status).replace("_", " ") or "cut short"
    parts = [duration(last.end_s - last.start_s)]
    parts += [] if last.status == "succeeded" else [end]
    parts += [f"attempt {last.attempt}"] if last.attempt > 1 else []
    return ", ".join(parts)


def _ticks(length_s: float, scale: float) -> Iterator[tuple[float, str]]:
    step = next((s for s in STEPS_S if length_s / s <= MOST_TICKS), None)
    if step is None:
        step = STEPS_S[-1] * (1 + int(length_s / STEPS_S[-1] / MOST_TICKS))
    for number in range(int(length_s / step) + 1):
        yield round(LEFT + number * step * scale, 1), _tick(number * step)


def _tick(seconds: int) -> str:
    if seconds == 0:
        return "0"
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min {seconds % 60} s"


def _table(found: Course, arms: dict[str, ArmRecord]) -> Table:
    numbers = ("began after", "waited", "ran", "attempts", "audit", "threads", "peak memory")
    return Table(
        label="The course of the run",
        columns=(
            *(Column(heading=name) for name in ("job", "place", "ended as")),
            *(Column(heading=name, is_number=True) for name in numbers),
        ),
        rows=tuple(_row(lane, arms.get(lane.name)) for lane in found.lanes),
        kinds=tuple("failed" if _is_bad(lane.attempts[-1:]) else "" for lane in found.lanes),
    )


def _row(lane: Lane, arm: ArmRecord | None) -> tuple[Cell, ...]:
    attempts = lane.attempts
    audits = [one for one in lane.spans if one.kind == "audit"]
    last = attempts[-1] if attempts else lane.spans[-1]
    peak = arm.timing.get("peak_memory_bytes") if arm else None
    return (
        *cells((lane.name, lane.place, plain(last.status).replace("_", " ") or "cut short")),
        _seconds(lane.spans[0].start_s),
        _seconds(sum(one.waited_s for one in lane.spans)),
        _seconds(sum(one.end_s - one.start_s for one in attempts)),
        Cell(text=str(last.attempt) if attempts else NOTHING),
        _seconds(sum(one.end_s - one.start_s for one in audits) if audits else None),
        Cell(text=measured(arm.execution.threads if arm else None)),
        _gibibytes(peak),
    )


def _gibibytes(value: object) -> Cell:
    if not isinstance(value, int | float):
        return Cell(text=NOTHING)
    return Cell(text=f"{value / GIB:.2f} GiB", value=value)


def _seconds(value: float | None) -> Cell:
    return Cell(text=duration(value), value=None if value is None else round(value, 3))
