"""Everything that can be wrong with a manifest that is well-formed TOML.

All checks work on the document as it was read and run even where another one complains, so that
a user sees everything at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError

from models.config import Parameters
from runner.complaints import Complaint, findings
from runner.manifest_steps import check_steps
from runner.overrides import SECTIONS, merged_sections, table
from runner.toml_keys import KeyPath
from runner.toml_source import Source


def check(source: Source, manifest: type[BaseModel]) -> list[Complaint]:
    """All that is wrong: with the file as a ``manifest``, and with the parameters of its arms."""
    wrong = [
        *check_structure(source, manifest),
        *check_names(source),
        *check_arms(source),
        *check_steps(source),
    ]
    return [
        *(source.at(path, problem) for path, problem in source.refused.items()),
        *(complaint for complaint in wrong if complaint.path not in source.refused),
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
    first: dict[object, int] = {}
    for index, arm in _arms(source):
        name = arm.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line = source.at(("arms", first[name], "name"), "").line
            problem = (
                f"got {name!r}, the name of the arm on line {line} already; rename one of them"
            )
            yield source.at(("arms", index, "name"), problem)


def check_arms(source: Source) -> list[Complaint]:
    """The parameters of every arm, as it is and with each profile.

    What is wrong in several arms or profiles for the same reason is said once.
    """
    arms: list[tuple[int | None, Mapping[str, Any]]] = [*_arms(source)] or [(None, {})]
    cases: dict[Complaint, list[_Case]] = {}
    for index, arm in arms:
        for profile in (None, *table(source.document, "profiles")):
            case = _Case(index=index, arm=arm, profile=profile)
            for complaint in _check_case(source, case):
                cases.setdefault(complaint, []).append(case)
    return [_in_context(complaint, hit, len(arms)) for complaint, hit in cases.items()]


@dataclass(frozen=True, kw_only=True)
class _Case:
    """An arm, perhaps with a profile; no arm at all where the file has none."""

    index: int | None
    arm: Mapping[str, Any]
    profile: str | None

    def layers(self, document: Mapping[str, Any]) -> list[tuple[KeyPath, Mapping[str, Any]]]:
        """The tables that are merged, each with its place in the file; the strongest last."""
        layers: list[tuple[KeyPath, Mapping[str, Any]]] = [((), document)]
        if self.profile is not None:
            profiles = table(document, "profiles")
            layers.append((("profiles", self.profile), table(profiles, self.profile)))
        if self.index is not None:
            own = {name: self.arm.get(name) for name in SECTIONS if name != "dataset"}
            layers.append((("arms", self.index), own))
        return layers


def _check_case(source: Source, case: _Case) -> Iterator[Complaint]:
    layers = case.layers(source.document)
    merged = json.dumps(merged_sections([layer for _, layer in layers]))
    places = [place for place, _ in reversed(layers)]
    for error in _errors(Parameters, merged):
        for finding in findings(error, Parameters):
            located = (_locate(source, places, path) for path in finding.paths)
            path = next((path for path in located if path), (*places[0], *finding.paths[0]))
            yield source.at(path, finding.problem)


def _locate(source: Source, places: list[KeyPath], path: KeyPath) -> KeyPath | None:
    """Where the merged key ``path`` comes from: the strongest layer that has it."""
    for place in places:
        if (*place, *path) in source.lines:
            return (*place, *path)
        if any((*place, *path[:n], "kind") in source.lines for n in range(2, len(path))):
            return None
    return None


def _in_context(complaint: Complaint, cases: list[_Case], num_arms: int) -> Complaint:
    """Say in which arms and profiles it is wrong, unless that is plain from its place."""
    layer = complaint.path[0]
    arms = {case.index: case.arm.get("name") for case in cases}
    profiles = dict.fromkeys(case.profile for case in cases)
    context = []
    if layer != "arms" and len(arms) < num_arms:
        context += [f"arm {name!r}" for name in arms.values()]
    if layer != "profiles" and None not in profiles:
        context += [f"profile {name!r}" for name in profiles]
    suffix = f" (with {', '.join(context)})" if context else ""
    return replace(complaint, problem=complaint.problem + suffix)


def _arms(source: Source) -> Iterator[tuple[int, Mapping[str, Any]]]:
    arms = source.document.get("arms")
    for index, arm in enumerate(arms if isinstance(arms, list) else ()):
        if isinstance(arm, dict):
            yield index, arm


def _errors(model: type[BaseModel], document: str) -> list[ValidationError]:
    try:
        model.model_validate_json(document)
    except ValidationError as error:
        return [error]
    return []
