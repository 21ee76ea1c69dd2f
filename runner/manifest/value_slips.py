"""Values of the wrong type that are nearly right: what to write instead.

The one place that looks at a value and says what it was meant to be, by what it looks like and by
the unit in the name of its key.
"""

from __future__ import annotations

import math
import re
from typing import Literal

Wanted = Literal["integer", "number", "boolean", "string"]

_NUMBER = re.compile(
    r"(?P<number>[+-]?(?:\d[\d_]*[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>[A-Za-z%]*)\.?",
    re.ASCII,
)
_BYTES = {
    "b": 1,
    **{f"{prefix}{end}": 1024**power
       for power, prefix in enumerate("kmgt", 1) for end in ("", "i", "ib")},
    **{f"{prefix}b": 1000**power for power, prefix in enumerate("kmgt", 1)},
}  # fmt: skip
_SECONDS = {
    "ms": 1e-3,
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86400),
}
_UNITS = {
    "gib": (1024**3, _BYTES),
    "mib": (1024**2, _BYTES),
    "s": (1, _SECONDS),
}
"""Ending of a key → its unit's size, and the sizes of the units that may stand behind a number."""
_TRUTHS = {
    **dict.fromkeys(("true", "yes", "on", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "0"), "false"),
}
_LONGEST = 40
"""Characters of a value that can be a slip."""


def instead(key: str, value: object, wanted: Wanted) -> str | None:
    """What to write in the place of ``value``, such as ``write threads = 2, without quotes``."""
    if isinstance(value, bool) or len(str(value)) > _LONGEST:
        return None
    if wanted == "string":
        return f'write {key} = "{value}", in quotes' if isinstance(value, int | float) else None
    if wanted == "boolean":
        truth = _TRUTHS.get(str(value).strip().lower())
        return truth and _written(key, truth, value)
    if isinstance(value, float) and wanted == "integer":
        return f"write {key} = {int(value)}" if value.is_integer() else None
    number = number_of(key, value) if isinstance(value, str) else None
    if number is None or (wanted == "integer" and "." in number):
        return None
    return _written(key, number, value)


def number_of(key: str, text: str) -> str | None:
    """The number that ``text`` means as a value of ``key``, as TOML has it; ``None`` if none."""
    match = _NUMBER.fullmatch(text.strip())
    if match is None or len(text) > _LONGEST:
        return None
    number = float(match["number"].replace("_", "").replace(",", "."))
    factor = _factor(key, match["unit"].lower())
    if factor is None or not math.isfinite(number * factor):
        return None
    exact = number * factor
    if re.fullmatch(r"[+-]?\d[\d_]*", match["number"]) and exact.is_integer():
        return str(int(exact))
    short = f"{exact:.12g}"
    return short if re.search("[.e]", short) or match["unit"] not in ("", "%") else f"{short}.0"


def _factor(key: str, unit: str) -> float | None:
    """By what a number with ``unit`` is multiplied to be one in the unit of ``key``."""
    if unit == "":
        return 1
    if unit == "%":
        return 0.01
    size, units = _UNITS.get(key.rpartition("_")[2], (1, {}))
    return units[unit] / size if unit in units else None


def _written(key: str, text: str, value: object) -> str:
    bare = isinstance(value, str) and text == value.strip()
    return f"write {key} = {text}" + (", without quotes" if bare else "")
