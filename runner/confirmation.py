"""What sealed hubs say about a registered finding: which of them count, and what the test gives.

A hub counts when it was begun under the registration as it stands and ran what is registered, all
of it and nothing else: the cells, their seeds, data and setting, every arm as planned and known
well enough. None wins by being the newest: all that count are pooled, and as they ran the same
seeds, each run counts once and they must agree about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal, Protocol

from models.exact import Counts, Sides, boschloo, holm
from runner.digest import canonical_json
from runner.findings import Contrast, KnobValue, Level, Registration
from runner.knobs import between, differing, has_knobs
from runner.plan import command_of
from runner.record import ArmRecord, HubRecord, RegisteredFinding

Outcome = Literal["supports", "contradicts", "no evidence", "open"]
NOISE, OBJECTS = ("seed",), ("train_object_seed", "test_object_seed")
"""Keys of a dataset that draw it: noise and order, and the objects."""
MOST_SEEDS_NAMED = 5


class Planned(Protocol):
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


@dataclass(frozen=True, kw_only=True)
class NamedHub:
    """A hub under the name by which the page speaks of it."""

    name: str
    record: HubRecord


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one primary contrast came to; ``counts`` is ``None`` where no hub counts."""

    contrast: Contrast
    outcome: Outcome
    counts: Counts | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What all hubs together say about a registered finding."""

    results: tuple[Result, ...]
    num_primary: int
    """Primary contrasts that p-values are adjusted for: all that were registered for the phase."""
    counted: tuple[str, ...]
    """The hubs that count."""
    passed_over: Mapping[str, tuple[str, ...]]
    """Hubs that do not count although they name the finding → why."""
    conflict: str = ""
    """In what hubs that were begun under the registration contradict each other."""


# --- one arm -------------------------------------------------------------------------------------


def counts(arm: ArmRecord, level: Level) -> bool:
    """Whether a finding that asks for ``level`` may rest on an arm."""
    ran = arm.status == "succeeded" and not arm.differences
    return ran and (level == "read back" or arm.proof == "audited")


def hit(arm: ArmRecord, measure: Literal["flat", "collapse"]) -> bool | None:
    """Whether an arm shows what is counted; ``None`` where that was not measured."""
    if measure == "collapse":
        return arm.collapsed
    return arm.stats["collapse_kind"] == "flat" if "collapse_kind" in arm.stats else None


# --- what is registered, and what was planned or ran ---------------------------------------------


def departures(
    registration: Registration, *, phase: str, profile: str | None, arms: Sequence[Planned]
) -> Iterator[str]:
    """In what a plan, or a hub's, is not the registered one; nothing where it is."""
    if (phase, profile) != (registration.phase, registration.profile):
        yield f"it is of {_variant(phase, profile)}"
    cells = [
        (named, [arm for arm in arms if has_knobs(arm.parameters, registration.setting | named)])
        for contrast in registration.contrasts
        for named in (contrast.arms, contrast.against)
    ]
    for named, found in cells:
        yield from _seed_departures(registration, named, found)
        if not found:
            yield from _setting_departures(registration, named, arms)
    if all(found for _, found in cells):
        yield from _knob_departures(registration, arms)
        yield from _data_departures(registration, [arm for _, found in cells for arm in found])


def _variant(phase: str, profile: str | None) -> str:
    return f"{phase}, profile {profile}" if profile else f"{phase} in full"


def _setting_departures(
    registration: Registration, named: Mapping[str, KnobValue], arms: Sequence[Planned]
) -> Iterator[str]:
    """What of the setting no arm has that would be of the cell otherwise."""
    near = [arm for arm in arms if has_knobs(arm.parameters, named)]
    for knob, value in registration.setting.items():
        if near and not any(has_knobs(arm.parameters, {knob: value}) for arm in near):
            yield f"no arm with {_spelled(named)} has {knob} {value}"


def _seed_departures(
    registration: Registration, named: Mapping[str, KnobValue], found: Sequence[Planned]
) -> Iterator[str]:
    ran, wanted = Counter(arm.seed for arm in found), set(registration.seeds)
    for seeds, problem in (
        (sorted(wanted - ran.keys()), "without the registered seeds"),
        (sorted(ran.keys() - wanted), "with seeds that are not registered,"),
        (sorted(seed for seed, number in ran.items() if number > 1), "with more than one arm for"),
    ):
        if seeds:
            more = " and others" if len(seeds) > MOST_SEEDS_NAMED else ""
            told = ", ".join(map(str, seeds[:MOST_SEEDS_NAMED])) + more
            yield f"the cell {_spelled(named)} is {problem} {told}"


