"""The knobs in which several plans differ, as a reader counts them.

A table that differs by its ``kind`` is one knob where the kinds differ: it is changed as a
whole, though what it has of its own changes with it. What an arm records about itself is none of
the knobs, as nothing that it computes depends on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

from pydantic import ValidationError

from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.experiment.common import Knob
from runner.experiment.interface import Tables
from runner.hub.leaves import leaves

Flat = dict[str, Knob]

RECORDING = f"{EXPERIMENT.parameters.recording}."
NOISE, OBJECTS = EXPERIMENT.parameters.noise, EXPERIMENT.parameters.objects
"""Keys of a dataset that draw its noise and order, and its objects."""
DRAWS = (*NOISE, *OBJECTS)
"""The knobs of a dataset that choose no kind of data, but one draw of them."""
DRAWN_ANEW = "drawn anew with each seed"


def computed(plan: Tables) -> bytes:
    """One spelling of everything that decides what is computed, but for the seed."""
    return canonical_json({name: plan[name] for name in plan if f"{name}." != RECORDING})


def drawn_with_seed(plans: Sequence[tuple[int, Tables]]) -> frozenset[str]:
    """The draws of data that every seed of the arms of one hub has of its own.

    ``plans`` has the seed and the parameters of each arm. Where one seed meets two draws, or one
    draw two seeds, the draws were varied by themselves, and are knobs like any other.
    """
    by_seed: dict[int, set[bytes]] = {}
    values: dict[str, set[bytes]] = {name: set() for name in DRAWS}
    for seed, plan in plans:
        dataset = plan.get("dataset", {})
        by_seed.setdefault(seed, set()).add(canonical_json([dataset.get(n) for n in DRAWS]))
        for name in DRAWS:
            values[name].add(canonical_json(dataset.get(name)))
    whole = set().union(*by_seed.values())
    if any(len(drawn) > 1 for drawn in by_seed.values()) or len(whole) < len(by_seed):
        return frozenset()
    return frozenset(name for name in DRAWS if len(values[name]) > 1)


def without_draws(plan: Tables, drawn: Set[str]) -> dict[str, Any]:
    """A plan in which the ``drawn`` knobs of the dataset are named, and not valued."""
    if not drawn:
        return dict(plan)
    return {**plan, "dataset": {**plan["dataset"], **dict.fromkeys(drawn, DRAWN_ANEW)}}


def differing(plans: Sequence[Tables]) -> list[Flat]:
    """For each plan its values of the knobs that are not the same in all plans."""
    flat = [dict(leaves(plan)) for plan in plans]
    tables = _tables_that_differ(flat)
    known = [_values(plan, tables) for plan in flat]
    names = sorted({name for values in known for name in values})
    kept = [
        name
        for name in names
        if not name.startswith(RECORDING)
        and len({canonical_json(values.get(name)) for values in known}) > 1
    ]
    return [{name: values.get(name) for name in kept} for values in known]


def _tables_that_differ(flat: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The tables whose ``kind`` is not the same everywhere, each with a dot at its end."""
    kinds = {name for plan in flat for name in plan if name.endswith(".kind")}
    return tuple(
        kind.removesuffix("kind") for kind in kinds if len({plan.get(kind) for plan in flat}) > 1
    )


def _values(plan: Mapping[str, Any], tables: tuple[str, ...]) -> Flat:
    """The leaves of a plan, those of ``tables`` taken together."""
    found: Flat = {}
    for name, value in plan.items():
        table = next((table for table in tables if name.startswith(table)), None)
        if table is None:
            found[name] = _scalar(value)
        else:
            found.setdefault(table.removesuffix("."), _in_words(plan, table))
    return found


def _in_words(plan: Mapping[str, Any], table: str) -> str:
    """A table in one text: ``norm (max_norm 0.5)``."""
    inner = {name.removeprefix(table): v for name, v in plan.items() if name.startswith(table)}
    kind = inner.pop("kind")
    rest = ", ".join(f"{name} {_text(value)}" for name, value in inner.items())
    return f"{kind} ({rest})" if rest else str(kind)


def _scalar(value: object) -> Knob:
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return _text(value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def between(a: Tables, b: Tables, values_a: Flat, values_b: Flat) -> tuple[str, ...]:
    """The knobs in which two plans differ, without those that only follow from another one.

    ``values_a`` and ``values_b`` are those of ``differing``. A knob follows where one plan has none
    because it means nothing there.
    """
    names = [name for name in values_a if values_a[name] != values_b[name]]
    own = [name for name in names if not _follows(a, b, name, values_a[name], values_b[name])]
    return tuple(own or names)


def _follows(a: Tables, b: Tables, name: str, value_a: Knob, value_b: Knob) -> bool:
    if value_a is None and value_b is not None:
        return means_nothing(a, name, value_b)
    return value_b is None and value_a is not None and means_nothing(b, name, value_a)


def means_nothing(plan: Tables, name: str, value: Knob) -> bool:
    """Whether a plan that has no such knob refuses to be given one."""
    *tables, last = name.split(".")
    changed = json.loads(canonical_json(plan))
    inner = changed
    for table in tables:
        inner = inner.get(table)
        if not isinstance(inner, dict):
            return False
    if last not in inner or isinstance(inner[last], dict):
        return False
    inner[last] = value
    return _is_valid(plan) and not _is_valid(changed)


def _is_valid(plan: Tables) -> bool:
    try:
        EXPERIMENT.parameters.table.model_validate_json(canonical_json(plan))
    except ValidationError:
        return False
    return True


def has_knobs(plan: Tables, where: Mapping[str, object]) -> bool:
    """Whether a plan has these values of these knobs, by their dotted names; ``True`` is no 1."""
    return all(_has_knob(plan, name, value) for name, value in where.items())


def _has_knob(plan: Tables, name: str, value: object) -> bool:
    """The same of one knob; looked up, as a plan has a hundred of which few are asked for."""
    found: object = plan
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return False
        found = found[part]
    return not isinstance(found, Mapping) and _same(found, value)


def _same(planned: object, value: object) -> bool:
    return isinstance(planned, bool) is isinstance(value, bool) and planned == value
