"""What arms left beside their record: results, ends, origins, and the verdict on the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.core.digest import canonical_json
from runner.core.errors import VerificationError
from runner.core.reading import parse_json, read_file
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.journal import resumptions
from runner.hub.metrics_table import metrics_rows
from runner.hub.records.arm import MEASURED, ArmRecord
from runner.manifest.rule_parser import parse
from runner.verify.content_key import WORDS, of_sealed
from runner.verify.effective import compare_effective, compare_history
from runner.verify.sealed_hub import SealedHub
from runner.verify.verdict import identical_arms, judge

FILES = EXPERIMENT.results.files


def check_results(sealed: SealedHub) -> Iterator[str]:
    """What the record says an arm measured is in the arm's files, and follows from them."""
    for arm in sealed.record.arms:
        if arm.status in MEASURED:
            yield from _compare_with_files(sealed, arm)
        elif arm.status == "not_finite":
            yield from _compare_with_end(sealed, arm)


def _compare_with_end(sealed: SealedHub, arm: ArmRecord) -> Iterator[str]:
    """An arm without scores that was ended on its way, against what its live objects showed."""
    if arm.stats or arm.rules:
        yield f"arm {arm.name} ended on its way, and {layout.RECORD} has scores of it"
    if not arm.files:
        return  # of a reproduction, which takes such an arm over as it is, without its files
    effective = sealed.table(f"{layout.arm_dir(arm.name)}/{FILES.effective}")
    why = EXPERIMENT.readback.stopped(arm.parameters, effective)
    differences = compare_effective(arm.parameters, arm.seed, arm.execution, effective)
    pairs = {
        "end": (arm.message.startswith(why) if why else False, True),
        "differences from the plan": (_dumped(arm.differences), _dumped(differences)),
        "final weights": (arm.final_weights_sha256, EXPERIMENT.readback.final_state(effective)),
    }
    yield from _unlike(arm, pairs)


def _compare_with_files(sealed: SealedHub, arm: ArmRecord) -> Iterator[str]:
    folder = layout.arm_dir(arm.name)
    effective = sealed.table(f"{folder}/{FILES.effective}")
    stats = sealed.table(f"{folder}/{FILES.stats}")
    timing = sealed.table(f"{folder}/{FILES.timing}")
    differences = (
        *compare_effective(arm.parameters, arm.seed, arm.execution, effective),
        *compare_history(effective, sealed.table(f"{folder}/{FILES.history}")),
    )
    rules = judge([parse(rule.rule) for rule in arm.rules], stats)
    weights = EXPERIMENT.readback.final_state(effective)
    own = EXPERIMENT.results.recorded(stats)
    pairs = {
        "stats": (arm.stats, stats),
        "timing": (arm.timing, timing),
        "checkpoint": (arm.resumed_from, timing.get(EXPERIMENT.progress.resumed)),
        EXPERIMENT.endpoint.noun: ({key: getattr(arm, key) for key in own}, own),
        "differences from the plan": (_dumped(arm.differences), _dumped(differences)),
        "rules": (_dumped(arm.rules), _dumped(rules)),
        "final weights": (arm.final_weights_sha256, weights),
    }
    yield from _unlike(arm, pairs)


def _unlike(arm: ArmRecord, pairs: Mapping[str, tuple[Any, Any]]) -> Iterator[str]:
    for name, (recorded, found) in pairs.items():
        if canonical_json(recorded) != canonical_json(found):
            yield f"arm {arm.name}: its {name} in {layout.RECORD} are not those of its files"


def check_ends(sealed: SealedHub) -> Iterator[str]:
    """What has ended an arm is what its outcome is called after."""
    for arm in sealed.record.arms:
        if arm.ended_by is not None and arm.ended_by not in ENDS.get(arm.status, ()):
            yield f"arm {arm.name} is called {arm.status}, and was ended by {arm.ended_by}"


ENDS: Mapping[str, tuple[str, ...]] = {
    "failed": ("itself", "signal"),
    "timed_out": ("time",),
    "out_of_memory": ("memory",),
    "out_of_disk": ("disk",),
    "could_not_start": ("hold",),
    "interrupted": (
        *("removal", "daemon", "supervisor", "stop"),
        *("cancellation", "preemption", "node", "requeue", "folder"),
    ),
}
"""How an arm ended → what may have ended it; no other one says what did."""


def check_reused(sealed: SealedHub) -> Iterator[str]:
    """An arm that was not run for this hub has all in common with it that decides its content."""
    for arm in sealed.record.arms:
        if arm.reused is None:
            continue
        try:
            own = of_sealed(sealed, arm)
        except VerificationError:  # ``check_plan`` says so
            continue
        for name in WORDS:
            if own[name] is None or own[name] != arm.reused.key.get(name):
                yield f"arm {arm.name} was reused, and {WORDS[name]} are not those of this hub"
        if arm.attempts or arm.status != "succeeded":
            yield f"arm {arm.name} was reused, and its record has a run of its own"


def check_resumed(sealed: SealedHub) -> Iterator[str]:
    """The run was gone on with when its journal says so; hubs of earlier versions do not tell."""
    moments = sealed.record.resumed
    if moments and moments != resumptions(sealed.folder):
        yield f"{layout.JOURNAL} has the run resumed at other times than {layout.RECORD}"


def check_whole(sealed: SealedHub) -> Iterator[str]:
    """What is said of all arms together follows from the arms."""
    record = sealed.record
    identical = identical_arms(
        {arm.name: arm.plan for arm in record.arms},
        {arm.name: arm.final_weights_sha256 for arm in record.arms},
    )
    if identical != record.identical_arms:
        yield f"{layout.RECORD} names other identical arms than the weights show"
    path = layout.metrics_name(record.stage, record.phase)
    try:
        rows = parse_json(read_file(sealed.folder, path))
    except ValueError:
        rows = None
    if canonical_json(_without_nulls(rows)) != canonical_json(_without_nulls(metrics_rows(record))):
        yield f"{path} is not the table of the record's arms"


def _without_nulls(rows: object) -> object:
    """A table's rows without what is null in them: a later phasehub knows of more scores."""
    if not isinstance(rows, list):
        return rows
    return [
        {name: value for name, value in row.items() if value is not None}
        if isinstance(row, dict)
        else row
        for row in rows
    ]


def _dumped(records: tuple[Any, ...]) -> list[Any]:
    return [record.model_dump(mode="json") for record in records]
