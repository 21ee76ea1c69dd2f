"""Which runs a registration speaks of: where a plan or a hub does not match it, and what is unfit.

Everything here is about one plan or one hub; what all hubs together say is in ``confirmation``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Protocol

from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.findings import Contrast, KnobValue, Level, Registration
from runner.manifest.set_knobs import in_words
from runner.plan.model import command_of
from runner.verify.parameter_differences import DRAWS, NOISE, OBJECTS, between, differing, has_knobs

MOST_SEEDS_NAMED = 5


class ArmLike(Protocol):
    """An arm of a plan or of a hub."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def seed(self) -> int:
        """Its seed."""

    @property
    def parameters(self) -> dict[str, Any]:
        """Its parameters."""


# --- one arm -------------------------------------------------------------------------------------


def counts(arm: ArmRecord, level: Level) -> bool:
    """Whether a finding that asks for ``level`` may rest on an arm.

    Not on one that was run for another hub: what came first, it or the registration, is not known.
    """
    ran = arm.status == "succeeded" and not arm.differences and arm.reused is None
    return ran and (level == "read back" or arm.proof == "audited")


def hit(arm: ArmRecord, measure: str) -> bool | None:
    """Whether an arm shows what is counted; ``None`` where that was not measured."""
    return EXPERIMENT.endpoint.counts[measure].hit(vars(arm))


# --- what is registered, and what was planned or ran ---------------------------------------------


def mismatches(
    registration: Registration,
    *,
    phase: str,
    profile: str | None,
    arms: Sequence[ArmLike],
    set_knobs: Mapping[str, object],
) -> Iterator[str]:
    """In what a plan, or a hub's, is not the registered one; nothing where it is."""
    if (phase, profile) != (registration.phase, registration.profile):
        yield f"it is of {_variant(phase, profile)}"
    if set_knobs:
        yield f"it was run with {in_words(set_knobs)}, and not as the manifest is written"
    cells = [
        (named, [arm for arm in arms if has_knobs(arm.parameters, registration.setting | named)])
        for contrast in registration.contrasts
        for named in (contrast.arms, contrast.against)
    ]
    for named, found in cells:
        yield from _seed_mismatches(registration, named, found)
        if not found:
            yield from _setting_mismatches(registration, named, arms)
    if all(found for _, found in cells):
        yield from _knob_mismatches(registration, arms)
        yield from _data_mismatches(registration, [arm for _, found in cells for arm in found])


def _variant(phase: str, profile: str | None) -> str:
    return f"{phase}, profile {profile}" if profile else f"{phase} in full"


def _setting_mismatches(
    registration: Registration, named: Mapping[str, KnobValue], arms: Sequence[ArmLike]
) -> Iterator[str]:
    """What of the setting no arm has that would be of the cell otherwise."""
    near = [arm for arm in arms if has_knobs(arm.parameters, named)]
    for knob, value in registration.setting.items():
        if near and not any(has_knobs(arm.parameters, {knob: value}) for arm in near):
            yield f"no arm with {cell_in_words(named)} has {knob} {value}"


def _seed_mismatches(
    registration: Registration, named: Mapping[str, KnobValue], found: Sequence[ArmLike]
) -> Iterator[str]:
    ran, wanted = Counter(arm.seed for arm in found), set(registration.seeds)
    for seeds, problem in (
        (sorted(wanted - ran.keys()), "without the registered seeds"),
        (sorted(ran.keys() - wanted), "with seeds that are not registered,"),
        (sorted(seed for seed, number in ran.items() if number > 1), "with more than one arm for"),
    ):
        if seeds:
            more = " and others" if len(seeds) > MOST_SEEDS_NAMED else ""
            named_seeds = ", ".join(map(str, seeds[:MOST_SEEDS_NAMED])) + more
            yield f"the cell {cell_in_words(named)} is {problem} {named_seeds}"


def _knob_mismatches(registration: Registration, arms: Sequence[ArmLike]) -> Iterator[str]:
    """Knobs that differ where nothing but the contrast may; what an arm records is none."""
    for contrast in registration.contrasts:
        one, other = (
            [_without_data(arm) for arm in arms if has_knobs(arm.parameters, where)]
            for where in registration.cells(contrast)
        )
        plans = [*one, *other]
        flat = differing(plans)
        inside = {
            name
            for cell in (flat[: len(one)], flat[len(one) :])
            for a, b in pairwise(cell)
            for name in a
            if a[name] != b[name]
        }
        across = set(between(one[0], other[0], flat[0], flat[len(one)]))
        for name in sorted(inside | {name for name in across if not _is_meant(name, contrast)}):
            yield f"{name} differs, and the contrast is of {_knobs(contrast)} alone"


def _is_meant(name: str, contrast: Contrast) -> bool:
    """Whether a knob is of the contrast, or a table of which it names the kind."""
    return any(knob == name or knob.startswith(f"{name}.") for knob in contrast.arms)


