"""Everything that can be wrong with a manifest that is well-formed TOML.

All checks work on the document as it was read and run even where another one complains, so that
a user sees everything at once.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from runner.experiment import EXPERIMENT, Parameters
from runner.manifest.extent import Matrices, arms_of, check_planned, matrix_layers, read_matrices
from runner.manifest.follow_ups import check_steps
from runner.manifest.manifest_errors import (
    MOST_COLLECTED,
    Mistake,
    UnplacedMistake,
    unplaced_mistakes,
)
from runner.manifest.matrix import Combination, Matrix, expand
from runner.manifest.matrix_checks import matrix_problems, name_problems
from runner.manifest.overrides import SECTIONS, merged_sections, table
from runner.manifest.phase_tests import check_tests
from runner.manifest.source import Source
from runner.manifest.toml.keys import KeyPath

MOST_NAMED = 3
"""Arms that a mistake names when it is about many."""
MOST_WORDED = 10 * MOST_COLLECTED
"""Errors in the parameters of arms, of which many are the same, that are put into words."""

PlaceOf = Callable[[KeyPath], KeyPath | None]
"""Where in the file a layer has a merged key, if it can have it."""


def check(source: Source, manifest: type[BaseModel]) -> list[Mistake]:
    """What is wrong: with the file as a ``manifest``, and with the parameters of its arms.

    No more than ``MOST_COLLECTED``. Where the profiles make too many arms, that alone is said.
    ``check_extent`` must have found nothing.
    """
    matrices = read_matrices(source)
    if too_much := list(check_planned(source, matrices)):
        return too_much
    refused = (source.at(path, problem) for path, problem in source.refused.items())
    wrong = itertools.chain(
        check_structure(source, manifest),
        check_names(source),
        check_steps(source),
        check_tests(source),
        check_matrices(source, matrices),
        check_arms(source, manifest, matrices),
    )
    others = (one for one in _once(wrong) if one.path not in source.refused)
    return list(itertools.islice(itertools.chain(refused, others), MOST_COLLECTED))


def _once(mistakes: Iterable[Mistake]) -> Iterator[Mistake]:
    said: set[Mistake] = set()
    for mistake in mistakes:
        if mistake not in said:
            said.add(mistake)
            yield mistake


def check_structure(source: Source, model: type[BaseModel]) -> list[Mistake]:
    """Tables and keys of the file, apart from the parts that are checked once merged."""
    return [
        source.at(unplaced.paths[0], unplaced.problem) for unplaced in _unplaced(model, source.json)
    ]


def check_names(source: Source) -> Iterator[Mistake]:
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
    for index, arm in enumerate(arms_of(source)):
        name = arm.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line = source.at(("arms", first[name], "name"), "").line
            problem = (
                f"got {name!r}, the name of the arm on line {line} already; rename one of them"
            )
            yield source.at(("arms", index, "name"), problem)


def check_matrices(source: Source, matrices: Matrices) -> Iterator[Mistake]:
    """The matrix of the phase, and as each profile changes it."""
    arms = arms_of(source)
    for profile, matrix in matrices.items():
        if matrix is not None:
            place = matrix_layers(source, profile)[-1][0]
            problems = list(itertools.islice(matrix_problems(matrix, place, arms), MOST_COLLECTED))
            for path, problem in problems or name_problems(expand(arms, matrix)):
                yield source.at(path, problem)


def check_arms(source: Source, manifest: type[BaseModel], matrices: Matrices) -> list[Mistake]:
    """The parameters of every arm, as it is and with each profile.

    What is wrong in several arms or profiles for the same reason is said once. Where very much is
    wrong, the arms that are left are not looked at.
    """
    cases = [case for profile in matrices for case in _cases(source, profile, matrices[profile])]
    wrong: dict[Mistake, list[_Case]] = {}
    told: dict[str, list[UnplacedMistake]] = {}
    found = 0
    for looked_at, case in enumerate(cases, 1):
        for mistake in _check_case(source, case, manifest, told):
            hit = wrong.setdefault(mistake, [])
            hit += [] if case in hit[-1:] else [case]
            found += 1
        if found > MOST_WORDED or len(wrong) > MOST_COLLECTED:
            del cases[looked_at:]
            break
    standing = _Standing(cases)
    return [
        _in_context(mistake, hit, standing)
        for mistake, hit in itertools.islice(wrong.items(), MOST_COLLECTED)
    ]


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
            own = {name: self.own.get(name) for name in SECTIONS}
            layers.append((_below("arms", self.index), own))
        if self.combination is not None:
            layers.append((self.combination.place_of, self.combination.layer))
        return layers


def _cases(source: Source, profile: str | None, matrix: Matrix | None) -> list[_Case]:
    arms = arms_of(source)
    expanded = expand(arms, matrix)
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
    source: Source, case: _Case, manifest: type[BaseModel], told: dict[str, list[UnplacedMistake]]
) -> Iterator[Mistake]:
    """What is wrong with one arm; ``told`` remembers it by the parameters, as seeds share them."""
    layers = case.layers(source.document)
    merged = json.dumps(merged_sections([layer for _, layer in layers]))
    if merged not in told:
        told[merged] = _unplaced(EXPERIMENT.parameters.table, merged)
    places = [place for place, _ in reversed(layers)]
    for unplaced in told[merged]:
        located = (_locate(source, places, path) for path in unplaced.paths)
        path = next((path for path in located if path), None)
        yield source.at(path or places[0](unplaced.paths[0]) or unplaced.paths[0], unplaced.problem)
    if case.combination is not None:
        yield from _check_own(source, case.combination, manifest, told)


def _check_own(
    source: Source,
    made: Combination,
    manifest: type[BaseModel],
    told: dict[str, list[UnplacedMistake]],
) -> Iterator[Mistake]:
    """Seed and bounds of a combination, which are no parameters."""
    arm = get_args(manifest.model_fields["arms"].annotation)[0]
    own = {name: value for name, value in made.layer.items() if name not in SECTIONS}
    document = json.dumps({"name": "x", **own})
    if document not in told:
        told[document] = _unplaced(arm, document)
    for unplaced in told[document]:
        path = unplaced.paths[0]
        yield source.at(made.place_of(path) or made.place, unplaced.problem)


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


class _Standing:
    """Which arms a key is for, by the place where it stands."""

    def __init__(self, cases: list[_Case]) -> None:
        self._all = {case.name for case in cases}
        self._by_arm: dict[int | None, set[str]] = {}
        self._by_choice: dict[KeyPath, set[str]] = {}
        for case in cases:
            self._by_arm.setdefault(case.index, set()).add(case.name)
            for choice in case.combination.choices if case.combination else ():
                self._by_choice.setdefault(choice.place, set()).add(case.name)

    def number(self, place: KeyPath) -> int:
        """Number of the arms that the key at ``place`` is for."""
        if place[0] == "arms":
            index = place[1] if len(place) > 1 and isinstance(place[1], int) else None
            return len(self._by_arm.get(index, ()))
        if "matrix" in (place[0], *place[2:3]):
            above = (self._by_choice.get(place[:n], ()) for n in range(len(place), 0, -1))
            return len(next((names for names in above if names), ()))
        return len(self._all)


def _in_context(mistake: Mistake, wrong: list[_Case], standing: _Standing) -> Mistake:
    """Say in which arms and profiles it is wrong, unless that is plain from its place."""
    arms = list(dict.fromkeys(case.name for case in wrong))
    profiles = dict.fromkeys(case.profile for case in wrong)
    context = []
    if len(arms) < standing.number(mistake.path):
        context += [f"arm {name!r}" for name in arms[:MOST_NAMED]]
        context += [f"{len(arms) - MOST_NAMED:,} more"] if len(arms) > MOST_NAMED else []
    if mistake.path[0] != "profiles" and None not in profiles:
        context += [f"profile {name!r}" for name in profiles]
    suffix = f" (with {', '.join(context)})" if context else ""
    return replace(mistake, problem=mistake.problem + suffix)


def _below(*place: str | int) -> PlaceOf:
    """The place of keys of the table at ``place``."""
    return lambda path: (*place, *path)


def _unplaced(model: type[BaseModel], document: str) -> list[UnplacedMistake]:
    try:
        found = model.model_validate_json(document)
    except ValidationError as error:
        return list(itertools.islice(unplaced_mistakes(error, model), MOST_COLLECTED))
    if not isinstance(found, Parameters):
        return []
    return [
        UnplacedMistake(paths=tuple(tuple(key.split(".")) for key in keys), problem=problem)
        for keys, problem in EXPERIMENT.parameters.refusals(found)
    ]
