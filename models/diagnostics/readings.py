"""How several readings of one knob become one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def agreed(readings: Iterable[object]) -> Any:  # noqa: ANN401  whatever the knob holds
    """The value that all readings share; the list of them when they differ; ``None`` of nothing.

    A list in the place of a value differs from every plan, and shows what was found.
    """
    distinct: list[object] = []
    for reading in readings:
        if reading not in distinct:
            distinct.append(reading)
    if not distinct:
        return None
    return distinct[0] if len(distinct) == 1 else distinct


def name_of(kind: type, names: Mapping[str, type]) -> str | None:
    """Name under which a class is registered, or ``None``."""
    return next((name for name, registered in names.items() if registered is kind), None)


def module_names(builders: Mapping[str, Callable[[int], object]]) -> dict[str, type]:
    """Name → class of what each builder makes of one channel."""
    return {name: type(build(1)) for name, build in builders.items()}
