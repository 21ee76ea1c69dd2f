"""What a registered test gave, in words: for the pages of a hub and for those of a study."""

from __future__ import annotations

from collections.abc import Iterator

from runner.experiment import EXPERIMENT
from runner.hub.record import HubRecord
from runner.manifest.findings import Registration
from runner.report.designs import contrast_words
from runner.report.statements import Kind, Statement
from runner.verify.registration.confirmation import Confirmation, ContrastResult, confirm
from runner.verify.sealed_hub import NamedHub

ANSWERS = {
    "supports": "evidence that it is so",
    "contradicts": "evidence of the opposite",
    "no evidence": "no evidence of a difference",
}
KINDS: dict[str, Kind] = {"supports": "good", "contradicts": "bad"}


def result_words(plan: Registration, found: Confirmation, result: ContrastResult) -> str:
    """What one primary contrast came to: counts, p, raw and adjusted; or why it is open."""
    if result.counts is None:
        if not found.conflict:
            return "no hub meets the registration"
        return f"hubs begun under the registration contradict each other: {found.conflict}"
    shown = EXPERIMENT.endpoint.counts[plan.measure].shown
    (hits, others), (runs, others_of) = result.counts.hits, result.counts.runs
    return (
        f"{hits} of {runs} {shown}, against {others} of {others_of}; "
        f"{ANSWERS[result.outcome]} (Boschloo, {plan.sides}, p = {result.p_value:.3g}, adjusted "
        f"for {found.num_primary} primary contrast{'s' if found.num_primary > 1 else ''} "
        f"{result.p_adjusted:.3g})"
    )


def registered_statements(record: HubRecord) -> Iterator[Statement]:
    """What a hub says by itself about the findings that were registered when it began."""
    for one in record.registered:
        found = confirm(one, [NamedHub(name="this hub", record=record)])
        for why in found.passed_over.get("this hub", ()):
            yield Statement(kind="bad", text=f"This hub does not count for {one.id}: {why}.")
        for why in found.undated.values():
            yield Statement(kind="neutral", text=f"{one.id}: of this hub, {why}.")
        for result in found.results if found.counted else ():
            text = (
                f"{one.id}, registered: {contrast_words(one.plan, result.contrast)}: "
                f"{result_words(one.plan, found, result)}."
            )
            yield Statement(kind=KINDS.get(result.outcome, "neutral"), text=text)
