"""Steps that a phase takes after its arms, each only if its condition holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, Field

from runner.core.names import SafeName
from runner.experiment import EXPERIMENT
from runner.experiment.common import Table
from runner.experiment.interface import OneOf
from runner.manifest.manifest_errors import Mistake
from runner.manifest.overrides import table
from runner.manifest.source import TomlSource

ENDPOINT, CAPTURES = EXPERIMENT.endpoint, EXPERIMENT.captures
EVERY_REACHES = f"every_arm_{ENDPOINT.third}"
ANY_REACHES = f"an_arm_{ENDPOINT.third}"
ANY_MISSES = "an_arm_misses_success"

Condition = Annotated[str, OneOf((EVERY_REACHES, ANY_REACHES, ANY_MISSES))]
Capture = Annotated[str, OneOf(CAPTURES.reports)]
CheckpointName = Annotated[str, OneOf(CAPTURES.checkpoints)]


def _distinct(capture: tuple[Capture, ...]) -> tuple[Capture, ...]:
    if len(set(capture)) < len(capture):
        raise ValueError("a capture is named twice; name each once")
    return capture


class Step(Table):
    """What is captured after the arms if a condition holds, from those arms that it speaks of."""

    name: SafeName = Field(description="Name of the step, and of its folder in the hub.")
    when: Condition = Field(
        description=f"When the step is taken, and for which arms: those that {ENDPOINT.past}, or "
        "those that a success rule does not hold for."
    )
    capture: Annotated[tuple[Capture, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        description=f"Reports that are made: {', '.join(f'`{one}`' for one in CAPTURES.reports)}."
    )
    checkpoint: CheckpointName = Field(
        CAPTURES.usual,
        description="Stored weights that the reports are about; an arm that has none of that name "
        "is left out, and the hub says so.",
    )


def check_steps(source: TomlSource) -> Iterator[Mistake]:
    """No two steps are called the same, and what a step waits for can come about."""
    already = "the name of the step on line {line} already; rename one of them"
    yield from source.repeated("steps", "name", already)
    for index, step in enumerate(source.tables("steps")):
        if step.get("when") == ANY_MISSES and not table(source.document, "verdict").get("success"):
            problem = (
                f"got {ANY_MISSES!r}, but verdict.success has no rules that an arm could "
                f"miss; give rules, or wait for a {ENDPOINT.noun}"
            )
            yield source.at(("steps", index, "when"), problem)
