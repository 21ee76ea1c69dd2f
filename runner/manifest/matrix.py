"""The matrix of a manifest: axes of values, and the arms that their combinations make.

It works on tables as they stand in the file, so that the checks of a manifest and its plan expand
a matrix in one and the same way. What is wrong with it is noted, and the rest still expands.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from runner.manifest.arm_names import label
from runner.manifest.exclusions import Exclusions, comparable
from runner.manifest.overrides import SECTIONS as PARAMETERS
from runner.manifest.overrides import merged
from runner.manifest.toml.keys import KeyPath

MOST_ARMS = 10_000
"""More arms than this no phase may have: at ten seconds an arm they take half a day."""
MOST_AXES = 32
"""Axes of a matrix."""
SECTIONS = (*PARAMETERS, "resources", "seed")
"""What an arm may have of its own, in the order in which it appears in a name."""

TOGETHER = "together"
"""Key of the tables whose knobs go through their values side by side."""

_INSIDE = "lies inside the values of another axis; take one of the two away"
_TWICE = "is a knob of another axis already; take one of the two away"

Layer = tuple[KeyPath, Mapping[str, Any]]
"""A ``[matrix]`` table and its place in the file."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One value of an axis, or one knob of an ``include``."""

    key: KeyPath
    value: Any
    label: str
    place: KeyPath
    others: tuple[Choice, ...] = ()
    """What is chosen together with it."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A knob and the values that it takes; none for an axis that a profile takes away.

    The knobs of a ``together`` are one axis: that of the knob that it is called after.
    """

    key: KeyPath
    place: KeyPath
    choices: tuple[Choice, ...]
    others: tuple[KeyPath, ...] = ()
    """The knobs that change with it."""

    @property
    def keys(self) -> tuple[KeyPath, ...]:
        """All its knobs."""
        return (self.key, *self.others)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """What an arm of the matrix has of its own."""

    name: str
    choices: tuple[Choice, ...]
    place: KeyPath

    @property
    def layer(self) -> dict[str, Any]:
        """Its knobs as tables."""
        tables: dict[str, Any] = {}
        for choice in self.choices:
            *parents, last = choice.key
            inner = tables
            for part in parents:
                inner = inner.setdefault(str(part), {})
            inner[str(last)] = choice.value
        return tables

    def place_of(self, path: KeyPath) -> KeyPath | None:
        """Where in the file the knob ``path`` of this combination stands."""
        for choice in self.choices:
            if path[: len(choice.key)] == choice.key:
                return (*choice.place, *path[len(choice.key) :])
        return None


@dataclass(frozen=True, kw_only=True)
class MatrixEntry:
    """One table of ``exclude`` or ``include``: for which arm, and what it says of knobs."""

    place: KeyPath
    arm: str | None
    name: str | None
    choices: tuple[Choice, ...]

    def is_for(self, arm: str | None) -> bool:
        """Whether it speaks of this arm."""
        return self.arm is None or self.arm == arm


@dataclass(kw_only=True)
class Grid:
    """Axes by their key, in the order of names, and what is taken out and added."""

    axes: dict[KeyPath, Axis] = field(default_factory=dict)
    exclude: tuple[MatrixEntry, ...] = ()
    include: tuple[MatrixEntry, ...] = ()
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)
    """What is wrong, each with its place in the file."""

    def size(self, arms: int) -> int:
        """Number of arms that it makes out of ``arms`` before any is excluded."""
        product = math.prod(len(axis.choices) for axis in self.axes.values()) if self.axes else 0
        return max(arms, 1) * (product + len(self.include))

    @functools.cached_property
    def exclusions(self) -> Exclusions:
        """What ``exclude`` takes out of the axes."""
        values = {key: [each.value for each in axis.choices] for key, axis in self.axes.items()}
        wanted = [{each.key: each.value for each in entry.choices} for entry in self.exclude]
        return Exclusions(values, wanted, [entry.arm for entry in self.exclude])

    def combinations(self, arm: str | None) -> Iterator[Combination]:
        """All combinations for one arm: those of the axes without the excluded, then included."""
        mask = self.exclusions.mask(arm)
        axes = [
            tuple(zip(axis.choices, taken, strict=True))
            for axis, taken in zip(self.axes.values(), self.exclusions.taken, strict=True)
        ]
        for chosen in itertools.product(*axes) if axes else ():
            if not functools.reduce(operator.and_, (taken for _, taken in chosen), mask):
                choices = tuple(choice for choice, _ in chosen)
                name = "-".join(choice.label for choice in choices)
                whole = tuple(one for each in choices for one in (each, *each.others))
                yield Combination(name=name, choices=whole, place=choices[0].place)
        for entry in self.include:
            if entry.is_for(arm):
                name = entry.name or "-".join(choice.label for choice in entry.choices)
                yield Combination(name=name, choices=entry.choices, place=entry.place)


