"""Two plans: the knobs that differ, each said once for all arms that it differs for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.compare.diff.table import DATASET, Change, KnobChange, PlanDifference
from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.hub.leaves import differing_knobs, leaves
from runner.hub.record import HubRecord
from runner.manifest.dataset_names import MANY, key_of
from runner.verify.parameter_differences import differing

PlanTable = Mapping[str, Any]
"""The content of a ``plan.json``."""
SAID_BY_EXECUTION = ("threads", "determinism", "gpus")
"""Bounds that decide where an arm runs, and stand in the plan a second time as what was decided."""
RECORDING = EXPERIMENT.parameters.recording


def compare_plans(
    plans: tuple[PlanTable, PlanTable], records: tuple[HubRecord, HubRecord], source: Change | None
) -> PlanDifference:
    """What two hubs declare otherwise; ``source`` is that of the arms, where it differs."""
    alone = all(DATASET in plan for plan in plans)
    jobs = [_jobs(plan, alone=alone) for plan in plans]
    before, after = (set(side) - {DATASET} for side in jobs)
    common = [name for name in jobs[0] if name in jobs[1]]
    found: dict[bytes, KnobChange] = {}
    for name in common:
        for change in _knobs(name, jobs[0][name], jobs[1][name]):
            key = canonical_json([change.knob, change.before, change.after])
            of = (*found[key].of, name) if key in found else (name,)
            found[key] = change.model_copy(update={"of": of})
    return PlanDifference(
        knobs=(*_whole(plans, records), *sorted(found.values(), key=_breadth)),
        only_before=tuple(sorted(before - after)),
        only_after=tuple(sorted(after - before)),
        common=tuple(name for name in common if name != DATASET),
        source=source,
        commit=change_of(*(record.code.commit for record in records)),
    )


def change_of(before: Any, after: Any) -> Change | None:  # noqa: ANN401  any JSON value
    """Both values, or nothing where they are the same."""
    return None if before == after else Change(before=before, after=after)


def _jobs(plan: PlanTable, *, alone: bool) -> dict[str, dict[str, Any]]:
    """What decides about each arm, and about the simulation, as tables of knobs.

    Where there is one simulation on both sides (``alone``) it comes first, and what it is given of
    the dataset is not said again of each arm. Otherwise it is said of each arm what its own
    simulation was given, the seed included.
    """
    if not alone:
        simulations = plan.get(MANY) or [plan[DATASET]]
        seeds = {key_of(job["parameters"]): job["seed"] for job in simulations}
        return {arm["name"]: _with_data(arm, seeds) for arm in plan["arms"]}
    jobs = {DATASET: _job(plan[DATASET])}
    for arm in plan["arms"]:
        table = _job(arm)
        table.pop("dataset", None)
        jobs[arm["name"]] = table
    return jobs


def _with_data(arm: Mapping[str, Any], seeds: Mapping[bytes, Any]) -> dict[str, Any]:
    table = _job(arm)
    seed = {"seed": seeds.get(key_of(arm["parameters"]))}
    return {**table, "dataset": {**table.get("dataset", {}), **seed}}


def _job(job: Mapping[str, Any]) -> dict[str, Any]:
    bounds = {
        name: value
        for name, value in job.get("resources", {}).items()
        if name not in SAID_BY_EXECUTION
    }
    decided = {name: job[name] for name in ("seed", "execution") if name in job}
    return {**job["parameters"], **decided, "resources": bounds}


def _knobs(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[KnobChange]:
    old, new = differing([before, after])
    for knob in old:
        yield KnobChange(knob=knob, before=old[knob], after=new[knob], of=(name,))
    recorded = [
        {RECORDING: side[RECORDING]} if RECORDING in side else {} for side in (before, after)
    ]
    flat = [dict(leaves(side)) for side in recorded]
    for knob in differing_knobs(recorded):
        yield KnobChange(knob=knob, before=flat[0].get(knob), after=flat[1].get(knob), of=(name,))


def _breadth(change: KnobChange) -> tuple[bool, int, str]:
    """The knobs of the dataset first, of the others those that differ for most arms."""
    return (DATASET not in change.of, -len(change.of), change.knob)


def _whole(
    plans: tuple[PlanTable, PlanTable], records: tuple[HubRecord, HubRecord]
) -> Iterator[KnobChange]:
    """What the phase as a whole declares, and the hubs that were found to compare it with."""
    sides = [_phase(plan, record) for plan, record in zip(plans, records, strict=True)]
    for knob, before in sides[0].items():
        if before != sides[1][knob]:
            yield KnobChange(knob=knob, before=before, after=sides[1][knob])


def _phase(plan: PlanTable, record: HubRecord) -> dict[str, Any]:
    tests = plan.get("tests") or {"parameters": {}}
    return {
        "phase": plan.get("phase"),
        "profile": plan.get("profile"),
        "set over the manifest": plan.get("set_knobs", {}),
        "tests.select": tests["parameters"].get("select"),
        "steps": plan.get("steps", []),
        "compared": [f"{one.name} {one.checksums_sha256[:12]}" for one in record.compared],
    }
