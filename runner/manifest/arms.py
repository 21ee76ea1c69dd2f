"""The arms that a phase and its profiles plan: phase, profile, arm and matrix over one another.

One pass reads them and finds what is wrong, so that the values which were checked are the values
that are planned. It works on the document as it was read, to know the place of every key.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from runner.experiment import EXPERIMENT, Parameters
from runner.manifest.manifest_errors import MOST_COLLECTED, Mistake
from runner.manifest.matrix import Combination, Expanded
from runner.manifest.overrides import SECTIONS, merged, merged_sections, table
from runner.manifest.set_knobs import OPTION
from runner.manifest.source import TomlSource
from runner.manifest.tables import Arm, Manifest, Resources
from runner.manifest.toml.keys import KeyPath
from runner.manifest.validation import Reading, read_as, spelled_out

MOST_NAMED = 3
"""Arms that a mistake names when it is about many."""
MOST_WORDED = 10 * MOST_COLLECTED
"""Errors in the parameters of arms, of which many are the same, that are put into words."""

PlaceOf = Callable[[KeyPath], KeyPath | None]
"""Where in the file a layer has a merged key, if it can have it."""
NO_ARM = Expanded(table={"name": ""}, base=None)
"""Where a phase makes no arm, so that its parameters are checked all the same."""
Expansions: TypeAlias = Mapping[str | None, Sequence[Expanded]]
"""Profile → the arms that its matrix and its tables make."""


@dataclass(frozen=True, kw_only=True)
class PlannedArm:
    """An arm with all that phase, profile, its own table and the matrix give it."""

    name: str
    declared: Arm | None
    """Its table of ``[[arms]]``; ``None`` where the matrix stands alone."""
    seed: int
    resources: Resources
    parameters: Parameters
    """Defaults spelled out."""

    @property
    def optional(self) -> bool:
        """Whether it runs only if it is asked for."""
        return self.declared is not None and self.declared.optional

    @property
    def command(self) -> tuple[str, ...] | None:
        """Its command in place of the standard one."""
        return self.declared.command if self.declared else None

    @property
    def title(self) -> str:
        """What it is in one line; empty if nothing is said."""
        return self.declared.title if self.declared else ""

    @property
    def description(self) -> str:
        """Why it is there; empty if nothing is said."""
        return self.declared.description if self.declared else ""


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The phase as it is written, or as a profile changes it."""

    arms: tuple[PlannedArm, ...]
    resources: Resources
    """Bounds of the jobs that are no arms."""
    set_knobs: Mapping[str, Any] = field(default_factory=dict)
    """What the command line has set over it; dotted name → value."""


def read_variants(
    source: TomlSource, manifest: Manifest | None, expanded: Expansions
) -> tuple[list[Mistake], dict[str | None, Variant]]:
    """What is wrong with the arms; and if nothing is, the phase and its profiles by name.

    What is wrong in several arms or profiles for the same reason is said once. Where very much is
    wrong, the arms that are left are not looked at. Without a ``manifest`` there are no values.
    """
    reader = _ArmReader(source, manifest)
    cases = [case for profile, each in expanded.items() for case in reader.cases(profile, each)]
    if (wrong := _mistakes(reader, cases)) or manifest is None:
        return wrong, {}
    arms: dict[str | None, list[PlannedArm]] = {profile: [] for profile in expanded}
    for case in cases:
        arms[case.profile] += reader.planned(case, manifest)
    return [], {
        profile: Variant(
            arms=tuple(planned),
            resources=reader.bounds(reader.layers(profile)),
            set_knobs=source.over.knobs if source.over.profile == profile else {},
        )
        for profile, planned in arms.items()
    }


def _mistakes(reader: _ArmReader, cases: list[_Case]) -> list[Mistake]:
    wrong: dict[Mistake, list[_Case]] = {}
    found = 0
    for looked_at, case in enumerate(cases, 1):
        for mistake in reader.mistakes(case):
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


