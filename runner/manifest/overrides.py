"""How the tables of a manifest lie over one another: phase, then profile, then arm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.experiment import EXPERIMENT

SECTIONS = tuple(one.name for one in EXPERIMENT.parameters.sections)
"""The tables of parameters, of which a phase, a profile and an arm may each hold a part."""


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """One table out of several, where later ones win key by key.

    A nested table that states its ``kind`` replaces what lies below it as a whole: what one kind
    has of its own must not leak into another.
    """
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            if isinstance(below, Mapping) and isinstance(value, Mapping) and "kind" not in value:
                result[key] = merged(below, value)
            else:
                result[key] = value
    return result


def merged_sections(layers: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Each table of ``SECTIONS`` out of layers that may hold a part of it."""
    return {name: merged(*(table(layer, name) for layer in layers)) for name in SECTIONS}


def table(layer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The table ``name`` of a layer; empty when it is absent.

    It is empty also for what is no table, so that a manifest that is wrong in one place can be
    checked in the others.
    """
    value = layer.get(name)
    return value if isinstance(value, Mapping) else {}
