"""Files of which nothing better is known: lines of a text, or bytes."""

from __future__ import annotations

from itertools import zip_longest

from models.differences.finding import Finding

SHOWN = 80


def compare_lines(before: str, after: str) -> Finding | None:
    """The first line that differs, counted from 1."""
    a, b = before.splitlines(), after.splitlines()
    differing = [number for number, (x, y) in enumerate(zip_longest(a, b)) if x != y]
    if not differing:
        return None
    first = differing[0]
    return Finding(
        place=f"line {first + 1}",
        before=_line(a, first),
        after=_line(b, first),
        differing=len(differing),
        total=max(len(a), len(b)),
        unit="lines",
    )


def _line(lines: list[str], number: int) -> str:
    if number >= len(lines):
        return "nothing"
    return lines[number][:SHOWN]


def compare_bytes(before: bytes, after: bytes) -> Finding:
    """The first byte that differs, counted from 0; lengths where one file begins with the other."""
    common = min(len(before), len(after))
    first = next((i for i in range(common) if before[i] != after[i]), common)
    if first == common:
        return Finding(place="the length in bytes", before=str(len(before)), after=str(len(after)))
    return Finding(
        place=f"byte {first}", before=f"0x{before[first]:02x}", after=f"0x{after[first]:02x}"
    )
