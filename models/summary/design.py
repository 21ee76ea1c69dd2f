"""How the arms' design is seen: which knob is a colour, which a dash, a marker or a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Final, Literal

from models.config.summary import Knob
from models.sheet import PALETTE
from models.summary.factors import spelled

Dash = Literal["-", "--", ":", "-."]
Channel = Literal["colour", "panel", "dash", "marker"]
Knobs = Mapping[str, Knob]

DASHES: Final[tuple[Dash, ...]] = ("-", "--", ":", "-.")
MARKERS: Final = ("o", "^", "P", "*", "h", "<", ">")
"""Of lines; what became of an arm has others."""
ROOM: Final[Mapping[Channel, int]] = {
    "colour": len(PALETTE),
    "panel": 8,
    "dash": len(DASHES),
    "marker": len(MARKERS),
}
"""Values that each way to be seen tells apart."""
FEW_GROUPS: Final = 6
"""Groups that one panel holds without being crowded."""
LEAST_SHARE: Final = 0.6
"""Of all combinations of values that a matrix has; arms with fewer are distinguished by name."""
FOREMOST: Final = ("architecture", "learning_rate", "norm")
"""Knobs that are seen first, by the end of their names."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """How the lines of one group are drawn, and in which panel."""

    colour: str
    dash: Dash = "-"
    marker: str = "o"
    panel: int = 0


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of a legend."""

    words: str
    colour: str = "0.35"
    dash: Dash | Literal["none"] = "-"
    marker: str = ""


@dataclass(frozen=True, kw_only=True)
class Design:
    """The looks of all groups, the titles of panels, and what a legend says of them."""

    looks: tuple[Look, ...]
    panels: tuple[str, ...] = ("",)
    keys: tuple[Key, ...] = ()
    """Of knobs; empty where each group is distinguished by its name."""


def design_of(labels: Sequence[str], knobs: Sequence[Knobs]) -> Design:
    """The looks of groups: by their knobs where these form a matrix, by their names elsewhere."""
    names = telling(knobs)
    if len(names) < 2:  # of one knob, or none, the name of a group says more than a value
        return by_name(len(labels))
    channels = assigned(names, knobs)
    return by_name(len(labels)) if channels is None else by_knobs(channels, knobs)


def by_name(num_groups: int) -> Design:
    """A colour and a marker for each group, then other dashes, round and round."""
    num = len(PALETTE)
    return Design(
        looks=tuple(
            Look(
                colour=PALETTE[group % num],
                dash=DASHES[group // num % len(DASHES)],
                marker=MARKERS[group % num],
            )
            for group in range(num_groups)
        )
    )


def telling(knobs: Sequence[Knobs]) -> list[str]:
    """The fewest knobs that tell all groups apart and form a matrix, the foremost first.

    None where there are no such knobs. A knob that says nothing which those before it do not say
    is left out: a network's width that follows from its architecture.
    """
    names = {name: None for values in knobs for name in values}
    parts: list[tuple[str, ...]] = [() for _ in knobs]
    chosen = []
    for name in sorted(names, key=importance):
        finer = [(*part, legend_text(v.get(name))) for part, v in zip(parts, knobs, strict=True)]
        if len(set(finer)) > len(set(parts)):
            chosen.append(name)
            parts = finer
    combinations = 1
    for name in chosen:
        combinations *= len(values_of(name, knobs))
    if len(set(parts)) < len(knobs) or len(knobs) < LEAST_SHARE * combinations:
        return []
    return chosen


def legend_text(value: Knob) -> str:
    """A knob's value in a legend."""
    return "none" if value is None else spelled(value)


def importance(name: str) -> tuple[int, str]:
    """Where a knob stands among those that are seen first; the others by name."""
    places = (place for place, end in enumerate(FOREMOST) if name.endswith(end))
    return next(places, len(FOREMOST)), name


def values_of(name: str, knobs: Sequence[Knobs]) -> list[Knob]:
    """The values of a knob: numbers in ascending order, all else as they come."""
    found = list({legend_text(values.get(name)): values.get(name) for values in knobs}.values())
    if all(isinstance(value, int | float) for value in found):
        return sorted(found, key=lambda value: float(value or 0))
    return found


def assigned(names: Sequence[str], knobs: Sequence[Knobs]) -> dict[Channel, str] | None:
    """A knob for each way to be seen that is needed; ``None`` where there is no room for them."""
    few: tuple[Channel, ...] = ("colour", "dash", "marker")
    many: tuple[Channel, ...] = ("colour", "panel", "dash", "marker")
    ways = few if len(knobs) <= FEW_GROUPS and len(names) <= len(few) else many
    if len(names) > len(ways):
        return None
    sizes = {name: len(values_of(name, knobs)) for name in names}
    for order in permutations(names):
        found = dict(zip(ways, order, strict=False))
        if all(sizes[name] <= ROOM[way] for way, name in found.items()):
            return found
    return None


def by_knobs(channels: Mapping[Channel, str], knobs: Sequence[Knobs]) -> Design:
    """Looks in which each value of a knob is seen in the same way in every group that has it."""
    values = {
        way: [legend_text(v) for v in values_of(name, knobs)] for way, name in channels.items()
    }

    def place(way: Channel, group: Knobs) -> int:
        return values[way].index(legend_text(group.get(channels[way]))) if way in channels else 0

    free = "marker" not in channels  # markers then say again what colours say

    def look(group: Knobs) -> Look:
        return Look(
            colour=PALETTE[place("colour", group)],
            dash=DASHES[place("dash", group)],
            marker=MARKERS[place("colour" if free else "marker", group)],
            panel=place("panel", group),
        )

    def words(way: Channel) -> list[str]:
        name = channels[way].rpartition(".")[2].replace("_", " ")
        return [f"{name}: {value}" for value in values[way]]

    keys = [
        Key(words=text, colour=PALETTE[n], marker=MARKERS[n] if free else "")
        for n, text in enumerate(words("colour"))
    ]
    if "dash" in channels:
        keys += [Key(words=text, dash=DASHES[n]) for n, text in enumerate(words("dash"))]
    if "marker" in channels:
        keys += [
            Key(words=text, dash="none", marker=MARKERS[n])
            for n, text in enumerate(words("marker"))
        ]
    return Design(
        looks=tuple(map(look, knobs)),
        panels=tuple(words("panel")) if "panel" in channels else ("",),
        keys=tuple(keys),
    )
