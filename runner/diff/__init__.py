"""Two hubs explained: plan, environment, artifacts, metrics, in that order.

The order is that of causes. What is said of a cause is that a difference *may follow from* it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runner import hub
from runner.checksums import CHECKSUMS
from runner.circumstances import Facts, bare, circumstances, differing, planned
from runner.consistency import inconsistencies
from runner.diff.artifacts import compare_artifacts
from runner.diff.metrics import compare_metrics
from runner.diff.plans import compare_plans
from runner.diff.table import Difference, EnvironmentDifference, FactChange, Pair, Side
from runner.diff.text import headline, render
from runner.digest import sha256_file
from runner.errors import VerificationError
from runner.reading import parse_json
from runner.record import HubRecord

__all__ = ["Difference", "diff", "render"]

SOURCE = "code.models_sha256"


def diff(before: Path, after: Path) -> Difference:
    """What differs between two hubs, whose files are first compared with their checksums.

    Raises ``VerificationError``, naming the hub, for one that is none or not as it was sealed.
    """
    folders = (before, after)
    records = (_opened(before), _opened(after))
    facts = (circumstances(before, records[0]), circumstances(after, records[1]))
    places = compare_places(facts, records)
    source = next((fact for fact in differing(*facts) if fact.name == SOURCE), None)
    plan = compare_plans(
        (_plan(before), _plan(after)),
        records,
        Pair(before=source.before, after=source.after) if source else None,
    )
    artifacts = compare_artifacts(records, plan, places)
    found = Difference(
        before=_side(before, records[0]),
        after=_side(after, records[1]),
        headline="",
        identical=not (artifacts.num_differing or artifacts.given.differing),
        notes=tuple(_notes(folders, records)),
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
    told, set_by_plan = [], []
    for fact in differing(*facts):
        if planned(fact, *records):
            set_by_plan.append(fact.name)
        elif fact.name != SOURCE:
            told.append(FactChange(**vars(fact), told=str(fact)))
    return EnvironmentDifference(
        facts=tuple(told),
        set_by_plan=tuple(set_by_plan),
        num_compared=len(bare(facts[0]) & bare(facts[1])),
    )


def _opened(folder: Path) -> HubRecord:
    found = hub.verify(folder)
    if not found.intact:
        raise VerificationError(found.describe())
    return hub.read(folder)


def _plan(folder: Path) -> dict[str, Any]:
    """The plan as it stands there, of whichever version of phasehub."""
    try:
        plan = parse_json((folder / hub.PLAN).read_bytes())
        if isinstance(plan, dict) and {"dataset", "arms"} <= plan.keys():
            return plan
    except (OSError, ValueError):
        pass
    raise VerificationError(
        f"{folder / hub.PLAN} holds no plan; take the hub from its archive, or run the phase again"
    )


def _side(folder: Path, record: HubRecord) -> Side:
    resolved = folder.resolve()
    return Side(
        name=f"{resolved.parent.name}/{resolved.name}",
        phase=record.phase,
        profile=record.profile,
        checksums_sha256=sha256_file(folder / CHECKSUMS),
    )


def _notes(folders: tuple[Path, Path], records: tuple[HubRecord, HubRecord]) -> Iterator[str]:
    if records[0].phase != records[1].phase:
        yield (
            f"the hubs are of different phases, {records[0].phase} and {records[1].phase}; arms "
            "are compared where their names are the same, `phasehub compare` takes all"
        )
    for folder in folders:
        if problems := inconsistencies(folder):
            yield (
                f"{folder} contradicts itself, although its checksums hold: {problems[0]}"
                f"{f' and {len(problems) - 1} more' if problems[1:] else ''}; trust none of its "
                "numbers, `phasehub verify` tells all"
            )
