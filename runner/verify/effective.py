"""Whether a run was what its plan says: every knob, and what follows from the knobs.

Pure functions on values that were read from files of the contract; they believe nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol, TypeGuard

from runner.experiment import EXPERIMENT
from runner.experiment.interface import ABSENT, Implied
from runner.hub.leaves import leaves
from runner.hub.records.base import Difference

RELATIVE_TOLERANCE = 1e-6
"""Of a number that was read back: what an arm adjusts is float32."""


class ExecutionLike(Protocol):
    """Where the plan wants the numbers to be made."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def threads(self) -> int:
        """Intra-op threads of the job."""

    @property
    def determinism(self) -> str:
        """``portable`` or ``native``."""


def compare_effective(
    parameters: Mapping[str, Any],
    seed: int,
    execution: ExecutionLike,
    effective: Mapping[str, object],
) -> tuple[Difference, ...]:
    """Every knob of the plan that the live objects of a run do not show again.

    ``effective`` is the table of ``effective_config.json``. All leaves of ``parameters`` are
    walked, and those of ``effective`` that the plan does not have. Where the plan has a float, the
    number may differ by 1 part in 10⁶; nothing else may differ. A fit that was ended on its way, as
    planned, has less to show. What follows from the plan without
    being a knob is computed again and compared with what was observed.
    """
    placed = {
        "device": execution.device,
        "threads": execution.threads,
        "determinism": execution.determinism,
    }
    found = [
        *_compare_tables(
            EXPERIMENT.readback.shown(parameters, effective), _table(effective, "parameters"), ""
        ),
        *_compare_leaf("seed", seed, effective.get("seed", ABSENT)),
        *(
            difference
            for name, value in (placed | {"deterministic_algorithms": True}).items()
            for difference in _compare_leaf(
                f"execution.{name}", value, _table(effective, "execution").get(name, ABSENT)
            )
        ),
        *_compare_implied(EXPERIMENT.readback.implied(parameters, effective)),
    ]
    return tuple(sorted(found, key=lambda difference: difference.knob))


def _table(effective: Mapping[str, object], name: str) -> dict[str, object]:
    table = effective.get(name)
    return table if isinstance(table, dict) else {}


def _compare_tables(
    planned: Mapping[str, Any], effective: Mapping[str, Any], prefix: str
) -> Iterator[Difference]:
    wanted, shown = dict(leaves(planned, prefix)), dict(leaves(effective, prefix))
    for knob, value in wanted.items():
        yield from _compare_leaf(knob, value, shown.get(knob, ABSENT))
    for knob in shown.keys() - wanted.keys():
        yield Difference(knob=knob, kind="unexpected", planned=None, effective=shown[knob])


def _compare_leaf(knob: str, planned: object, effective: object) -> Iterator[Difference]:
    if effective is ABSENT:
        yield Difference(knob=knob, kind="missing", planned=planned, effective=None)
    elif not _same(planned, effective):
        yield Difference(knob=knob, kind="different", planned=planned, effective=effective)


def _same(planned: object, effective: object) -> bool:
    """Whether a leaf came back: floats to within the tolerance, all else in value and type."""
    if isinstance(planned, list | tuple) and isinstance(effective, list):
        return len(planned) == len(effective) and all(map(_same, planned, effective))
    if isinstance(planned, float) and _is_number(effective):
        return abs(effective - planned) <= RELATIVE_TOLERANCE * abs(planned)
    return type(planned) is type(effective) and planned == effective


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare_implied(implied: Iterable[Implied]) -> Iterator[Difference]:
    """What has no knob of its own, against what the plan implies."""
    for one in implied:
        match one.how:
            case "value":
                yield from _compare_leaf(one.name, one.planned, one.shown)
            case "table":
                assert isinstance(one.shown, Mapping)
                yield from _compare_tables(one.planned, one.shown, one.name)
            case "series":
                yield from _compare_series(one)
            case "bound":
                yield from _compare_bound(one)


def compare_history(
    effective: Mapping[str, object], history: Mapping[str, object]
) -> tuple[Difference, ...]:
    """What an arm's history says otherwise than its live objects did.

    What the live objects showed stands in the place of the plan; where they showed nothing at all,
    ``compare_effective`` has said so.
    """
    return tuple(_compare_implied(EXPERIMENT.readback.repeated(effective, history)))


def _compare_series(one: Implied) -> Iterator[Difference]:
    """One value a unit; each that differs is named."""
    if not isinstance(one.shown, list):
        yield from _compare_leaf(one.name, list(one.planned), one.shown)
        return
    if len(one.shown) != len(one.planned):
        yield Difference(
            knob=f"{one.name} ({one.unit})",
            kind="different",
            planned=len(one.planned),
            effective=len(one.shown),
        )
    for place, (value, seen) in enumerate(zip(one.planned, one.shown, strict=False)):
        yield from _compare_leaf(f"{one.name}[{place}]", value, seen)


def _compare_bound(one: Implied) -> Iterator[Difference]:
    """What was measured, against the bound that it may hardly exceed."""
    if not _is_number(one.shown) or one.shown > one.planned * (1 + one.tolerance):
        absent = one.shown is ABSENT
        yield Difference(
            knob=one.name,
            kind="missing" if absent else "different",
            planned=one.planned,
            effective=None if absent else one.shown,
        )
