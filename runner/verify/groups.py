"""Which arms form groups, which groups are compared, and which knobs a matrix varies. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

from runner.core.digest import canonical_json
from runner.experiment.common import (
    Knob,
    Summary,
    SummaryArm,
    SummaryFactor,
    SummaryGroup,
    SummaryPair,
)
from runner.hub.records.arm import ArmRecord
from runner.verify.parameter_differences import (
    Flat,
    between,
    computed,
    differing,
    drawn_with_seed,
    means_nothing,
    without_draws,
)
from runner.verify.sealed_hub import NamedHub

MOST_FOR_ALL_PAIRS = 6
"""Groups of which every pair is compared; of more, only pairs that differ in one knob."""
MOST_PAIRS = 300


@dataclass(frozen=True, kw_only=True)
class ArmGroup:
    """Arms of one hub whose plans differ in nothing but the seed; ``place`` is the hub's.

    And in the data that are drawn again with each seed: an object and a noise of its own make no
    other treatment of an arm, but a replicate that is independent in the data too.
    """

    place: int
    name: str
    arms: tuple[ArmRecord, ...]
    drawn: frozenset[str] = frozenset()
    """The knobs of the dataset that change with the seed."""

    @property
    def plan(self) -> Mapping[str, Any]:
        """The parameters of its first arm, which are those of all but for what is drawn."""
        return self.arms[0].parameters

    @property
    def knobs(self) -> Mapping[str, Any]:
        """The parameters that its arms have in common; what is drawn again says so."""
        return without_draws(self.plan, self.drawn)

    @property
    def counts(self) -> bool:
        """Whether any arm ran as planned."""
        return any(arm.status == "succeeded" for arm in self.arms)


def summary_of(sources: Sequence[NamedHub], *, own: bool) -> Summary:
    """What the job at the end of a phase is given.

    With ``own`` the first source is the phase's own hub: comparisons that do not involve it, and
    the matrices of others, are left to the hubs that they belong to.
    """
    groups = [group for place, source in enumerate(sources) for group in grouped(place, source)]
    values = differing([group.knobs for group in groups])
    pairs, notes = pairs_of(groups, values, own=own)
    return Summary(
        groups=tuple(
            _described(group, flat, sources, bare=len(sources) == 1 or (own and not group.place))
            for group, flat in zip(groups, values, strict=True)
        ),
        pairs=pairs,
        factors=tuple(factors_of(groups, values, sources[:1] if own else sources)),
        notes=notes,
    )


def grouped(place: int, source: NamedHub) -> list[ArmGroup]:
    """The groups of one hub, in the order of their first arms."""
    arms = source.record.arms
    drawn = drawn_with_seed([(arm.seed, arm.parameters) for arm in arms])
    by_plan: dict[bytes, list[ArmRecord]] = {}
    for arm in arms:
        by_plan.setdefault(computed(without_draws(arm.parameters, drawn)), []).append(arm)
    names = _unique([name_of(arms) for arms in by_plan.values()])
    return [
        ArmGroup(place=place, name=name, arms=tuple(members), drawn=drawn)
        for name, members in zip(names, by_plan.values(), strict=True)
    ]


def name_of(arms: Sequence[ArmRecord]) -> str:
    """What a group is called: the name that its arms share once their seeds are taken out."""
    if len(arms) == 1:
        return arms[0].name
    bare = {_without_seed(arm) for arm in arms}
    return (bare.pop() if len(bare) == 1 else _beginning(bare)).strip("-_") or arms[0].name


def _without_seed(arm: ArmRecord) -> str:
    """The name without the part that spells the seed, as a matrix does: ``-s20260128``."""
    return re.sub(rf"(^|[-_])s(eed)?[-_]?{arm.seed}(?=[-_]|$)", "", arm.name)


def _beginning(names: Collection[str]) -> str:
    """The words that all names begin with."""
    words = zip(*(re.split(r"(?<=[-_])", name) for name in sorted(names)), strict=False)
    return "".join(same[0] for same in takewhile(lambda same: len(set(same)) == 1, words))


def _unique(names: Sequence[str]) -> list[str]:
    """Names that differ by a number where two are the same."""
    distinct = []
    for place, name in enumerate(names):
        number = names[:place].count(name)
        distinct.append(f"{name} ({number + 1})" if number else name)
    return distinct


def _described(
    group: ArmGroup, values: Flat, sources: Sequence[NamedHub], *, bare: bool
) -> SummaryGroup:
    source = sources[group.place]
    phases = [each.record.phase for each in sources]
    hub = source.record.phase if phases.count(source.record.phase) == 1 else source.name
    return SummaryGroup(
        name=group.name,
        label=group.name if bare else f"{hub} · {group.name}",
        phase=source.record.phase,
        hub=source.name,
        knobs=values,
        arms=tuple(
            SummaryArm(
                key=f"{group.place}/{arm.name}", name=arm.name, seed=arm.seed, status=arm.status
            )
            for arm in group.arms
        ),
    )


# --- pairs ---------------------------------------------------------------------------------------


def pairs_of(
    groups: Sequence[ArmGroup], values: Sequence[Flat], *, own: bool
) -> tuple[tuple[SummaryPair, ...], tuple[str, ...]]:
    """The comparisons, controlled ones first, and what a reader must know of their choice.

    Groups with one and the same plan are not compared: what they have in common of seeds is one
    computation made twice.
    """
    counting = [place for place, group in enumerate(groups) if group.counts]
    every = len(counting) <= MOST_FOR_ALL_PAIRS
    found = [
        pair
        for pair in _pairs(counting, groups, values, only_controlled=not every)
        if pair.knobs
        and (every or len(pair.knobs) == 1)
        and not (own and groups[pair.groups[0]].place)
    ]
    found.sort(key=lambda pair: len(pair.knobs) != 1)
    notes = []
    if not every:
        notes.append(
            f"Of {len(counting)} groups, only those that differ in one knob are compared with each "
            "other"
        )
    if len(found) > MOST_PAIRS:
        notes.append(f"Only the first {MOST_PAIRS} of {len(found)} comparisons were made")
    return tuple(found[:MOST_PAIRS]), tuple(notes)


def _pairs(
    places: Sequence[int],
    groups: Sequence[ArmGroup],
    values: Sequence[Flat],
    *,
    only_controlled: bool,
) -> Iterator[SummaryPair]:
    for a, b in combinations(places, 2):
        if only_controlled and _differ_in_many(values[a], values[b]):
            continue
        knobs = between(groups[a].plan, groups[b].plan, values[a], values[b])
        yield SummaryPair(groups=(a, b), knobs=knobs)


def _differ_in_many(a: Flat, b: Flat) -> bool:
    """Whether two groups both have more than one knob that is not the same; cheap to tell."""
    both = (a[name] is not None and b[name] is not None and a[name] != b[name] for name in a)
    return sum(both) > 1


# --- factors -------------------------------------------------------------------------------------


def factors_of(
    groups: Sequence[ArmGroup], values: Sequence[Flat], sources: Sequence[NamedHub]
) -> Iterator[SummaryFactor]:
    """The knobs of each hub whose values meet at least two settings of its other knobs."""
    for place, source in enumerate(sources):
        own = [number for number, group in enumerate(groups) if group.place == place]
        knobs = _varied(own, groups, values)
        for knob in knobs:
            others = [other for other in knobs if other != knob]
            chosen = _distinct([values[number][knob] for number in own])
            strata = _strata(own, values, knob, others, chosen)
            if len(strata) > 1:
                yield SummaryFactor(
                    knob=knob,
                    phase=source.record.phase,
                    hub=source.name,
                    values=tuple(chosen),
                    others=tuple(others),
                    strata=tuple(strata),
                )


def _varied(own: Sequence[int], groups: Sequence[ArmGroup], values: Sequence[Flat]) -> list[str]:
    """The knobs that differ between the groups of a hub and do not follow from another one."""
    names = values[own[0]] if own else {}
    return [
        name
        for name in names
        if len(_distinct([values[number][name] for number in own])) > 1
        and not _follows_somewhere(own, groups, values, name)
    ]


def _follows_somewhere(
    own: Sequence[int], groups: Sequence[ArmGroup], values: Sequence[Flat], name: str
) -> bool:
    given = next(value for number in own if (value := values[number][name]) is not None)
    return any(
        values[number][name] is None and means_nothing(groups[number].plan, name, given)
        for number in own
    )


def _strata(
    own: Sequence[int],
    values: Sequence[Flat],
    knob: str,
    others: Sequence[str],
    chosen: Sequence[Knob],
) -> list[tuple[int, ...]]:
    """For each setting of the others one group per value; settings that lack one are left out."""
    cells: dict[bytes, dict[bytes, int]] = {}
    for number in own:
        setting = canonical_json([values[number][other] for other in others])
        cell = cells.setdefault(setting, {})
        if canonical_json(values[number][knob]) in cell:
            return []  # what else differs has no name of its own: no effect is the knob's alone
        cell[canonical_json(values[number][knob])] = number
    spelled = [canonical_json(value) for value in chosen]
    return [
        tuple(cell[value] for value in spelled)
        for cell in cells.values()
        if len(cell) == len(spelled)
    ]


def _distinct(values: Sequence[Knob]) -> list[Knob]:
    """Values in the order in which they first appear; ``True`` and 1 are two."""
    return list({canonical_json(value): value for value in values}.values())
