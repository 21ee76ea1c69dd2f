"""CSV (RFC 4180): a table of arms, and one of their curves."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from runner.commands.export.runs import UNIT, ExportedHub, spelled

ARMS, CURVES = "arms.csv", "history.csv"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes a cell for a formula by."""


def write(hub: ExportedHub, target: Path) -> None:
    """Write ``arms.csv`` and ``history.csv`` into the folder ``target``."""
    _write(
        target / ARMS,
        list(hub.rows[0]) if hub.rows else ["arm"],
        (row.values() for row in hub.rows),
    )
    names = list(dict.fromkeys(name for arm in hub.arms for name in arm.curves))
    _write(
        target / CURVES,
        ["arm", UNIT, *names],
        (
            (arm.name, unit, *(_at(arm.curves.get(name, ()), unit) for name in names))
            for arm in hub.arms
            if arm.curves
            for unit in range(arm.last_unit + 1)
        ),
    )


def _at(column: tuple[float | None, ...], unit: int) -> float | None:
    return column[unit] if unit < len(column) else None


def _write(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow([_cell(name) for name in header])
        table.writerows([_cell(value) for value in row] for row in rows)


def _cell(value: object) -> str:
    """Empty for what there is not; a text that a spreadsheet would run begins with ``'``."""
    if value is None:
        return ""
    text = spelled(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(FORMULA) else text
