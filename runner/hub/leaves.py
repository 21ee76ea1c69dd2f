"""The leaves of trees of tables, and those that differ."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.core.digest import canonical_json


def leaves(table: object, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of everything in a tree of tables that is not a table itself."""
    if not isinstance(table, Mapping):
        yield prefix, table
        return
    for key, value in table.items():
        yield from leaves(value, f"{prefix}.{key}" if prefix else str(key))


def differing_knobs(plans: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Dotted names of the leaves that are not the same in all trees of tables; sorted.

    A knob that only some have differs.
    """
    keys = dict.fromkeys(key for plan in plans for key in plan)
    return tuple(sorted(name for key in keys for name in _differing(plans, key)))


def _differing(plans: Sequence[Mapping[str, Any]], key: str) -> Iterator[str]:
    """Names of the differing leaves below one key. Thousands of arms have a few tables each."""
    kinds = {
        json.dumps(plan.get(key, ABSENT), sort_keys=True): {key: plan[key]} if key in plan else {}
        for plan in plans
    }
    flat = [dict(leaves(table)) for table in kinds.values()]
    names = {name for plan in flat for name in plan}
    yield from (name for name in names if len({_spelling(plan, name) for plan in flat}) > 1)


ABSENT = "\x00absent"
"""Stands for a key that a table lacks; no value of a plan has a control character."""


def _spelling(plan: Mapping[str, Any], name: str) -> bytes | str:
    """What tells a leaf from another; ``True`` from 1, and 1 from 1.0, as JSON does."""
    if name not in plan:
        return b""
    return canonical_json(plan[name])
