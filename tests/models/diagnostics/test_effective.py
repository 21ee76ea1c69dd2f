"""Every knob of the schema, present and future, is read back from the live objects.

The tests walk the schema itself. A knob that is added without a reading fails here by its name.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

from models.config import Parameters

Path = tuple[str, ...]

BASES = {
    "plain": {},
    "stable": {
        "model": {"architecture": "stable_hybrid"},
        "train": {"validation": "test"},
        "diagnostics": {"activations": True},
    },
    "fno": {"model": {"architecture": "fno"}},
    "scheduled": {"train": {"scheduler": {"kind": "warmup_cosine", "warmup_epochs": 1}}},
}
"""What knobs are changed from; a knob that one of them refuses is changed from another."""

WITHOUT_EFFECT_ON_WEIGHTS = {
    ("model", "activation_checkpointing"),
    ("train", "inference_batch_size"),
    ("diagnostics", "grad_norm_every"),
    ("diagnostics", "activations"),
    ("diagnostics", "activation_report"),
}


# --- walking the schema --------------------------------------------------------------------------


def members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without ``Annotated`` and ``None``."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [m for part in get_args(annotation) for m in members(part) if m is not NoneType]
    return [annotation]


def knobs(schema: type[BaseModel], path: Path = ()) -> Iterator[tuple[Path, Any, dict[str, Any]]]:
    """Path and annotation of every leaf, and the change that makes its table the one that has it.

    A leaf of a union's member has the member's ``kind`` as the last but one part of its path.
    """
    for name, field in schema.model_fields.items():
        tables = [
            m for m in members(field.annotation) if isinstance(m, type) and issubclass(m, BaseModel)
        ]
        for table in tables:
            if len(tables) == 1:
                yield from knobs(table, (*path, name))
                continue
            (kind,) = get_args(table.model_fields["kind"].annotation)
            for leaf, annotation, _ in knobs(table):
                yield (*path, name, kind, *leaf), annotation, nested((*path, name), {"kind": kind})
        if not tables:
            yield (*path, name), field.annotation, {}


def nested(path: Path, value: Any) -> dict[str, Any]:
    return functools.reduce(lambda inner, key: {key: inner}, reversed(path), value)


def other_values(annotation: Any, value: Any) -> Iterator[Any]:
    """Values near ``value`` that an annotation might allow."""
    for member in members(annotation):
        if get_origin(member) is Literal:
            yield from get_args(member)
        elif get_origin(member) is tuple:
            yield [part * 0.9 for part in value]
        elif member is bool:
            yield not value
        elif member is int:
            yield from (value + 1, value - 1, value + 4, value * 2) if value else (1, 2, 3)
        elif member is float:
            yield from (value * 0.5, value * 1.5) if value else (0.25,)
        elif member is str and value is not None:
            yield value.replace(".json", "_other.json")
    yield None


def leaves(table: Any, path: Path = ()) -> dict[Path, Any]:
    """Dotted leaves; a union's member puts its ``kind`` into the path."""
    if not isinstance(table, dict):
        return {path: table}
    inside = (*path, table["kind"]) if "kind" in table and len(path) > 1 else path
    return {k: v for key, value in table.items() for k, v in leaves(value, (*inside, key)).items()}


def without_kind(path: Path) -> Path:
    """The place of a leaf in the tables: the ``kind`` of a union's member is no key."""
    return (*path[:2], *path[3:]) if len(path) > 3 else path


KNOBS = {
    ".".join(path): (path, annotation, context) for path, annotation, context in knobs(Parameters)
}

SINGLE = {
    name
    for name, (_, a, _) in KNOBS.items()
    if get_origin(members(a)[0]) is Literal and len(get_args(members(a)[0])) == 1
}