def _knob_departures(registration: Registration, arms: Sequence[Planned]) -> Iterator[str]:
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


def _without_data(arm: Planned) -> dict[str, Any]:
    return {name: table for name, table in arm.parameters.items() if name != "dataset"}


def _data_departures(registration: Registration, arms: Sequence[Planned]) -> Iterator[str]:
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
    return {name: value for name, value in table.items() if name not in NOISE + OBJECTS}


# --- one hub -------------------------------------------------------------------------------------


def objections(finding: RegisteredFinding, record: HubRecord) -> Iterator[str]:
    """Why a hub, looked at by itself, does not count for a finding; nothing where it does."""
    carried = next((one for one in record.registered if one.id == finding.id), None)
    if carried is None:
        yield "nothing was registered when it began"
        return
    if carried.sha256 != finding.sha256:
        yield f"it was begun under another registration, {carried.sha256[:12]}"
        return
    plan = finding.plan
    if _day(record) < plan.date:
        yield f"it was begun before {plan.date}, the day of the registration"
    if record.code.commit is None or record.code.dirty is not False:
        yield "its code was not committed, so that no commit shows what came first"
    if record.reproduction is not None:
        yield f"it makes {record.reproduction.hub} again, which is no new evidence"
    if record.interrupted:
        yield "it was interrupted"
    if record.only:
        yield "it was run in part"
    yield from departures(plan, phase=record.phase, profile=record.profile, arms=record.arms)
    yield from _unfit(plan, record)


def _unfit(plan: Registration, record: HubRecord) -> Iterator[str]:
    """The arms of its cells that say nothing: a cell that lacks one is incomplete."""
    told = {arm.name: why for arm in _in_cells(plan, record) if (why := _why_unfit(plan, arm))}
    for why in dict.fromkeys(told.values()):
        names = [name for name, reason in told.items() if reason == why]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        yield f"{names[0]}{more}: {why}"


def _in_cells(plan: Registration, record: HubRecord) -> list[ArmRecord]:
    wanted = [where for contrast in plan.contrasts for where in plan.cells(contrast)]
    return [arm for arm in record.arms if any(has_knobs(arm.parameters, w) for w in wanted)]


def _why_unfit(plan: Registration, arm: ArmRecord) -> str:
    if not counts(arm, "read back"):
        return "did not run as planned"
    if arm.command != command_of("train"):
        return "ran a command of its own"
    if not counts(arm, plan.level):
        return f"is {arm.proof}, and not {plan.level} as is registered"
    return "" if hit(arm, plan.measure) is not None else f"{plan.measure} was not measured"


def _day(record: HubRecord) -> str:
    return _began(record).date().isoformat()


def _began(record: HubRecord) -> datetime:
    return datetime.fromisoformat(record.started).astimezone(UTC)


# --- all hubs ------------------------------------------------------------------------------------


def confirm(finding: RegisteredFinding, hubs: Iterable[NamedHub]) -> Confirmation:
    """What all hubs of a study say together; each of them is to be given, of whatever phase."""
    every = list(hubs)
    met, passed_over = _counting(finding, every)
    conflict = _conflict(finding, every) if met else ""
    others = _others(finding, met)
    num_primary = len(finding.plan.contrasts) + sum(len(one.plan.contrasts) for one in others)
    tables = _tables(finding, met[0]) if met and not conflict else ()
    results = _tested(finding.plan, tables, [p for one in others for p in _p_values(one, every)])
    return Confirmation(
        results=results
        or tuple(Result(contrast=one, outcome="open") for one in finding.plan.contrasts),
        num_primary=num_primary,
        counted=tuple(one.name for one in met),
        passed_over=passed_over,
        conflict=conflict,
    )


def _counting(
    finding: RegisteredFinding, every: Sequence[NamedHub]
) -> tuple[list[NamedHub], dict[str, tuple[str, ...]]]:
    """The hubs that count, and of those that name the finding without counting, why."""
    met: list[NamedHub] = []
    passed_over: dict[str, tuple[str, ...]] = {}
    for one in every:
        if not _names(finding, one.record):
            continue
        reasons = (*objections(finding, one.record), *_used_before(finding, one, every))
        if reasons:
            passed_over[one.name] = reasons
        else:
            met.append(one)
    return met, passed_over


def _names(finding: RegisteredFinding, record: HubRecord) -> bool:
    return finding.id in record.findings or finding.id in {one.id for one in record.registered}


def _under(finding: RegisteredFinding, record: HubRecord) -> bool:
    """Whether a hub was begun under this very registration."""
    return finding.sha256 in {one.sha256 for one in record.registered}


