"""What can be wrong with a matrix apart from the values of its knobs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from runner.core.names import SAFE_NAME, SAFE_NAME_WORDS
from runner.manifest.manifest_errors import did_you_mean, dotted, listed, shown
from runner.manifest.matrix import (
    MOST_ARMS,
    MOST_AXES,
    Axis,
    Combination,
    Expanded,
    Grid,
    MatrixEntry,
)
from runner.manifest.toml.keys import KeyPath

Problem = tuple[KeyPath, str]
"""The place in the file, and what is wrong there."""

_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)


def matrix_problems(
    matrix: Grid, place: KeyPath, arms: Sequence[Mapping[str, Any]]
) -> Iterator[Problem]:
    """All that is wrong with the matrix of the table at ``place``."""
    yield from matrix.problems
    if not (matrix.axes or matrix.include or matrix.problems):
        yield place, "makes no arm; give it an axis such as `seed = [1, 2]`, or an `include`"
    if size := _size(matrix, len(arms)):
        yield place, size
        return
    for axis in matrix.axes.values():
        yield from _axis(axis)
        yield from _overridden(axis, arms)
    names = dict.fromkeys(arm["name"] for arm in arms if isinstance(arm.get("name"), str))
    for entry in (*matrix.exclude, *matrix.include):
        yield from _arm(entry, names)
    for index, entry in enumerate(matrix.exclude):
        if entry.place[: len(place)] == place:
            yield from _exclusion(index, matrix, names)
    if matrix.axes and not any(True for _ in _all(matrix, names)):
        yield place, "excludes every combination; leave one"


def _all(matrix: Grid, names: Collection[str]) -> Iterator[Combination]:
    return itertools.chain(*(matrix.combinations(name) for name in names or (None,)))


def name_problems(expanded: Sequence[Expanded]) -> Iterator[Problem]:
    """Names of combinations that are too long for a file, or taken already."""
    first: dict[str, Combination] = {}
    for each in expanded:
        made, name = each.combination, each.table.get("name")
        if made is None or not isinstance(name, str):
            continue
        if not re.fullmatch(SAFE_NAME[1:-1], name):
            yield (
                made.place,
                f"would make the arm {name!r}; expected {SAFE_NAME_WORDS}: give the axes short "
                "`labels`",
            )
        elif name in first:
            yield (
                made.place,
                f"would make a second arm {name!r}, the first is of {dotted(first[name].place)}; "
                "give the axes `labels`, or the include a `name`",
            )
        else:
            first[name] = made


def _axis(axis: Axis) -> Iterator[Problem]:
    first: dict[str, object] = {}
    for choice in axis.choices:
        if not _LABEL.fullmatch(choice.label):
            yield (
                choice.place,
                f"is called {choice.label!r}; give a label of lower-case letters, digits, "
                "underscores and hyphens",
            )
        elif choice.label in first:
            yield (
                choice.place,
                f"{shown(first[choice.label])} and {shown(choice.value)} are both called "
                f"{choice.label!r}; remove one, or give the axis `labels`",
            )
        first.setdefault(choice.label, choice.value)


def _overridden(axis: Axis, arms: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    """An arm's own value of an axis, which no combination would let through."""
    for index, arm in enumerate(arms):
        for key in axis.keys:
            value: object = arm
            for part in key:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None:
                yield (
                    ("arms", index, *key),
                    f"the matrix has {dotted(key)} as an axis and would replace it; remove one "
                    "of the two",
                )


def _arm(entry: MatrixEntry, names: Collection[str]) -> Iterator[Problem]:
    if entry.arm is not None and not _is_known(entry, names):
        known = f"arms are {listed(names)}" if names else "there are no [[arms]]"
        yield (
            (*entry.place, "arm"),
            f"got {shown(entry.arm)}; {known}{did_you_mean(entry.arm, names)}",
        )


def _is_known(entry: MatrixEntry, names: Collection[str]) -> bool:
    return isinstance(entry.arm, str) and entry.arm in names


def _size(matrix: Grid, arms: int) -> str | None:
    """What is said of a matrix that makes too many arms."""
    if len(matrix.axes) > MOST_AXES:
        return f"has {len(matrix.axes):,} axes; at most {MOST_AXES} are allowed: take some away"
    size = matrix.size(arms)
    if size <= MOST_ARMS:
        return None
    factors = [f"{len(axis.choices):,} {dotted(axis.key)}" for axis in matrix.axes.values()]
    factors += [f"{arms:,} arms"] if arms > 1 else []
    added = f" and {len(matrix.include):,} included" if matrix.include else ""
    return (
        f"makes {size:,} arms ({' × '.join(factors)}{added}); at most {MOST_ARMS:,} are "
        "allowed: take values away, or split the phase"
    )


def _exclusion(index: int, matrix: Grid, names: Collection[str]) -> Iterator[Problem]:
    """An exclusion that would take nothing out, and why."""
    entry = matrix.exclude[index]
    strangers = [choice for choice in entry.choices if not _is_chosen(choice.key, matrix)]
    for choice in strangers:
        yield (
            choice.place,
            f"is no axis of the matrix; axes are {listed(map(dotted, matrix.axes))}",
        )
    if strangers or (entry.arm is not None and not _is_known(entry, names)):
        return
    if not matrix.exclusions.matches(index):
        yield entry.place, "matches no combination and would exclude nothing; remove it"


def _is_chosen(key: KeyPath, matrix: Grid) -> bool:
    return any(key[: len(axis)] == axis for axis in matrix.axes)
