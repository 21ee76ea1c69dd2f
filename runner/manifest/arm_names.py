"""Short names for the values of knobs, from which the arms of a matrix are called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from runner.manifest.toml.keys import KeyPath

SMALLEST, LARGEST = Decimal("0.1"), Decimal(10**6)
"""Outside of these a number that is not an integer is written with a power of ten."""


def label(key: KeyPath, value: object) -> str:
    """What a value of the knob ``key`` is called inside a name.

    Texts as they are; numbers behind the initials of the key (``first_word`` 2e-2 is
    ``fw2e-2``); tables by their ``kind``, then by the rest in the order of the alphabet. Nothing
    but the key and the value decides.
    """
    name = str(key[-1])
    if isinstance(value, bool):
        return name if value else f"no_{name}"
    if isinstance(value, int | float):
        return initials(name) + spelled(value)
    if isinstance(value, list | tuple):
        return initials(name) + "_".join(_bare(item) for item in value)
    if isinstance(value, Mapping):
        ranked = sorted(value.items(), key=lambda item: (item[0] != "kind", item[0]))
        return "_".join(label((*key, part), item) for part, item in ranked)
    return slug(str(value))


def initials(name: str) -> str:
    """The first letters of the words of a key: ``fw`` for ``first_word``."""
    return "".join(word[0] for word in name.lower().split("_") if word)


def slug(text: str) -> str:
    """A text in lower-case letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def spelled(number: float) -> str:
    """A number without a point: ``0p5``, ``17p4``, ``2p5e-4``. Equal numbers are spelled alike."""
    exact = Decimal(repr(number))
    if not exact.is_finite():
        return slug(str(exact))
    if (exact == exact.to_integral_value() and abs(exact) < LARGEST) or isinstance(number, int):
        return str(int(exact))
    if SMALLEST <= abs(exact) < LARGEST:
        return format(exact.normalize(), "f").replace(".", "p")
    mantissa, _, exponent = format(exact.normalize(), "e").partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa.replace('.', 'p')}e{int(exponent)}"


def _bare(item: object) -> str:
    return spelled(item) if isinstance(item, int | float) else slug(str(item))
