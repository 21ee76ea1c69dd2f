"""Everything that can be wrong with a manifest that is well-formed TOML.

All checks work on the document as it was read and run even where another one complains, so that
a user sees everything at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from models.config import Parameters
from runner.complaints import Complaint, Finding, findings
from runner.manifest_steps import check_steps
from runner.manifest_tests import check_tests
from runner.matrix import Combination, Layer, expand, read_matrix
from runner.matrix_checks import matrix_problems, name_problems
from runner.overrides import SECTIONS, merged_sections, table
from runner.toml_keys import KeyPath
from runner.toml_source import Source

MOST_NAMED = 3
"""Arms that a complaint names when it is about many."""

PlaceOf = Callable[[KeyPath], KeyPath | None]
"""Where in the file a layer has a merged key, if it can have it."""


def check(source: Source, manifest: type[BaseModel]) -> list[Complaint]:
    """All that is wrong: with the file as a ``manifest``, and with the parameters of its arms."""
    wrong = [
        *check_structure(source, manifest),
        *check_names(source),
        *check_steps(source),
        *check_tests(source),
        *check_matrices(source),
        *check_arms(source, manifest),
    ]
    return [
        *(source.at(path, problem) for path, problem in source.refused.items()),
        *(one for one in dict.fromkeys(wrong) if one.path not in source.refused),
    ]


def check_structure(source: Source, model: type[BaseModel]) -> list[Complaint]:
    """Tables and keys of the file, apart from the parts that are checked once merged."""
    return [
        source.at(finding.paths[0], finding.problem)
        for error in _errors(model, source.json)
        for finding in findings(error, model)
    ]


def check_names(source: Source) -> Iterator[Complaint]:
    """The phase is called like the file, and no two arms are called the same."""
    stem, name = source.path.stem, table(source.document, "phase").get("name", source.path.stem)
    if name != stem:
        yield source.at(
            ("phase", "name"),
            f"got {name!r}; expected {stem!r}, as the file is called; rename one of the two",
        )
    if not source.document.keys() & {"arms", "matrix"}:
        yield source.at(("arms",), "missing; add it: The arms, each under `[[arms]]`.")
    first: dict[object, int] = {}
    for index, arm in enumerate(_arms(source)):
        name = arm.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line = source.at(("arms", first[name], "name"), "").line
            problem = (
                f"got {name!r}, the name of the arm on line {line} already; rename one of them"
            )
            yield source.at(("arms", index, "name"), problem)


def check_matrices(source: Source) -> Iterator[Complaint]:
    """The matrix of the phase, and as each profile changes it."""
    arms = _arms(source)
    for profile in _profiles(source):
        layers = _matrices(source, profile)
        matrix = read_matrix(layers)
        if matrix is not None:
            place = layers[-1][0]
            problems = list(matrix_problems(matrix, place, arms))
            for path, problem in problems or name_problems(expand(arms, matrix)):
                yield source.at(path, problem)


def check_arms(source: Source, manifest: type[BaseModel]) -> list[Complaint]:
    """The parameters of every arm, as it is and with each profile.

    What is wrong in several arms or profiles for the same reason is said once.
    """
    cases = [case for profile in _profiles(source) for case in _cases(source, profile)]
    wrong: dict[Complaint, list[_Case]] = {}
    told: dict[str, list[Finding]] = {}
    for case in cases:
        for complaint in _check_case(source, case, manifest, told):
            hit = wrong.setdefault(complaint, [])
            hit += [] if case in hit[-1:] else [case]
    return [_in_context(complaint, hit, cases) for complaint, hit in wrong.items()]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """An arm as it is planned, perhaps with a profile."""

    name: str
    profile: str | None
    index: int | None
    """Position of the arm in the file; none where the matrix stands alone, or nothing does."""
    own: Mapping[str, Any]
    combination: Combination | None = None

    def layers(self, document: Mapping[str, Any]) -> list[tuple[PlaceOf, Mapping[str, Any]]]:
        """The tables that are merged, each with the place of its keys; the strongest last."""
        layers: list[tuple[PlaceOf, Mapping[str, Any]]] = [(_below(), document)]
        if self.profile is not None:
            profiles = table(document, "profiles")
            place = ("profiles", self.profile)
            layers.append((_below(*place), table(profiles, self.profile)))
        if self.index is not None:
            own = {name: self.own.get(name) for name in SECTIONS if name != "dataset"}
            layers.append((_below("arms", self.index), own))
        if self.combination is not None:
            layers.append((self.combination.place_of, self.combination.layer))
        return layers


def _cases(source: Source, profile: str | None) -> list[_Case]:
    arms = _arms(source)
    expanded = expand(arms, read_matrix(_matrices(source, profile)))
    if not expanded:
        return [_Case(name="", profile=profile, index=None, own={})]
    return [
        _Case(
            name=str(each.table.get("name")),
            profile=profile,
            index=each.base,
            own={} if each.base is None else arms[each.base],
            combination=each.combination,
        )
        for each in expanded
    ]


def _check_case(
    source: Source, case: _Case, manifest: type[BaseModel], told: dict[str, list[Finding]]
) -> Iterator[Complaint]:
    """What is wrong with one arm; ``told`` remembers it by the parameters, as seeds share them."""
    layers = case.layers(source.document)
    merged = json.dumps(merged_sections([layer for _, layer in layers]))
    if merged not in told:
        told[merged] = _findings(Parameters, merged)
    places = [place for place, _ in reversed(layers)]
    for finding in told[merged]:
        located = (_locate(source, places, path) for path in finding.paths)
        path = next((path for path in located if path), None)
        yield source.at(path or places[0](finding.paths[0]) or finding.paths[0], finding.problem)
    if case.combination is not None:
        yield from _check_own(source, case.combination, manifest, told)


def _check_own(
    source: Source, made: Combination, manifest: type[BaseModel], told: dict[str, list[Finding]]
) -> Iterator[Complaint]:
    """Seed and bounds of a combination, which are no parameters."""
    arm = get_args(manifest.model_fields["arms"].annotation)[0]
    own = {name: value for name, value in made.layer.items() if name not in SECTIONS}
    document = json.dumps({"name": "x", **own})
    if document not in told:
        told[document] = _findings(arm, document)
    for finding in told[document]:
        path = finding.paths[0]
        yield source.at(made.place_of(path) or made.place, finding.problem)


def _locate(source: Source, places: list[PlaceOf], path: KeyPath) -> KeyPath | None:
    """Where the merged key ``path`` comes from: the strongest layer that has it."""
    for place_of in places:
        place = place_of(path)
        if place in source.lines:
            return place
        kinds = (place_of((*path[:n], "kind")) for n in range(2, len(path)))
        if any(kind in source.lines for kind in kinds):
            return None
    return None


def _in_context(complaint: Complaint, wrong: list[_Case], cases: list[_Case]) -> Complaint:
    """Say in which arms and profiles it is wrong, unless that is plain from its place."""
    place = complaint.path
    affected = {case.name for case in cases if _stands_at(case, place)}
    arms = list(dict.fromkeys(case.name for case in wrong))
    profiles = dict.fromkeys(case.profile for case in wrong)
    context = []
    if len(arms) < len(affected):
        context += [f"arm {name!r}" for name in arms[:MOST_NAMED]]
        context += [f"{len(arms) - MOST_NAMED:,} more"] if len(arms) > MOST_NAMED else []
    if place[0] != "profiles" and None not in profiles:
        context += [f"profile {name!r}" for name in profiles]
    suffix = f" (with {', '.join(context)})" if context else ""
    return replace(complaint, problem=complaint.problem + suffix)


def _stands_at(case: _Case, place: KeyPath) -> bool:
    """Whether an arm is among those that the key at ``place`` is for."""
    if place[0] == "arms":
        return place[1:2] == (case.index,)
    if "matrix" in (place[0], *place[2:3]):
        choices = case.combination.choices if case.combination else ()
        return any(place[: len(choice.place)] == choice.place for choice in choices)
    return True


def _below(*place: str | int) -> PlaceOf:
    """The place of keys of the table at ``place``."""
    return lambda path: (*place, *path)


def _arms(source: Source) -> list[dict[str, Any]]:
    """The arms as the file has them, in their positions; empty for what is no table."""
    arms = source.document.get("arms")
    return [
        arm if isinstance(arm, dict) else {} for arm in (arms if isinstance(arms, list) else ())
    ]


def _profiles(source: Source) -> list[str | None]:
    return [None, *table(source.document, "profiles")]


def _matrices(source: Source, profile: str | None) -> list[Layer]:
    """The matrix tables that hold under a profile, each with its place in the file."""
    layers: list[Layer] = []
    if isinstance(source.document.get("matrix"), Mapping):
        layers.append((("matrix",), source.document["matrix"]))
    changed = table(table(source.document, "profiles"), str(profile)) if profile else {}
    if isinstance(changed.get("matrix"), Mapping):
        layers.append((("profiles", str(profile), "matrix"), changed["matrix"]))
    return layers


def _findings(model: type[BaseModel], document: str) -> list[Finding]:
    return [finding for error in _errors(model, document) for finding in findings(error, model)]


def _errors(model: type[BaseModel], document: str) -> list[ValidationError]:
    try:
        model.model_validate_json(document)
    except ValidationError as error:
        return [error]
    return []