def _used_before(
    finding: RegisteredFinding, hub: NamedHub, every: Iterable[NamedHub]
) -> Iterator[str]:
    """Earlier runs of registered seeds that were not made under the registration."""
    wanted = set(finding.plan.seeds)
    for one in every:
        if one is hub or _under(finding, one.record) or _began(one.record) >= _began(hub.record):
            continue
        ran = {arm.seed for arm in one.record.arms if arm.status != "not_run"}
        if used := sorted(wanted & ran):
            yield f"seed {used[0]} was run before, in {one.name}"


def _conflict(finding: RegisteredFinding, every: Iterable[NamedHub]) -> str:
    """Where two hubs under the registration differ about one run, whether or not they count."""
    plan = finding.plan
    seen: dict[tuple[bytes, int], tuple[bool, str]] = {}
    for one in every:
        if not _under(finding, one.record):
            continue
        for contrast in plan.contrasts:
            for where in plan.cells(contrast):
                for arm in one.record.arms:
                    shows = hit(arm, plan.measure)
                    if not has_knobs(arm.parameters, where) or shows is None:
                        continue
                    if not counts(arm, plan.level):
                        continue
                    key = (canonical_json(where), arm.seed)
                    before, name = seen.setdefault(key, (shows, one.name))
                    if before is not shows:
                        return (
                            f"{name} and {one.name} differ about {_spelled(where)}, seed {arm.seed}"
                        )
    return ""


def _others(finding: RegisteredFinding, met: Iterable[NamedHub]) -> list[RegisteredFinding]:
    """The other findings that were registered for the same runs, as their hubs carry them.

    Not as the register has them now: to strike one from it afterwards makes nothing easier.
    """
    plan = finding.plan
    found = {
        one.sha256: one
        for hub in met
        for one in hub.record.registered
        if one.id != finding.id and (one.plan.phase, one.plan.profile) == (plan.phase, plan.profile)
    }
    return list(found.values())


def _tables(finding: RegisteredFinding, hub: NamedHub) -> tuple[Counts, ...]:
    """The counts of each contrast; hubs that count and agree have the same."""
    plan = finding.plan
    tables = []
    for contrast in plan.contrasts:
        cells = [
            [hit(arm, plan.measure) for arm in hub.record.arms if has_knobs(arm.parameters, where)]
            for where in plan.cells(contrast)
        ]
        hits = (sum(map(bool, cells[0])), sum(map(bool, cells[1])))
        tables.append(Counts(hits=hits, runs=(len(cells[0]), len(cells[1]))))
    return tuple(tables)


def _p_values(finding: RegisteredFinding, every: Sequence[NamedHub]) -> list[float]:
    """The raw p of each contrast; 1 for those that nothing is known of."""
    met, _ = _counting(finding, every)
    if not met or _conflict(finding, every):
        return [1.0] * len(finding.plan.contrasts)
    return [
        boschloo(table, sides_of(finding.plan, contrast))
        for contrast, table in zip(finding.plan.contrasts, _tables(finding, met[0]), strict=True)
    ]


def sides_of(plan: Registration, contrast: Contrast) -> Sides:
    """On which sides the test looks."""
    if plan.sides == "two-sided":
        return "two-sided"
    return "less" if contrast.expect == "lower" else "greater"


def _tested(
    plan: Registration, tables: Sequence[Counts], others: Sequence[float]
) -> tuple[Result, ...]:
    if not tables:
        return ()
    pairs = list(zip(plan.contrasts, tables, strict=True))
    made = [boschloo(table, sides_of(plan, contrast)) for contrast, table in pairs]
    final = holm([*made, *others])
    return tuple(
        Result(
            contrast=contrast,
            outcome=_outcome(contrast, table, p_adjusted <= plan.alpha),
            counts=table,
            p_value=p_value,
            p_adjusted=p_adjusted,
        )
        for (contrast, table), p_value, p_adjusted in zip(pairs, made, final, strict=False)
    )


def _outcome(contrast: Contrast, table: Counts, evidence: bool) -> Outcome:
    if not evidence:
        return "no evidence"
    side = "lower" if _rate(table, 0) < _rate(table, 1) else "higher"
    return "supports" if contrast.expect in ("different", side) else "contradicts"


def _rate(table: Counts, cell: int) -> float:
    return table.hits[cell] / table.runs[cell]


def _spelled(where: Mapping[str, KnobValue]) -> str:
    return ", ".join(f"{name} {value}" for name, value in where.items())


def _knobs(contrast: Contrast) -> str:
    names = [name for name in contrast.arms if contrast.arms[name] != contrast.against[name]]
    return " and ".join(names)
