"""A hub's journal: what was under way when, a line for each act, each before the act."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runner.core.reading import parse_json, read_file
from runner.hub.layout import JOURNAL, MOST_RECORD_BYTES

Time = Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False)]
"""Seconds since 1970; the year is one of four digits."""
MOST_RESUMPTIONS = 10_000
"""Of one run, whose times are recorded."""


class JournalledHandle(BaseModel):
    """Of what an engine finds a job by: the GPUs that it had."""

    model_config = ConfigDict(frozen=True)

    gpu_ids: tuple[str, ...] = ()


class JournalEntry(BaseModel):
    """A line of the journal, as far as it is looked at again once the hub is sealed."""

    model_config = ConfigDict(frozen=True)

    time: Time
    event: str
    name: str = ""
    """The job that it is about; empty for an act of the run."""
    attempt: int = 1
    status: str = ""
    handle: JournalledHandle = JournalledHandle()


def tables(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of the journal in ``folder``; none that was cut short, or where there is none."""
    try:
        content = read_file(folder, JOURNAL, most=MOST_RECORD_BYTES)
    except ValueError:
        return
    for line in content.splitlines():
        try:
            table = parse_json(line)
        except ValueError:
            continue
        if isinstance(table, dict):
            yield table


def entries(folder: Path) -> Iterator[JournalEntry]:
    """The same as values; a line that says something else is left out."""
    for table in tables(folder):
        try:
            yield JournalEntry.model_validate(table)
        except ValidationError:
            continue


def under_way(folder: Path) -> list[str]:
    """The jobs that were begun, or taken over, and of which no end is recorded, in that order.

    Whoever resumes a run says of each again that it is under way.
    """
    found: dict[str, None] = {}
    for one in entries(folder):
        if one.event in ("intended", "adopted"):
            found[one.name] = None
        elif one.event in ("concluded", "postponed"):
            found.pop(one.name, None)
        elif one.event == "resumed":
            found.clear()
    return list(found)


def resumptions(folder: Path) -> tuple[str, ...]:
    """When each process went on with the run, by its journal, ISO 8601 in UTC."""
    found = [one.time for one in entries(folder) if one.event == "resumed"]
    return tuple(
        datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds")
        for time in found[:MOST_RESUMPTIONS]
    )
