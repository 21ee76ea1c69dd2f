"""What a run has done, line by line, as its journal tells: of a run on its way, and of a hub."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.core.reading import parse_json, read_file
from runner.hub import layout

MOST_RESUMPTIONS = 10_000
"""Of one run, whose times are told."""


def journal_of(folder: Path) -> Iterator[dict[str, Any]]:
    """What the journal in a folder tells, in its order; a line that was cut short tells nothing."""
    try:
        content = read_file(folder, layout.JOURNAL, most=layout.MOST_RECORD_BYTES)
    except ValueError:
        return
    for line in content.splitlines():
        try:
            told = parse_json(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            yield told


def resumptions(folder: Path) -> tuple[str, ...]:
    """When each process went on with the run, by its journal, ISO 8601 in UTC."""
    found = []
    for told in journal_of(folder):
        time = told.get("time")
        if told.get("event") == "resumed" and isinstance(time, int | float):
            try:
                moment = datetime.fromtimestamp(time, UTC)
            except (OverflowError, ValueError, OSError):
                continue
            found.append(moment.isoformat(timespec="milliseconds"))
    return tuple(found[:MOST_RESUMPTIONS])
