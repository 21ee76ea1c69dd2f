"""Every knob of the schema, present and future, is read back from the live objects.

The tests walk the schema itself: every leaf, every word that a leaf may be, every member of a
union, and ``None`` where it is allowed. Each is changed in a real fit, must come back as it was
planned, must leave a trace in the results, and must be named by the runner's verdict if it is
dropped on its way. A knob that is added without all this fails here by its name; what to do about
it, the failure says.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError

from models.config import Parameters
from runner.verify.effective import compare_effective

Path = tuple[str, ...]


def measured_probe(displacement: int) -> bytes:
    """The file of a beam that is displaced and astigmatic."""
    row, column = np.indices((16, 16)) - 7.5
    beam = np.exp(-((row - displacement) ** 2 + column**2) / 30 + 0.05j * row**2)
    stream = io.BytesIO()
    np.savez(stream, probeGuess=beam)
    return stream.getvalue()


PROBES = {hashlib.sha256(file).hexdigest(): file for file in map(measured_probe, (0, 1))}
"""Digest → file of two measured probes."""

ONE_PROBE, OTHER_PROBE = PROBES

BASES = {
    "plain": {},
    "stable": {
        "model": {"architecture": "stable_hybrid"},
        "train": {"validation": "test"},
        "diagnostics": {"activations": True},
    },
    "fno": {"model": {"architecture": "fno"}},
    "scheduled": {"train": {"scheduler": {"kind": "warmup_cosine", "warmup_epochs": 1}}},
    "improving": {"train": {"scheduler": {"kind": "plateau", "patience": 0}}},
    "unsteady": {
        "train": {
            "epochs": 6,
            "learning_rate": 0.3,
            "scheduler": {"kind": "plateau", "patience": 0, "min_lr": 0.1},
            "validation": "test",
        }
    },
    "limited": {"model": {"max_hidden_channels": 2, "max_levels": 1}},
    "measured": {"dataset": {"probe": "file", "probe_sha256": ONE_PROBE}},
}
"""What knobs are changed from: the first in which a change is allowed *and* acts is taken."""

VALUES: dict[str, list[Any]] = {
    "dataset.probe_sha256": [OTHER_PROBE],
    "diagnostics.activation_report": ["activation_report_other.json"],
    "train.scheduler.threshold": [0.9],
    "train.clip.eps": [10.0],
}
"""Values to try first, where the type of a leaf tells none or none that acts."""

ALONG: dict[str, dict[str, Any]] = {
    "dataset.probe = file": {"dataset": {"probe_sha256": ONE_PROBE}},
    "dataset.probe = defocused_disk": {"dataset": {"probe_sha256": None}},
    "model.architecture = cnn": {"model": {"modes": None, "fno_blocks": None, "cnn_blocks": 3}},
}
"""Changes that cannot be made alone: what must change along."""

WITHOUT_EFFECT_ON_WEIGHTS = {
    "model.activation_checkpointing",
    "train.on_nan",  # none on a fit whose numbers are finite; test_not_finite has one that diverges
    "train.inference_batch_size",
    "diagnostics.grad_norm_every",
    "diagnostics.activations",
    "diagnostics.activation_report",
    "diagnostics.on_collapse",
    "diagnostics.grad_hist_epochs",
    "diagnostics.audit_steps",
}


# --- walking the schema --------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A change of one knob: the leaf, its new value, and what makes its table the one that has it.

    ``value`` is ``...`` where any other value of the leaf's type will do.
    """

    path: Path
    annotation: Any
    value: Any = ...
    context: dict[str, Any] = field(default_factory=dict)

    @property
    def knob(self) -> str:
        """Dotted name as the plan has it: the kind of a union's member is no part of it."""
        return ".".join(without_kind(self.path))

    @property
    def name(self) -> str:
        words = self.value["kind"] if isinstance(self.value, dict) else self.value
        return ".".join(self.path) + ("" if self.value is ... else f" = {words}")


