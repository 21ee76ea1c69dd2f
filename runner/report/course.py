"""The course of a run: which job ran when and where, what it waited for, what was tried again.

It is read from the hub's journal, which is observed and not derived: another run of the same plan
has other times. A hub without a journal has the last attempt of each arm, by its record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from runner.core.text import plain
from runner.hub.journal import JournalEntry, entries
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.plan.other_jobs import OF_AUDIT

Kind = Literal["arm", "audit", "other"]


@dataclass(frozen=True, kw_only=True)
class Span:
    """A job, or an attempt at it, from start to end; times in s since the run began."""

    kind: Kind
    start_s: float
    end_s: float
    waited_s: float = 0.0
    """Since it could have begun."""
    attempt: int = 1
    status: str = ""
    """As the engine saw its end; empty where nobody did."""
    gpu_ids: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What was done for one arm, dataset or other job, in its order."""

    name: str
    spans: tuple[Span, ...]

    @property
    def place(self) -> str:
        """Where it ran; of several places the first."""
        return self.spans[0].place

    @property
    def attempts(self) -> tuple[Span, ...]:
        """Its own spans, without those of its audit."""
        return tuple(one for one in self.spans if one.kind != "audit")


@dataclass(frozen=True, kw_only=True)
class Course:
    """A whole run. ``gaps`` are times in which no process ran it."""

    length_s: float
    lanes: tuple[Lane, ...]
    gaps: tuple[tuple[float, float], ...] = ()
    has_journal: bool = True


def course(record: HubRecord, folder: Path) -> Course | None:
    """The course of the run that made a hub; ``None`` where nothing of it is known."""
    found = list(entries(folder))
    read = _Journal([arm.name for arm in record.arms])
    for entry in found:
        read.take(entry)
    spans = list(read.finished(_seconds(record.ended)))
    if not spans:
        return _of_record(record)
    zero = min(found[0].time, *(span.start_s for _, span in spans))
    end = max(_seconds(record.ended), *(span.end_s for _, span in spans))
    gaps = tuple((begin - zero, over - zero) for begin, over in read.gaps)
    return Course(length_s=end - zero, lanes=_lanes(_placed(spans, zero)), gaps=gaps)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


@dataclass
class _Journal:
    """What is known of a journal's jobs up to a line."""

    arms: Sequence[str]
    gaps: list[tuple[float, float]] = field(default_factory=list)
    _under_way: dict[str, Span] = field(default_factory=dict)
    _places: dict[str, int] = field(default_factory=dict)
    """Of jobs in the order of their first starts."""
    _ended: list[tuple[str, Span]] = field(default_factory=list)
    _free_s: dict[str, float] = field(default_factory=dict)
    """Since when a job could have gone on."""
    _arms_s: float | None = None
    """Since when arms could have begun: the first of them did."""
    _last_s: float = 0.0

    def take(self, entry: JournalEntry) -> None:
        """Read one line."""
        now = max(entry.time, self._last_s)  # a clock may have been set back
        if entry.event == "intended":
            self._begin(entry, now)
        elif entry.event == "started" and entry.name in self._under_way:
            span = self._under_way[entry.name]
            self._under_way[entry.name] = replace(span, gpu_ids=entry.handle.gpu_ids)
        elif entry.event == "postponed":
            self._under_way.pop(entry.name, None)
        elif entry.event == "ended":
            self._end(entry.name, now, entry.status)
        elif entry.event in ("resumed", "sealed as it is"):
            self.gaps.append((self._last_s, now))
        self._last_s = now

    def finished(self, end_s: float) -> Iterator[tuple[str, Span]]:
        """Name and span of everything, in the order of starts; what is open ends now."""
        for name in list(self._under_way):
            self._end(name, max(self._last_s, end_s), "")
        yield from sorted(self._ended, key=lambda one: (one[1].start_s, self._places[one[0]]))

    def _begin(self, entry: JournalEntry, now: float) -> None:
        # Nobody saw the end of one that is begun again: it was there when the runner was last.
        cut_s = next((begin for begin, _ in reversed(self.gaps)), now)
        self._end(entry.name, cut_s, "")
        about = entry.name.removesuffix(OF_AUDIT)
        kind: Kind = "audit" if about != entry.name else "arm" if about in self.arms else "other"
        if kind == "arm" and self._arms_s is None:
            self._arms_s = now
        since = self._free_s.get(about, self._arms_s if kind == "arm" else now)
        self._places.setdefault(entry.name, len(self._places))
        self._under_way[entry.name] = Span(
            kind=kind,
            start_s=now,
            end_s=now,
            waited_s=now - (now if since is None else since),
            attempt=entry.attempt,
        )

    def _end(self, name: str, now: float, status: str) -> None:
        span = self._under_way.pop(name, None)
        if span is None:
            return
        now = max(now, span.start_s)
        self._ended.append((name, replace(span, end_s=now, status=status)))
        self._free_s[name.removesuffix(OF_AUDIT)] = now


def _placed(spans: Sequence[tuple[str, Span]], zero: float) -> list[tuple[str, Span]]:
    """Spans from the run's beginning, each at its GPUs, or at the first place that was free.

    A place of the CPU is one of as many as ran side by side; which cores it had nobody asked for.
    """
    free_s: list[float] = []
    found = []
    for name, span in spans:
        if span.gpu_ids:
            place = " + ".join(f"GPU {plain(one)[:16]}" for one in span.gpu_ids[:4])
        else:
            number = next(
                (n for n, until in enumerate(free_s) if until <= span.start_s), len(free_s)
            )
            free_s[number : number + 1] = [span.end_s]
            place = f"CPU place {number + 1}"
        moved = replace(span, start_s=span.start_s - zero, end_s=span.end_s - zero, place=place)
        found.append((name, moved))
    return found


def _lanes(spans: Sequence[tuple[str, Span]]) -> tuple[Lane, ...]:
    """What belongs together, by its place and then by its start."""
    by_name: dict[str, list[Span]] = {}
    for name, span in spans:
        by_name.setdefault(name.removesuffix(OF_AUDIT), []).append(span)
    lanes = [Lane(name=plain(name), spans=tuple(found)) for name, found in by_name.items()]
    return tuple(sorted(lanes, key=lambda lane: (lane.place, lane.spans[0].start_s)))


def _of_record(record: HubRecord) -> Course | None:
    """The last attempt of each arm that was run for this hub, and nothing about waiting."""
    known = [arm for arm in record.arms if arm.started and arm.ended and not arm.reused]
    if not known:
        return None
    spans = sorted(map(_of_arm, known), key=lambda one: one[1].start_s)
    zero = min(_seconds(record.started), spans[0][1].start_s)
    end = max(_seconds(record.ended), *(span.end_s for _, span in spans))
    return Course(length_s=end - zero, lanes=_lanes(_placed(spans, zero)), has_journal=False)


def _of_arm(arm: ArmRecord) -> tuple[str, Span]:
    assert arm.started is not None
    assert arm.ended is not None
    start = _seconds(arm.started)
    return arm.name, Span(
        kind="arm",
        start_s=start,
        end_s=max(start, _seconds(arm.ended)),
        attempt=max(1, arm.attempts),
        status=arm.status,
        gpu_ids=arm.execution.gpu_ids,
    )
