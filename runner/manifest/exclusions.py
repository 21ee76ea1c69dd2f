"""Which combinations of a matrix its exclusions take out, whatever the number of both.

Exclusions are the bits of an integer: a combination is taken out by those that none of its values
speaks against, so that its cost hardly grows with their number.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.manifest.toml.keys import KeyPath


class Exclusions:
    """The exclusions of a matrix.

    Args:
        axes: The values of each axis.
        wanted: For each exclusion, the values that it names.
        arms: For each exclusion, the arm that it is for; ``None`` for all.
    """

    def __init__(
        self,
        axes: Mapping[KeyPath, Sequence[Any]],
        wanted: Sequence[Mapping[KeyPath, Any]],
        arms: Sequence[object],
    ) -> None:
        self.taken = [_taken(key, values, wanted) for key, values in axes.items()]
        """For each axis and each of its values, the exclusions that it does not speak against."""
        self._arms = arms
        met = [functools.reduce(operator.or_, taken, 0) for taken in self.taken]
        known = sum(1 << bit for bit, values in enumerate(wanted) if values.keys() <= axes.keys())
        self._met = functools.reduce(operator.and_, met, known)
        self._of_all = self._bits(None)

    def mask(self, arm: str | None) -> int:
        """The exclusions that can take something out for an arm."""
        return self._met & (self._of_all | (0 if arm is None else self._bits(arm)))

    def matches(self, index: int) -> bool:
        """Whether the exclusion at ``index`` matches any combination, of whatever arm."""
        return bool(self._met >> index & 1)

    def _bits(self, arm: str | None) -> int:
        return sum(1 << bit for bit, each in enumerate(self._arms) if each == arm)


def _taken(
    key: KeyPath, values: Sequence[Any], wanted: Sequence[Mapping[KeyPath, Any]]
) -> list[int]:
    having: dict[object, set[int]] = {}
    for position, value in enumerate(values):
        for leaf in _leaves(value):
            having.setdefault(leaf, set()).add(position)
    silent = sum(1 << bit for bit, named in enumerate(wanted) if key not in named)
    taken = [silent] * len(values)
    for bit, named in enumerate(wanted):
        if key in named:
            found = [having.get(leaf, set()) for leaf in _leaves(named[key])]
            for position in set.intersection(*found):
                taken[position] |= 1 << bit
    return taken


def _leaves(value: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, object]]:
    """What a value says, so that a table agrees with another one that says all of it, too."""
    if isinstance(value, Mapping):
        yield path, Mapping
        for part, below in value.items():
            yield from _leaves(below, (*path, part))
    else:
        yield path, comparable(value)


def comparable(value: object) -> object:
    """A value by which equal ones are found: 1 is 1.0, and neither is true."""
    if isinstance(value, Mapping):
        return frozenset((part, comparable(below)) for part, below in value.items())
    if isinstance(value, list | tuple):
        return tuple(comparable(item) for item in value)
    return (bool, value) if isinstance(value, bool) else value