def members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation, without ``Annotated``."""
    if get_origin(annotation) is Annotated:
        return members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for part in get_args(annotation) for member in members(part)]
    return [annotation]


def tables(annotation: Any) -> list[type[BaseModel]]:
    return [m for m in members(annotation) if isinstance(m, type) and issubclass(m, BaseModel)]


def kind_of(table: type[BaseModel]) -> str:
    (kind,) = get_args(table.model_fields["kind"].annotation)
    return kind


def cases(schema: type[BaseModel], path: Path = ()) -> Iterator[Case]:
    """Every change of every leaf. A leaf of a union's member has its ``kind`` before its name."""
    for name, knob in schema.model_fields.items():
        here, inner = (*path, name), tables(knob.annotation)
        if not inner:
            yield from cases_of_leaf(here, knob.annotation)
        elif len(inner) == 1:
            yield from cases(inner[0], here)
        else:
            for table in inner:
                chosen = {"kind": kind_of(table)}
                yield Case(here, table, chosen)
                for case in cases(table):
                    yield Case(
                        (*here, chosen["kind"], *case.path),
                        case.annotation,
                        case.value,
                        nested(here, chosen),
                    )


def cases_of_leaf(path: Path, annotation: Any) -> Iterator[Case]:
    """One for each word, each truth value and ``None``; one for all numbers."""
    for member in members(annotation):
        if get_origin(member) is Literal and len(get_args(member)) == 1:
            continue
        if get_origin(member) is Literal or member in (bool, NoneType):
            words = {bool: (False, True), NoneType: (None,)}.get(member) or get_args(member)
            for value in words:
                yield Case(path, annotation, value)
        else:
            yield Case(path, annotation)


def nested(path: Path, value: Any) -> dict[str, Any]:
    return functools.reduce(lambda inner, key: {key: inner}, reversed(path), value)


def other_values(case: Case, value: Any) -> Iterator[Any]:
    """Values near ``value`` that the leaf might allow."""
    if case.value is not ...:
        yield case.value
        return
    yield from VALUES.get(case.knob, [])
    for member in members(case.annotation):
        if get_origin(member) is tuple and isinstance(value, list):
            yield [part * 0.9 for part in value] or [1]
        elif member is int:
            yield from (value + 1, value - 1, value + 4, value * 2) if value else (1, 2, 3)
        elif member is float:
            yield from (value * 0.5, value * 1.5) if value else (0.25, 0.05)


def leaves(table: Any, path: Path = ()) -> dict[Path, Any]:
    """Dotted leaves; a union's member puts its ``kind`` into the path."""
    if not isinstance(table, dict):
        return {path: table}
    inside = (*path, table["kind"]) if "kind" in table and len(path) > 1 else path
    return {k: v for key, value in table.items() for k, v in leaves(value, (*inside, key)).items()}


def without_kind(path: Path) -> Path:
    """The place of a leaf in the tables: the ``kind`` of a union's member is no key."""
    return (*path[:2], *path[3:]) if len(path) > 3 else path


CASES = {case.name: case for case in cases(Parameters)}


def changes(case: Case, workshop) -> Iterator[tuple[Any, Any]]:
    """Parameters before and after the change, for each base and value that allows it."""
    bases = {name: merge(base, case.context) for name, base in BASES.items()}
    for start in sorted(bases.values(), key=lambda start: start not in BASES.values()):
        try:
            before = workshop.parameters(**start)
        except ValidationError:
            continue
        value = leaves(before.model_dump(mode="json")).get(case.path)
        for other in other_values(case, value):
            if isinstance(other, dict):
                if getattr(at(before, case.path), "kind", None) == other["kind"]:
                    continue
            elif other == value and type(other) is type(value):
                continue
            change = merge(nested(without_kind(case.path), other), ALONG.get(case.name, {}))
            try:
                after = workshop.parameters(**merge(start, change))
            except ValidationError:
                continue
            if after.model_dump() != before.model_dump():  # a plan may leave a default unsaid
                yield before, after


def at(parameters: BaseModel, path: Path) -> Any:
    return functools.reduce(getattr, path, parameters)


def is_everywhere(case: Case, workshop) -> bool:
    """Whether all bases that have the knob hold this very value, or kind, already."""
    value = case.value["kind"] if isinstance(case.value, dict) else case.value
    held = [at(workshop.parameters(**base), case.path) for base in BASES.values()]
    return {getattr(one, "kind", one) for one in held} - {None} == {value}


def merge(base, changed):
    """A table that names another kind replaces the former one."""
    result = dict(base)
    for key, value in changed.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        if both and value.get("kind") in (None, result[key].get("kind")):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
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


