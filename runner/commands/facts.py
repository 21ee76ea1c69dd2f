"""What ``--json`` prints of a manifest, a plan and hubs: tables for machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.arms import Variant
from runner.manifest.model import LoadedManifest
from runner.plan.model import Plan, digest
from runner.verify.statistics import Statistics

Table = dict[str, Any]


def of_manifest(path: Path, loaded: LoadedManifest, variant: Variant) -> Table:
    """What ``check`` says of a manifest without mistakes, and of the variant that was meant."""
    return {
        "manifest": str(path),
        "sha256": loaded.sha256,
        "phase": loaded.manifest.phase.name,
        "arms": [arm.name for arm in variant.arms],
        "notes": list(loaded.remarks()),
    }


def of_plan(plan: Plan, registered: Iterable[RegisteredFinding]) -> Table:
    """The plan as a hub has it, its digest, and the findings that are registered for it."""
    return {
        "sha256": digest(plan),
        "plan": plan.model_dump(mode="json"),
        "registered": [one.model_dump(mode="json") for one in registered],
    }


def of_hubs(hubs: Sequence[Path]) -> list[Table]:
    """A table for each hub; one that cannot be read has the reason and no more."""
    return [_of_hub(hub) for hub in hubs]


def _of_hub(hub: Path) -> Table:
    try:
        record = layout.read(hub)
    except VerificationError as error:
        return {"hub": str(hub), "problem": str(error)}
    judged = [arm for arm in record.arms if arm.rules]
    return {
        "hub": str(hub),
        "phase": record.phase,
        "profile": record.profile,
        "set_knobs": record.set_knobs,
        "title": record.title,
        "started": record.started,
        "ended": record.ended,
        "interrupted": record.interrupted,
        "arms": len(record.arms),
        "succeeded": sum(arm.status == "succeeded" for arm in record.arms),
        "judged": len(judged),
        "rules_hold": sum(arm.met_all_rules for arm in judged),
        "reached": [arm.name for arm in record.arms if arm.fate.reached],
    }


def of_hub(record: HubRecord, statistics: Statistics | None) -> Table:
    """The record of a hub, and its statistics where there are some."""
    return {
        "record": record.model_dump(mode="json"),
        "statistics": None if statistics is None else statistics.model_dump(mode="json"),
    }


def of_reproduction(hub: Path) -> Table:
    """The folder of a reproduction, and what it found."""
    found = layout.read(hub).reproduction
    return {
        "hub": str(hub),
        "reproduction": None if found is None else found.model_dump(mode="json"),
    }