def changes_of(name, workshop):
    """The first base and change of this knob that validate: (base, its parameters, changed)."""
    path, annotation, context = KNOBS[name]
    for base, table in BASES.items():
        start = merge(table, context)
        try:
            before = workshop.parameters(**start)
        except ValidationError:
            continue
        value = leaves(before.model_dump(mode="json")).get(path, ...)
        for other in other_values(annotation, value) if value is not ... else ():
            if other == value and type(other) is type(value):
                continue
            try:
                after = workshop.parameters(**merge(start, nested(without_kind(path), other)))
            except ValidationError:
                continue
            return base, start, before, after
    return None


def merge(base, changes):
    result = dict(base)
    for key, value in changes.items():
        nested_both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merge(result[key], value) if nested_both else value
    return result


# --- comparing -----------------------------------------------------------------------------------


def differing(planned: dict[str, Any], effective: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Leaves that the plan and the reading do not share, with both values."""
    wanted, shown = leaves(planned), leaves(effective)
    return {
        ".".join(path): (wanted.get(path, "absent"), shown.get(path, "absent"))
        for path in wanted.keys() | shown.keys()
        if path not in wanted or path not in shown or not same(wanted[path], shown[path])
    }


def same(planned: Any, effective: Any) -> bool:
    if isinstance(planned, float):
        return effective == pytest.approx(planned, rel=1e-6, abs=0)
    return type(planned) is type(effective) and planned == effective


def evidence(fitted) -> list[Any]:
    """What a knob of dataset, model or training may leave a trace in."""
    observed = fitted.effective()["observed"]
    data = {k: v for k, v in observed["dataset_sha256"].items() if k != "metadata.json"}
    return [observed["final_weights_sha256"], data]


# --- the tests -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def fitted(workshop):
    """Fits by parameters, each made once."""

    @functools.cache
    def make(text):
        return workshop.fit(Parameters.model_validate_json(text))

    return lambda parameters: make(parameters.model_dump_json())


@pytest.mark.parametrize("name", sorted(KNOBS.keys() - SINGLE))
def test_changing_a_knob_changes_exactly_its_reading(name, workshop, fitted):
    found = changes_of(name, workshop)
    assert found is not None, f"{name} cannot be changed from any of the bases; add a base"
    _, _, before, after = found
    plans = [parameters.model_dump(mode="json") for parameters in (before, after)]
    assert name in differing(*plans), "the change did not change the knob"
    results = [fitted(parameters) for parameters in (before, after)]
    for plan, result in zip(plans, results, strict=True):
        assert differing(plan, result.effective()["parameters"]) == {}
    if KNOBS[name][0] not in WITHOUT_EFFECT_ON_WEIGHTS:
        assert evidence(results[0]) != evidence(results[1]), f"{name} has no effect"


def test_knobs_with_one_value_are_read_back_too(workshop, fitted):
    """They cannot be changed, but must be there: the comparison above covers them by name."""
    shown = leaves(fitted(workshop.parameters()).effective()["parameters"])
    present = {".".join(path) for path in shown}
    assert {"dataset.kind", "dataset.gridsize"} <= SINGLE & present


def test_a_knob_without_a_reading_is_named(workshop, fitted):
    parameters = workshop.parameters()
    plan = parameters.model_dump(mode="json")
    plan["model"]["attention_heads"] = 4
    effective = fitted(parameters).effective()["parameters"]
    assert differing(plan, effective) == {"model.attention_heads": (4, "absent")}


def test_the_walk_finds_the_members_of_unions():
    assert {
        "train.optimizer.sgd.momentum",
        "train.optimizer.adamw.betas",
        "train.scheduler.warmup_cosine.min_ratio",
        "train.clip.norm.max_norm",
        "model.max_levels",
        "diagnostics.activation_report",
    } <= set(KNOBS)


def test_the_effective_configuration_is_the_same_after_a_way_through_json(workshop, fitted):
    effective = fitted(workshop.parameters()).effective()
    assert json.loads(json.dumps(effective, allow_nan=False)) == effective