def evidence(effective) -> list[Any]:
    """What a knob of dataset, model or training may leave a trace in."""
    observed = effective["observed"]
    data = {k: v for k, v in observed["dataset_sha256"].items() if k != "metadata.json"}
    return [observed["final_weights_sha256"], data]


def caught(planned, result) -> list[str]:
    """What the verdict names when the plan was ``planned`` and ``result`` is what ran."""
    table, cpu = (
        planned.model_dump(mode="json"),
        SimpleNamespace(device="cpu", threads=1, determinism="native"),
    )
    return [d.knob for d in compare_effective(table, 20260128, cpu, result)]


# --- the tests -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def fitted(workshop):
    """The effective configuration of fits by their parameters, each made once."""

    for probe in PROBES.values():
        workshop.keep_probe(probe)

    @functools.cache
    def make(text):
        return workshop.fit(Parameters.model_validate_json(text)).effective()

    return lambda parameters: make(parameters.model_dump_json())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_changing_a_knob_changes_its_reading_and_the_results(case, workshop, fitted):
    allowed = False
    for before, after in changes(case, workshop):
        allowed = True
        plans = [parameters.model_dump(mode="json") for parameters in (before, after)]
        assert any(f"{name}.".startswith(".".join(case.path)) for name in differing(*plans))
        results = [fitted(before), fitted(after)]
        for plan, result in zip(plans, results, strict=True):
            assert differing(plan, result["parameters"]) == {}
        assert any(f"{name}.".startswith(f"{case.knob}.") for name in caught(after, results[0])), (
            f"{case.name}: a run that drops it passes for one that does not"
        )
        assert caught(after, results[1]) == []
        if case.knob in WITHOUT_EFFECT_ON_WEIGHTS or evidence(results[0]) != evidence(results[1]):
            return
    if not allowed and (case.value is None or is_everywhere(case, workshop)):
        return  # refused where the knob applies; or what the other words are changed from
    assert allowed, f"{case.name}: nothing allows it; add to BASES, VALUES or ALONG"
    pytest.fail(
        f"{case.name}: it changes neither data nor weights; if it must not, add it to "
        "WITHOUT_EFFECT_ON_WEIGHTS, otherwise add a base to BASES in which it acts"
    )


def test_knobs_with_one_value_are_read_back_too(workshop, fitted):
    """They cannot be changed, but must be there: the comparison above covers them by name."""
    shown = leaves(fitted(workshop.parameters())["parameters"])
    assert ("dataset", "kind") in shown


def test_a_knob_without_a_reading_is_named(workshop, fitted):
    parameters = workshop.parameters()
    plan = parameters.model_dump(mode="json")
    plan["model"]["attention_heads"] = 4
    effective = fitted(parameters)["parameters"]
    assert differing(plan, effective) == {"model.attention_heads": (4, "absent")}


def test_the_walk_finds_members_of_unions_words_and_absences():
    assert {
        "train.optimizer.sgd.momentum",
        "train.optimizer.adamw.betas",
        "train.optimizer = sgd",
        "train.scheduler.warmup_cosine.min_ratio",
        "train.scheduler = plateau",
        "train.clip.norm.max_norm",
        "train.clip.agc_per_tensor.eps",
        "train.gain_per_batch = True",
        "train.loss = poisson",
        "model.output_mode = amp_phase",
        "model.stable_block = zero_gamma",
        "model.corners = 2",
        "model.max_levels",
        "model.max_levels = None",
        "dataset.set_phi = False",
        "diagnostics.activation_report",
    } <= set(CASES)


def test_the_walk_reaches_every_leaf_of_the_schema(workshop):
    """Counted a second way: the leaves of every plan that the bases and contexts make."""
    named = {case.knob for case in CASES.values()}
    for base in BASES.values():
        for case in CASES.values():
            try:
                plan = workshop.parameters(**merge(base, case.context))
            except ValidationError:
                continue
            dotted = {".".join(without_kind(p)) for p in leaves(plan.model_dump(mode="json"))}
            single = {name for name in dotted if name.endswith(".kind")}
            assert dotted - single <= named


def test_the_effective_configuration_is_the_same_after_a_way_through_json(workshop, fitted):
    effective = fitted(workshop.parameters())
    assert json.loads(json.dumps(effective, allow_nan=False)) == effective