@dataclass(frozen=True, kw_only=True)
class Expanded:
    """An arm as it is planned: its table, and what it was made of."""

    table: dict[str, Any]
    base: int | None
    """Position of its table in the file; ``None`` where the matrix stands alone."""
    combination: Combination | None = None

    @property
    def name(self) -> str:
        """What it is called; no name stands as the file has it."""
        return str(self.table.get("name"))


def read_matrix(layers: Sequence[Layer]) -> Grid | None:
    """The matrix of a phase, or of a profile that changes it; ``None`` where there is none.

    A profile's axis takes the place of the phase's of the same key, an empty one takes it away;
    its ``exclude`` and ``include`` take the place of the phase's. The knobs of a ``together`` are
    one axis, of the key that it is called after.
    """
    if not layers:
        return None
    matrix = Grid()
    axes: dict[KeyPath, Axis] = {}
    for place, table in layers:
        found: dict[KeyPath, Axis] = {}
        for section in SECTIONS:
            if section in table:
                found |= _axes(table[section], (section,), (*place, section), matrix.problems)
        for axis in _together(table.get(TOGETHER), (*place, TOGETHER), matrix.problems):
            if axis.key in found:
                matrix.problems.append((axis.place, _TWICE))
            found[axis.key] = axis
        empty = [axis for key, axis in found.items() if not axis.choices and key not in axes]
        matrix.problems += [
            (axis.place, "has no values; give some, or remove it") for axis in empty
        ]
        axes |= found
    kept = {key: axis for key, axis in axes.items() if axis.choices}
    matrix.problems += _refuse_overlaps(kept)
    matrix.axes = {key: kept[key] for key in sorted(kept, key=_rank)}
    names = _names(matrix.axes)
    for place, table in layers:
        if "exclude" in table:
            matrix.exclude = _entries(table["exclude"], (*place, "exclude"), names)
        if "include" in table:
            matrix.include = _entries(table["include"], (*place, "include"), names)
    return matrix


def _refuse_overlaps(axes: dict[KeyPath, Axis]) -> list[tuple[KeyPath, str]]:
    """Take out every axis that has a knob of another one, or a part of it; the problems."""
    problems: list[tuple[KeyPath, str]] = []
    owners: dict[KeyPath, list[KeyPath]] = {}
    for axis in axes.values():
        for key in axis.keys:
            owners.setdefault(key, []).append(axis.key)
    for axis in list(axes.values()):
        if any(key[:n] in owners for key in axis.keys for n in range(1, len(key))):
            problems.append((axes.pop(axis.key).place, _INSIDE))
        elif any(owners[key][0] != axis.key or len(owners[key]) > 1 for key in axis.keys[1:]):
            problems.append((axes.pop(axis.key).place, _TWICE))
    return problems


def expand(arms: Sequence[Mapping[str, Any]], matrix: Grid | None) -> list[Expanded]:
    """Every arm as it is planned: each arm of the file with each combination of the matrix.

    A matrix with more than ``MOST_ARMS`` makes none.
    """
    if matrix is None:
        return [Expanded(table=dict(arm), base=index) for index, arm in enumerate(arms)]
    if matrix.size(len(arms)) > MOST_ARMS:
        return []
    return [
        Expanded(table=_table(arm, made), base=index, combination=made)
        for index, arm in (enumerate(arms) if arms else ((None, {}),))
        for made in matrix.combinations(_name_of(arm))
    ]


def _name_of(arm: Mapping[str, Any]) -> str | None:
    name = arm.get("name")
    return name if isinstance(name, str) else None


def _table(arm: Mapping[str, Any], made: Combination) -> dict[str, Any]:
    name = "-".join(part for part in (arm.get("name"), made.name) if isinstance(part, str))
    return merged(arm, made.layer, {"name": name})


def _rank(key: KeyPath) -> tuple[int, KeyPath]:
    return SECTIONS.index(str(key[0])), key[1:]


