"""Two hubs explained: plan, environment, artifacts, metrics, in that order.

The order is that of causes. What is said of a cause is that a difference *may follow from* it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner.compare.diff.artifacts import compare_artifacts
from runner.compare.diff.metrics import compare_metrics
from runner.compare.diff.plans import compare_plans
from runner.compare.diff.table import Change, EnvironmentDifference, HubDifference, SealedSide
from runner.compare.diff.text import headline, render
from runner.compare.environment_facts import Facts, bare, environment_facts, fact_changes, planned
from runner.hub.record import HubRecord
from runner.verify.consistency import inconsistencies
from runner.verify.sealed_hub import SealedHub

__all__ = ["HubDifference", "diff", "render"]

SOURCE = "code.models_sha256"


def diff(before: Path, after: Path) -> HubDifference:
    """What differs between two hubs, whose files are first compared with their checksums.

    Raises ``VerificationError``, naming the hub, for one that is none or not as it was sealed.
    """
    sides = (_opened(before), _opened(after))
    records = (sides[0].record, sides[1].record)
    facts = (environment_facts(before, records[0]), environment_facts(after, records[1]))
    places = compare_places(facts, records)
    source = next((fact for fact in fact_changes(*facts) if fact.name == SOURCE), None)
    plan = compare_plans(
        (_plan(sides[0]), _plan(sides[1])),
        records,
        Change(before=source.before, after=source.after) if source else None,
    )
    artifacts = compare_artifacts(records, plan, places)
    found = HubDifference(
        before=_side(sides[0]),
        after=_side(sides[1]),
        headline="",
        identical=not (artifacts.num_differing or artifacts.given.differing),
        notes=tuple(_notes(sides)),
        plan=plan,
        environment=places,
        artifacts=artifacts,
        metrics=compare_metrics(*records),
    )
    return found.model_copy(update={"headline": headline(found)})


def compare_places(
    facts: tuple[Facts, Facts], records: tuple[HubRecord, HubRecord]
) -> EnvironmentDifference:
    """How the places differ, without the source, which is part of the plan."""
    changed, set_by_plan = [], []
    for fact in fact_changes(*facts):
        if planned(fact, *records):
            set_by_plan.append(fact.name)
        elif fact.name != SOURCE:
            changed.append(fact)
    return EnvironmentDifference(
        facts=tuple(changed),
        set_by_plan=tuple(set_by_plan),
        num_compared=len(bare(facts[0]) & bare(facts[1])),
    )


def _opened(folder: Path) -> SealedHub:
    return SealedHub(folder=folder).require_intact()


def _plan(sealed: SealedHub) -> dict[str, Any]:
    return sealed.plan.model_dump(mode="json")


def _side(sealed: SealedHub) -> SealedSide:
    return SealedSide(
        name=sealed.name,
        phase=sealed.record.phase,
        profile=sealed.record.profile,
        checksums_sha256=sealed.sha256,
    )


def _notes(sides: tuple[SealedHub, SealedHub]) -> Iterator[str]:
    phases = [one.record.phase for one in sides]
    if phases[0] != phases[1]:
        yield (
            f"the hubs are of different phases, {phases[0]} and {phases[1]}; arms "
            "are compared where their names are the same, `phasehub compare` takes all"
        )
    for one in sides:
        if problems := inconsistencies(one):
            yield (
                f"{one.folder} contradicts itself, although its checksums hold: {problems[0]}"
                f"{f' and {len(problems) - 1} more' if problems[1:] else ''}; trust none of its "
                "numbers, `phasehub verify` tells all"
            )