def _without_data(arm: ArmLike) -> dict[str, Any]:
    return {name: table for name, table in arm.parameters.items() if name != "dataset"}


def _data_mismatches(registration: Registration, arms: Sequence[ArmLike]) -> Iterator[str]:
    """Whether the arms of all cells saw the data that are registered."""
    tables = [arm.parameters.get("dataset", {}) for arm in arms]
    if registration.data == "shared":
        if len({canonical_json(table) for table in tables}) > 1:
            yield "its arms do not share one dataset"
        return
    by_seed: dict[int, dict[bytes, dict[str, Any]]] = {}
    for arm, table in zip(arms, tables, strict=True):
        by_seed.setdefault(arm.seed, {})[canonical_json(table)] = table
    if any(len(found) > 1 for found in by_seed.values()):
        yield "arms of one seed do not share their data"
    if len({canonical_json(_not_drawn(table)) for table in tables}) > 1:
        yield "its datasets differ in more than what they are drawn from"
    drawn = [next(iter(found.values())) for found in by_seed.values()]
    for names in (NOISE, OBJECTS):
        values = [table.get(name) for table in drawn for name in names]
        if None in values or len(set(values)) < len(values):
            yield f"not every seed has a dataset.{' and dataset.'.join(names)} of its own"


def _not_drawn(table: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name not in DRAWS}


# --- one hub -------------------------------------------------------------------------------------


def objections(finding: RegisteredFinding, record: HubRecord) -> Iterator[str]:
    """Why a hub, looked at by itself, does not count for a finding; nothing where it does."""
    registered = next((one for one in record.registered if one.id == finding.id), None)
    if registered is None:
        yield "nothing was registered when it began"
        return
    if registered.sha256 != finding.sha256:
        yield f"it was begun under another registration, {registered.sha256[:12]}"
        return
    plan = finding.plan
    if _day(record) < plan.date:
        yield f"it was begun before {plan.date}, the day of the registration"
    if record.code.commit is None or record.code.dirty is not False:
        yield "its code was not committed, so that no commit shows what came first"
    if registered.commit == "":
        yield "no commit had the registration when it began"
    if record.reproduction is not None:
        yield f"it makes {record.reproduction.hub} again, which is no new evidence"
    if record.interrupted:
        yield "it was interrupted"
    if record.only:
        yield "it was run in part"
    yield from mismatches(
        plan,
        phase=record.phase,
        profile=record.profile,
        arms=record.arms,
        set_knobs=record.set_knobs,
    )
    ways = {(one.execution.device, one.execution.threads, one.execution.determinism)
            for one in _in_cells(plan, record)}  # fmt: skip
    if len(ways) > 1:
        in_words = " and ".join(f"{device} with {threads} threads, {how}"
                            for device, threads, how in sorted(ways))  # fmt: skip
        yield f"its arms did not all compute in the same way: {in_words}"
    yield from _unfit(plan, record)


def is_known_to_be_committed(finding: RegisteredFinding, record: HubRecord) -> bool:
    """Whether the hub names a commit that had the registration when it began."""
    return any(one.id == finding.id and one.commit for one in record.registered)


def _unfit(plan: Registration, record: HubRecord) -> Iterator[str]:
    """The arms of its cells that say nothing: a cell that lacks one is incomplete."""
    unfit = {arm.name: why for arm in _in_cells(plan, record) if (why := _why_unfit(plan, arm))}
    for why in dict.fromkeys(unfit.values()):
        names = [name for name, reason in unfit.items() if reason == why]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {why}"


def _in_cells(plan: Registration, record: HubRecord) -> list[ArmRecord]:
    cells = plan.all_cells
    return [arm for arm in record.arms if any(has_knobs(arm.parameters, one) for one in cells)]


def _why_unfit(plan: Registration, arm: ArmRecord) -> str:
    if not counts(arm, "read back"):
        return "did not run as planned"
    if arm.command != command_of("train"):
        return "ran a command of its own"
    if not counts(arm, plan.level):
        return f"is {arm.proof}, and not {plan.level} as is registered"
    return "" if hit(arm, plan.measure) is not None else f"{plan.measure} was not measured"


def _day(record: HubRecord) -> str:
    return began(record).date().isoformat()


def began(record: HubRecord) -> datetime:
    """When the run of a hub began."""
    return datetime.fromisoformat(record.started).astimezone(UTC)


def cell_in_words(where: Mapping[str, KnobValue]) -> str:
    """The knobs of a cell with their full names."""
    return ", ".join(f"{name} {value}" for name, value in where.items())


def _knobs(contrast: Contrast) -> str:
    names = [name for name in contrast.arms if contrast.arms[name] != contrast.against[name]]
    return " and ".join(names)