def _axes(
    node: object, key: KeyPath, place: KeyPath, problems: list[tuple[KeyPath, str]]
) -> dict[KeyPath, Axis]:
    """The axes below a table of ``[matrix]``: lists, and tables with ``values``.

    A section is no axis by itself: its ``values`` would be those of a knob of that name.
    """
    is_section = len(key) == 1 and key != ("seed",)
    if isinstance(node, Mapping) and (is_section or "values" not in node):
        found: dict[KeyPath, Axis] = {}
        for part, below in node.items():
            found |= _axes(below, (*key, part), (*place, part), problems)
        return found
    labels: object = None
    if isinstance(node, Mapping):
        labels = node.get("labels")
        problems += [
            ((*place, part), "unknown key; an axis has `values` and `labels`")
            for part in node
            if part not in ("values", "labels")
        ]
        node, place = node["values"], (*place, "values")
    if not isinstance(node, list | tuple):
        problems.append((place, "expected the values of an axis, an array of them"))
        return {}
    named = labels if isinstance(labels, list | tuple) else None
    if labels is not None and (named is None or len(named) != len(node)):
        problems.append(((*place[:-1], "labels"), f"expected {len(node)} labels, one for a value"))
        named = None
    return {
        key: Axis(
            key=key,
            place=place,
            choices=tuple(
                Choice(
                    key=key,
                    value=value,
                    label=str(named[index]) if named else label(key, value),
                    place=(*place, index),
                )
                for index, value in enumerate(node)
            ),
        )
    }


def _together(node: object, place: KeyPath, problems: list[tuple[KeyPath, str]]) -> Iterator[Axis]:
    """The axes whose knobs change side by side: one for each table of ``together``."""
    for index, table in enumerate(node if isinstance(node, list | tuple) else ()):
        here = (*place, index)
        if not isinstance(table, Mapping):
            continue
        parts = {name: table[name] for name in SECTIONS if name in table}
        before = len(problems)
        found = [
            axis
            for name, part in parts.items()
            for axis in _axes(part, (name,), (*here, name), problems).values()
        ]
        if len(problems) > before:
            continue
        if len(found) < 2:
            problems.append((here, "has fewer than two knobs; a knob alone is an axis of its own"))
            continue
        lengths = {len(axis.choices) for axis in found}
        if len(lengths) > 1:
            counts = ", ".join(f"{len(axis.choices)} of {_dotted(axis.key)}" for axis in found)
            problems.append((here, f"has {counts}; give each knob as many values as the others"))
            continue
        yield _side_by_side(found)


def _dotted(key: KeyPath) -> str:
    return ".".join(map(str, key))


def _side_by_side(knobs: Sequence[Axis]) -> Axis:
    """One axis out of several, called after the seed if that is among them, else the first."""
    ranked = sorted(knobs, key=lambda axis: _rank(axis.key))
    lead = next((axis for axis in ranked if axis.key == ("seed",)), ranked[0])
    others = [axis for axis in ranked if axis is not lead]
    rows = zip(lead.choices, *(axis.choices for axis in others), strict=True)
    return replace(
        lead,
        choices=tuple(replace(first, others=tuple(rest)) for first, *rest in rows),
        others=tuple(axis.key for axis in others),
    )


_Names: TypeAlias = Mapping[KeyPath, Mapping[object, str]]
"""Axis → value → what it is called."""


def _names(axes: Mapping[KeyPath, Axis]) -> _Names:
    return {
        key: {comparable(each.value): each.label for each in reversed(axis.choices)}
        for key, axis in axes.items()
    }


def _entries(node: object, place: KeyPath, names: _Names) -> tuple[MatrixEntry, ...]:
    tables = node if isinstance(node, list | tuple) else ()
    return tuple(
        MatrixEntry(
            place=(*place, index),
            arm=table.get("arm"),
            name=table.get("name"),
            choices=tuple(
                sorted(_choices(table, place=(*place, index), names=names), key=_by_rank)
            ),
        )
        for index, table in enumerate(tables)
        if isinstance(table, Mapping)
    )


def _by_rank(choice: Choice) -> tuple[int, KeyPath]:
    return _rank(choice.key)


def _choices(
    table: Mapping[str, Any],
    *,
    place: KeyPath,
    names: _Names,
    key: KeyPath = (),
) -> Iterator[Choice]:
    """The knobs of an entry; a table that is the value of an axis or has a kind is one value."""
    for part, value in table.items():
        here, there = (*key, part), (*place, part)
        if not key and part not in SECTIONS:
            continue
        if isinstance(value, Mapping) and here not in names and "kind" not in value:
            yield from _choices(value, place=there, names=names, key=here)
        else:
            name = names.get(here, {}).get(comparable(value)) or label(here, value)
            yield Choice(key=here, value=value, label=name, place=there)