_Layer: TypeAlias = tuple[PlaceOf, Mapping[str, Any]]
"""A table of which an arm's own is made, with the places of its keys."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """An arm, perhaps with a profile; or ``NO_ARM``, for the tables of a phase that makes none."""

    profile: str | None
    made: Expanded
    layers: tuple[_Layer, ...]
    """The strongest last."""

    @functools.cached_property
    def parameters(self) -> str:
        """The tables of its parameters, as JSON."""
        return json.dumps(merged_sections([layer for _, layer in self.layers]))


class _ArmReader:
    """Reads the arms of one file; arms that differ in nothing but the seed share their values."""

    def __init__(self, source: TomlSource, manifest: Manifest | None) -> None:
        self._source = source
        self._recorded = manifest.audit.layer if manifest else {}
        self._read = functools.cache(_parameters)
        self._read_own = functools.cache(functools.partial(read_as, Arm))
        self._bounds = functools.cache(Resources.model_validate_json)

    def cases(self, profile: str | None, expanded: Sequence[Expanded]) -> list[_Case]:
        """The arms of the phase as a profile changes it."""
        below, arms = self.layers(profile), self._source.tables("arms")
        return [
            _Case(profile=profile, made=each, layers=(*below, *_own_layers(each, arms)))
            for each in expanded or (NO_ARM,)
        ]

    def layers(self, profile: str | None) -> tuple[_Layer, ...]:
        """The tables below those of an arm."""
        document = self._source.document
        below: tuple[_Layer, ...] = ((lambda _: None, self._recorded), (_below(), document))
        if profile is not None:
            own = table(table(document, "profiles"), profile)
            below = (*below, (_below("profiles", profile), own))
        if profile == self._source.over.profile:
            below = (*below, (_below(OPTION), self._source.over.tables))
        return below

    def mistakes(self, case: _Case) -> Iterator[Mistake]:
        """What is wrong with one arm."""
        places = [place_of for place_of, _ in reversed(case.layers)]
        for unplaced in self._read(case.parameters).mistakes:
            located = [_locate(self._source, places, path) for path in unplaced.paths]
            was_set = (path for path in located if path and path[0] == OPTION)
            path = next(was_set, None) or next((path for path in located if path), None)
            path = path or places[0](unplaced.paths[0]) or unplaced.paths[0]
            if unplaced.of_key and isinstance(path[-1], int):
                path = path[:-1]  # the axis, once, and not each of its values
            yield self._source.at(path, unplaced.problem)
        yield from self._too_many_gpus(case)
        if made := case.made.combination:
            yield from self._own_mistakes(made)

    def _too_many_gpus(self, case: _Case) -> Iterator[Mistake]:
        """An arm of the standard command asks for more GPUs than that computes on."""
        if any("command" in layer for _, layer in case.layers):
            return
        for place_of, layer in reversed(case.layers):
            number = table(layer, "resources").get("gpus")
            if number is not None:
                if isinstance(number, int) and number > 1:
                    path = place_of(("resources", "gpus")) or ("resources", "gpus")
                    yield self._source.at(
                        path,
                        f"got {number}; the standard command computes on one GPU; write gpus = 1, "
                        "or give the arm its own `command`",
                    )
                return

    def _own_mistakes(self, made: Combination) -> Iterator[Mistake]:
        """What is wrong with seed and bounds of a combination, which are no parameters."""
        own = {name: value for name, value in made.layer.items() if name not in SECTIONS}
        for unplaced in self._read_own(json.dumps({"name": "x", **own})).mistakes:
            place = made.place_of(unplaced.paths[0]) or made.place
            yield self._source.at(place, unplaced.problem)

    def planned(self, case: _Case, manifest: Manifest) -> Iterator[PlannedArm]:
        """The arm of a case in which nothing is wrong."""
        made, parameters = case.made, self._read(case.parameters).value
        if made is not NO_ARM and parameters is not None:
            yield PlannedArm(
                name=made.name,
                declared=None if made.base is None else manifest.arms[made.base],
                seed=made.table.get("seed", manifest.phase.seed),
                resources=self.bounds(case.layers),
                parameters=parameters,
            )

    def bounds(self, layers: tuple[_Layer, ...]) -> Resources:
        """The bounds of a job; the strongest layer wins, key by key."""
        return self._bounds(json.dumps(merged(*(table(one, "resources") for _, one in layers))))


def _parameters(document: str) -> Reading[Parameters]:
    found = read_as(EXPERIMENT.parameters.table, document)
    return replace(found, value=found.value and spelled_out(found.value))


def _own_layers(each: Expanded, arms: list[dict[str, Any]]) -> Iterator[_Layer]:
    if each.base is not None:
        yield _below("arms", each.base), arms[each.base]
    if each.combination is not None:
        yield each.combination.place_of, each.combination.layer


def _below(*place: str | int) -> PlaceOf:
    """The place of keys of the table at ``place``."""
    return lambda path: (*place, *path)


def _locate(source: TomlSource, places: list[PlaceOf], path: KeyPath) -> KeyPath | None:
    """Where the merged key ``path`` comes from: the strongest layer that has it."""
    for place_of in places:
        place = place_of(path)
        if place is not None and source.has(place):
            return place
        kinds = (place_of((*path[:n], "kind")) for n in range(2, len(path)))
        if any(kind is not None and source.has(kind) for kind in kinds):
            return None
    return None


class _Standing:
    """Which arms a key is for, by the place where it stands."""

    def __init__(self, cases: list[_Case]) -> None:
        self._all = {case.made.name for case in cases}
        self._by_arm: dict[int | None, set[str]] = {}
        self._by_choice: dict[KeyPath, set[str]] = {}
        for case in cases:
            made = case.made
            self._by_arm.setdefault(made.base, set()).add(made.name)
            for choice in made.combination.choices if made.combination else ():
                self._by_choice.setdefault(choice.place, set()).add(made.name)

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
    arms = list(dict.fromkeys(case.made.name for case in wrong))
    profiles = dict.fromkeys(case.profile for case in wrong)
    context = []
    if len(arms) < standing.number(mistake.path):
        context += [f"arm {name!r}" for name in arms[:MOST_NAMED]]
        context += [f"{len(arms) - MOST_NAMED:,} more"] if len(arms) > MOST_NAMED else []
    if mistake.path[0] != "profiles" and None not in profiles:
        context += [f"profile {name!r}" for name in profiles]
    suffix = f" (with {', '.join(context)})" if context else ""
    return replace(mistake, problem=mistake.problem + suffix)
