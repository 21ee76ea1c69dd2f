"""JSON files, compared value by value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from models.differences.finding import Finding, spelled, ulp_distance

MISSING = object()
ENTRY = re.compile(r"(.+)\[(\d+)\]")
"""Place of an entry of a list that no list or table is in."""


def read_json(path: Path) -> object:
    """The value in a JSON file. Raises ``ValueError``."""
    value: object = json.loads(path.read_text(encoding="utf-8"))
    return value


def compare_values(before: object, after: object) -> Finding | None:
    """The first value that differs, in the order of ``before``, and how many do."""
    return _finding(list(_pairs(before, after, "")))


def compare_histories(before: object, after: object) -> Finding | None:
    """The same of tables whose lists have one entry an epoch: the first epoch that differs."""
    pairs = [
        (f"epoch {found[2]}: {found[1]}" if (found := ENTRY.fullmatch(place)) else place, a, b)
        for place, a, b in sorted(_pairs(before, after, ""), key=lambda pair: _epoch(pair[0]))
    ]
    return _finding(pairs)


def _epoch(place: str) -> int:
    found = ENTRY.fullmatch(place)
    return int(found[2]) if found else -1


def _finding(pairs: list[tuple[str, object, object]]) -> Finding | None:
    differing = [(place, a, b) for place, a, b in pairs if not _same(a, b)]
    if not differing:
        return None
    place, a, b = differing[0]
    both = isinstance(a, float) and isinstance(b, float)
    return Finding(
        place=place,
        before=_shown(a),
        after=_shown(b),
        ulp=ulp_distance(a, b) if both else None,
        differing=len(differing),
        total=len(pairs),
        unit="values",
    )


def _pairs(a: object, b: object, place: str) -> Iterator[tuple[str, object, object]]:
    """Every leaf of either value with its counterpart."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(key for key in b if key not in a)]:
            inner = f"{place}.{key}" if place else str(key)
            yield from _pairs(a.get(key, MISSING), b.get(key, MISSING), inner)
    elif isinstance(a, list) and isinstance(b, list):
        for number in range(max(len(a), len(b))):
            x, y = (side[number] if number < len(side) else MISSING for side in (a, b))
            yield from _pairs(x, y, f"{place}[{number}]")
    else:
        yield place or "the whole", a, b


def _same(a: object, b: object) -> bool:
    """Whether two leaves are written alike: 1 and 1.0 are not, nor are 0.0 and −0.0."""
    if a is MISSING or b is MISSING:
        return a is b
    return json.dumps(a) == json.dumps(b)


def _shown(value: object) -> str:
    return "nothing" if value is MISSING else spelled(value)
