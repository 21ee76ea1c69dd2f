"""What a phase can answer, in words: before it is run, and of one that was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.findings import Contrast, Registration
from runner.plan.model import Plan
from runner.report.wording import declared
from runner.verify.registration.power import (
    LEVEL,
    ContrastDesign,
    KnobDesign,
    knob_designs,
    registered_designs,
    registration_mismatches,
)
from runner.verify.statistics import Statistics

ENDPOINT = EXPERIMENT.endpoint
EXPLORED = (
    "These comparisons are exploratory: which of them would matter was not registered before the "
    "run, so that what they show is to be confirmed by other runs."
)
COULD_NOT = (
    f"This phase could not have answered by comparing how often its groups {ENDPOINT.plural}: not "
    "even the largest effect that a single knob can have would have been evidence."
)
COULD = "Of some knobs a large enough effect could have been evidence."
EXPLORATORY = "No finding is registered for this phase: whatever comes out of it is exploratory."


def answerable(plan: Plan, registered: Sequence[RegisteredFinding]) -> Iterator[str]:
    """Lines that say what the planned arms can show of what is registered."""
    yield "What it can answer"
    if not registered:
        yield f"  {EXPLORATORY}"
        return
    plans = {one.id: one.plan for one in registered}
    designs = registered_designs(registered, plan.arms)
    for one in designs:
        yield f"  {one.finding}: {contrast_words(plans[one.finding], one.contrast)}"
        yield from (f"    {line}" for line in _design_lines(one, len(designs)))
    mismatches = registration_mismatches(
        registered,
        phase=plan.phase,
        profile=plan.profile,
        arms=plan.arms,
        set_knobs=plan.set_knobs,
    )
    yield from (f"  {line}" for line in mismatches)


def _design_lines(one: ContrastDesign, num_primary: int) -> Iterator[str]:
    first, second = one.runs
    if one.best is None:
        yield f"this phase cannot answer: {first} and {second} of the registered runs are planned"
        return
    yield (
        f"{first} and {second} runs; the best attainable adjusted p is {one.best:.3g} (Boschloo, "
        f"Holm over {num_primary} primary contrast{'s' if num_primary > 1 else ''})"
    )
    if not one.can_answer:
        yield f"this phase cannot answer: no outcome has an adjusted p of at most {one.alpha:g}"
    powers = [f"{power:.3f} for {rates[0]:g} against {rates[1]:g}" for rates, power in one.powers]
    yield f"power, if no other primary contrast is found: {listing(powers)}"


def contrast_words(plan: Registration, contrast: Contrast) -> str:
    """A contrast as a claim: ``rate of … with … lower than with …; both with …``."""
    common = {name: v for name, v in contrast.arms.items() if contrast.against[name] == v}
    one, other = (
        {name: value for name, value in where.items() if name not in common}
        for where in (contrast.arms, contrast.against)
    )
    side = "other" if contrast.expect == "different" else contrast.expect
    both = f"; both with {spelled(common)}" if common else ""
    rate = ENDPOINT.counts[plan.measure].rate
    return f"{rate} with {spelled(one)} {side} than with {spelled(other)}{both}"


def spelled(where: Mapping[str, object]) -> str:
    """Knobs in a sentence, by the last part of their names that tells."""
    return listing([f"{_short(name)} {declared(value)}" for name, value in where.items()])


def _short(name: str) -> str:
    *before, last = name.split(".")
    return before[-1] if last == "kind" else last


def could_have_shown(statistics: Statistics) -> tuple[str, ...]:
    """What the comparisons of a hub could have shown: at all, and of each knob."""
    designs = knob_designs(statistics)
    if not designs:
        return ()
    apart = " Tests pooled over the other knobs ask something else." if statistics.factors else ""
    verdict = COULD if any(one.can_answer for one in designs) else COULD_NOT
    return (verdict + apart, *(_knob_words(one) for one in designs))


def _knob_words(one: KnobDesign) -> str:
    some = f"all {one.num_pairs} pairs that differ"
    pairs = some if one.num_pairs > 1 else "the pair that differs"
    text = (
        f"{one.knob}: had every run on one side {ENDPOINT.past} and none on the other in {pairs} "
        f"in it alone ({one.runs[0]} against {one.runs[1]} runs), their adjusted p would "
        f"be {one.best:.3g} (Fisher, Benjamini-Yekutieli over {one.num_comparisons})"
    )
    if one.can_answer:
        text += f", below {LEVEL:g}"
    else:
        text += f": not below {LEVEL:g}, so that these comparisons could not have given evidence"
    powers = [f"{power:.2f} for {rates[0]:g} against {rates[1]:g}" for rates, power in one.powers]
    return f"{text}. Power of a single pair: {listing(powers)}." if powers else f"{text}."
