"""What is said of two files: the first place where they differ, and how much else does."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LONGEST = 40
"""Characters that are shown of a value."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The first difference between two files, and how many there are."""

    place: str
    """Where it is, in words: ``tensor lifter.weight, element [0, 3, 1]``."""
    before: str
    after: str
    ulp: int | None = None
    """Distance of two numbers in units of the last place, of their own type."""
    differing: int | None = None
    """How many of ``total`` units differ."""
    total: int | None = None
    unit: str = ""
    """What is counted: elements, numbers, pixels, lines, bytes."""

    def table(self) -> dict[str, Any]:
        """The finding as a JSON value."""
        return asdict(self)


def spelled(value: object) -> str:
    """A number with the digits that tell it from all others of its type; a text in quotes.

    Of a digest, as of any long text, the beginning.
    """
    text = str(value) if isinstance(value, np.number) else repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def ulp_distance(before: object, after: object) -> int | None:
    """How many numbers of the same type lie between two, plus one; 0 and −0 are one apart.

    ``None`` where either is no finite number, or their types differ.
    """
    a: NDArray[Any] = np.asarray(before)
    b: NDArray[Any] = np.asarray(after)
    if a.dtype != b.dtype or a.dtype.kind != "f":
        return None
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    return abs(_rank(a) - _rank(b))


def _rank(value: NDArray[Any]) -> int:
    """Place of a number among all of its type in ascending order."""
    bits = int(value.view(f"u{value.dtype.itemsize}"))
    sign = 1 << (8 * value.dtype.itemsize - 1)
    return bits if bits < sign else sign - 1 - bits
