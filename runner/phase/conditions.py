"""Whether the condition of a step holds, and for which arms. Pure, on the records of the arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from runner.experiment import EXPERIMENT
from runner.hub.records.arm import ArmRecord
from runner.hub.records.beside import StepRecord
from runner.manifest.follow_ups import ANY_MISSES, ANY_REACHES, EVERY_REACHES, Condition, Step


@dataclass(frozen=True, kw_only=True)
class ConditionOutcome:
    """Whether a condition held, what that rests on, and the arms that it speaks of."""

    held: bool
    basis: str
    arms: tuple[str, ...]


def judge_condition(when: Condition, records: Sequence[ArmRecord]) -> ConditionOutcome:
    """Hold a condition against the arms of a run. An arm without a result came to nothing."""
    return CONDITIONS[when](records)


def _every_arm_reaches(records: Sequence[ArmRecord]) -> ConditionOutcome:
    arms = _reached(records)
    return ConditionOutcome(
        held=len(arms) == len(records) > 0, basis=_counted(arms, records), arms=arms
    )


def _an_arm_reaches(records: Sequence[ArmRecord]) -> ConditionOutcome:
    arms = _reached(records)
    return ConditionOutcome(held=bool(arms), basis=_counted(arms, records), arms=arms)


def _an_arm_misses_success(records: Sequence[ArmRecord]) -> ConditionOutcome:
    """A rule that could not be measured does not hold; an arm that failed has met none."""
    arms = tuple(record.name for record in records if not record.met_all_rules)
    basis = f"{len(arms)} of {_arms(records)} missed the success rules"
    return ConditionOutcome(held=bool(arms), basis=basis, arms=arms)


CONDITIONS: Mapping[Condition, Callable[[Sequence[ArmRecord]], ConditionOutcome]] = {
    EVERY_REACHES: _every_arm_reaches,
    ANY_REACHES: _an_arm_reaches,
    ANY_MISSES: _an_arm_misses_success,
}


def _reached(records: Sequence[ArmRecord]) -> tuple[str, ...]:
    """The arms in which the endpoint came about."""
    return tuple(record.name for record in records if record.fate.reached)


def _counted(reached: Sequence[str], records: Sequence[ArmRecord]) -> str:
    unknown = sum(record.fate.reached is None for record in records)
    rest = f", {unknown} left no result" if unknown else ""
    return f"{len(reached)} of {_arms(records)} {EXPERIMENT.endpoint.past}{rest}"


def _arms(records: Sequence[ArmRecord]) -> str:
    return f"{len(records)} arm{'' if len(records) == 1 else 's'}"


def not_judged(step: Step) -> StepRecord:
    """The record of a step whose turn never came."""
    return StepRecord(held=None, basis="the run ended before its turn", **vars(step))
