"""What jobs tell of themselves: lines of ``events.jsonl``, parsed into values that can be shown.

The file is written by whatever the manifest named. It is read in bounded blocks through no link,
a line is an event of the contract or it is counted, and nothing in it can end or delay a run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from runner.core.reading import first_problem, open_regular, parse_json
from runner.core.text import plain
from runner.experiment import EXPERIMENT
from runner.experiment.completed import with_fields

KIB = 2**10
UNIT = EXPERIMENT.progress.unit
"""What the fit consists of; events and their keys are called after it."""
_LITERAL: Any = Literal
NAME = "events.jsonl"
LONGEST_LINE = 64 * KIB
BLOCK = 256 * KIB
"""Most that is read of a file at a look, bytes; what is left is read at the next."""
MOST_LINES = 1000
"""Most lines that are parsed at a look; an honest job writes one a second."""
MOST_BAD = 1000
"""Lines that are no events, after which a file is not read any further."""
SLOWEST, FASTEST = 1e-6, 1e12
"""Steps per second that are believed."""


def _zero_is_none(value: object) -> object:
    return None if value == 0 and not isinstance(value, bool) else value


Count = Annotated[int, Field(strict=True, ge=0, le=10**12)]
Pace = Annotated[
    Annotated[float, Field(strict=True, ge=SLOWEST, le=FASTEST)] | None,
    BeforeValidator(_zero_is_none),
]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Word = Annotated[str, Field(strict=True, min_length=1, max_length=60), AfterValidator(plain)]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class Started(_Event):
    """The job begins; how long it will be, if it knows."""

    event: Literal["started"]
    units: Count | None = Field(None, alias=f"{UNIT}s")
    steps_per_unit: Count | None = Field(None, alias=f"steps_per_{UNIT}")


class Stage(_Event):
    """What goes on now."""

    event: Literal["stage"]
    stage: Word


class StepDone(_Event):
    """A step of the fit is done, counted from 0 over the whole fit."""

    event: Literal["step"]
    step: Count
    unit: Count | None = Field(None, alias=UNIT)
    steps_per_s: Pace = None


@with_fields(
    {
        "event": (_LITERAL[UNIT], ...),
        UNIT: (Count, ...),
        **{name: (Number | None, None) for _, name in EXPERIMENT.progress.shown},
    }
)
class UnitDone(_Event):
    """A unit of the fit is done, counted from 0; what it came to."""

    steps_per_s: Pace = None

    @property
    def number(self) -> int:
        """Which one."""
        return int(getattr(self, UNIT))

    @property
    def shown(self) -> list[tuple[str, float | None]]:
        """What it came to, each with its heading."""
        return [(word, getattr(self, name)) for word, name in EXPERIMENT.progress.shown]


class Finished(_Event):
    """The job is complete."""

    event: Literal["finished"]


Event = Started | Stage | StepDone | UnitDone | Finished
_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="event")])


def parse_event(line: bytes) -> Event:
    """The event of one line. Raises ``ValueError`` saying what is wrong with it."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE:,} bytes")
    try:
        return _EVENT.validate_python(parse_json(line))
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


class EventReader:
    """Reads what was added to an ``events.jsonl`` since the last look, whatever lies there.

    ``note`` tells what was wrong with the file, once it is known.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._identity: tuple[int, int] | None = None
        self._in_long_line = False
        self._num_bad = 0
        self._first_bad = ""
        self._stopped = ""

    @property
    def note(self) -> str | None:
        """What a reader of the record must know about the file; ``None`` if all is well."""
        problems = []
        if self._num_bad:
            lines = "a line is no event" if self._num_bad == 1 else f"{self._num_bad} lines are no"
            lines += " events, the first of them" if self._num_bad > 1 else ""
            problems.append(f"{lines}: {self._first_bad}")
        if self._stopped:
            problems.append(f"it was not read further: {self._stopped}")
        return f"{NAME}: {'; '.join(problems)}" if problems else None

    def new(self) -> list[Event]:
        """Events since the last call; an unfinished line waits for its end."""
        if self._stopped:
            return []
        try:
            block = self._read()
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            self._stopped = str(getattr(error, "strerror", None) or error)
            return []
        return list(self._events(block))

    def _read(self) -> bytes:
        """The next block. Raises ``ValueError`` when this is not the file that it was."""
        with open_regular(self._path) as file:
            facts = os.fstat(file.fileno())
            identity = facts.st_dev, facts.st_ino
            if self._identity not in (None, identity) or facts.st_size < self._offset:
                raise ValueError("the file was replaced or shortened while it was read")
            self._identity = identity
            file.seek(self._offset)
            return file.read(BLOCK)

    def _events(self, block: bytes) -> Iterator[Event]:
        for line in self._lines(block):
            try:
                yield parse_event(line)
            except ValueError as error:
                self._count_bad(str(error))

    def _lines(self, block: bytes) -> Iterator[bytes]:
        """The complete lines of a block; ``_offset`` is moved past what was taken."""
        start = 0
        for _ in range(MOST_LINES):
            end = block.find(b"\n", start)
            line = block[start : end if end >= 0 else None]
            if self._stopped or (end < 0 and len(line) <= LONGEST_LINE):
                return
            taken = len(line) + (end >= 0)
            start, self._offset = start + taken, self._offset + taken
            if not self._in_long_line:
                yield line
            self._in_long_line = end < 0

    def _count_bad(self, problem: str) -> None:
        self._first_bad = self._first_bad or plain(problem)
        self._num_bad += 1
        if self._num_bad >= MOST_BAD:
            self._stopped = f"it has {MOST_BAD} such lines and more"
