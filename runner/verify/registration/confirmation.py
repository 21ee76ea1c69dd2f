"""What sealed hubs say about a registered finding: which of them count, and what the test gives.

A hub counts when it was begun under the registration as it stands and ran what is registered, all
of it and nothing else: the cells, their seeds, data and setting, every arm as planned and known
well enough. None wins by being the newest: all that count are pooled, and as they ran the same
seeds, each run counts once and they must agree about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from runner.core.digest import canonical_json
from runner.experiment.common import Counts, Sides, boschloo, holm
from runner.hub.record import HubRecord
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.findings import Contrast, Registration
from runner.verify.parameter_differences import has_knobs
from runner.verify.registration.registered_runs import (
    began,
    cell_in_words,
    counts,
    hit,
    is_known_to_be_committed,
    objections,
)
from runner.verify.sealed_hub import NamedHub

Outcome = Literal["supports", "contradicts", "no evidence", "open"]
UNDATED = (
    "whether the registration was committed when it began is not on record, as it is from an "
    "earlier phasehub; where the register lies beside the code, git show "
    "{commit}:docs/study/findings.toml tells"
)


@dataclass(frozen=True, kw_only=True)
class ContrastResult:
    """What one primary contrast came to; ``counts`` is ``None`` where no hub counts."""

    contrast: Contrast
    outcome: Outcome
    counts: Counts | None = None
    p_value: float | None = None
    p_adjusted: float | None = None


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """What all hubs together say about a registered finding."""

    results: tuple[ContrastResult, ...]
    num_primary: int
    """Primary contrasts that p-values are adjusted for: all that were registered for the phase."""
    counted: tuple[str, ...]
    """The hubs that count."""
    undated: Mapping[str, str]
    """Those of them that name no commit with the registration → the words for that."""
    passed_over: Mapping[str, tuple[str, ...]]
    """Hubs that do not count although they name the finding → why."""
    conflict: str = ""
    """In what hubs that were begun under the registration contradict each other."""


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
        or tuple(ContrastResult(contrast=one, outcome="open") for one in finding.plan.contrasts),
        num_primary=num_primary,
        counted=tuple(one.name for one in met),
        undated={
            one.name: UNDATED.format(commit=one.record.code.commit)
            for one in met
            if not is_known_to_be_committed(finding, one.record)
        },
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
        if one is hub or _under(finding, one.record) or began(one.record) >= began(hub.record):
            continue
        ran = {arm.seed for arm in one.record.arms if arm.status != "not_run"}
        if used := sorted(wanted & ran):
            yield f"seed {used[0]} was run before, in {one.name}"


def _conflict(finding: RegisteredFinding, every: Iterable[NamedHub]) -> str:
    """Where two hubs under the registration differ about one run, whether or not they count."""
    plan = finding.plan
    seen: dict[tuple[bytes, int], tuple[bool, str]] = {}
    for hub in (one for one in every if _under(finding, one.record)):
        for cell, arm in product(plan.all_cells, hub.record.arms):
            shows = hit(arm, plan.measure)
            of_cell = has_knobs(arm.parameters, cell) and counts(arm, plan.level)
            if shows is None or not of_cell:
                continue
            before, name = seen.setdefault((canonical_json(cell), arm.seed), (shows, hub.name))
            if before is not shows:
                where = f"{cell_in_words(cell)}, seed {arm.seed}"
                return f"{name} and {hub.name} differ about {where}"
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
) -> tuple[ContrastResult, ...]:
    if not tables:
        return ()
    pairs = list(zip(plan.contrasts, tables, strict=True))
    made = [boschloo(table, sides_of(plan, contrast)) for contrast, table in pairs]
    final = holm([*made, *others])
    return tuple(
        ContrastResult(
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
