"""The sentences that say what came out of a phase, most important first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from runner.core.reading import shortened
from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.hub.record import HubRecord
from runner.hub.records.arm import MEASURED, Level
from runner.manifest.set_knobs import in_words
from runner.report.reproduction import verdict
from runner.report.wording import STATUS_WORDS, measured, moment, reason

ENDPOINT, RESULTS = EXPERIMENT.endpoint, EXPERIMENT.results
Kind = Literal["good", "neutral", "bad"]
About = Literal["answer", "course", "remark"]
"""What a sentence is about: what came out, how the run went as a whole, or a detail of it."""


MOST_NAMED = 12
"""Arms that are named one by one; of more the sentences give the number."""


BEHIND: Mapping[Level, tuple[Kind, str]] = {
    "audited": (
        "good",
        "a second implementation recomputed the data, the initial weights, sampled steps, the "
        "totals and the scores, and agrees",
    ),
    "read back": (
        "neutral",
        "their settings were read back from live objects; what they did was not recomputed",
    ),
}
"""What stands behind results, and how it is worded."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence, and whether it is what one hopes for."""

    kind: Kind
    text: str
    about: About = "answer"


def statements(record: HubRecord) -> tuple[Statement, ...]:
    """What came out: how many ran, which rules hold, what came about, what failed, what is odd."""
    return (
        *_reproduction(record),
        *_interruption(record),
        *_resumptions(record),
        *_set_knobs(record),
        *_tests(record),
        *_dataset(record),
        _completion(record),
        *_reused(record),
        *_proof(record),
        *silences(record),
        *_rules(record),
        *_endpoint(record),
        *_reasons(record),
        *_shortcomings(record),
        *_remarks(record),
        *_failures(record),
        *_notes(record),
        *_identical(record),
        *_steps(record),
    )


def _reproduction(record: HubRecord) -> Iterator[Statement]:
    """Whether a hub that was made again is the original's equal."""
    if record.reproduction is None:
        return
    kind: Kind = "good" if record.reproduction.outcome == "identical" else "bad"
    yield Statement(kind=kind, text=f"Reproduction: {verdict(record.reproduction)}.")


def _interruption(record: HubRecord) -> Iterator[Statement]:
    if record.interrupted:
        text = "The run was interrupted; what was finished is here."
        yield Statement(kind="bad", text=text, about="course")


def _resumptions(record: HubRecord) -> Iterator[Statement]:
    """How often other processes went on with the run, and when."""
    if times := [moment(one) for one in record.resumed]:
        often = {1: "once", 2: "twice"}.get(len(times), f"{len(times)} times")
        at = listing(times) if len(times) <= MOST_NAMED else f"from {times[0]} to {times[-1]}"
        text = f"The run was interrupted and resumed {often}: {at}."
        yield Statement(kind="neutral", text=text, about="course")


def _set_knobs(record: HubRecord) -> Iterator[Statement]:
    """What was set on the command line: the hub's manifest does not have it."""
    if record.set_knobs:
        text = (
            f"Run with {in_words(record.set_knobs)}, which stands above the manifest: this is not "
            "the phase as it is written."
        )
        yield Statement(kind="bad", text=text, about="course")


def _tests(record: HubRecord) -> Iterator[Statement]:
    """What the regression tests said; one that was skipped said nothing."""
    tests = record.tests
    if tests is None:
        return
    if tests.status != "succeeded":
        word = STATUS_WORDS[tests.status]
        text = f"The regression tests: {word}: {tests.message}"
        yield Statement(kind="bad", text=text, about="course")
        return
    for result in tests.results:
        if result.failed:
            text = f"Regression test {result.id} failed: {result.message}"
            yield Statement(kind="bad", text=text, about="course")
    counts = Counter("failed" if result.failed else result.outcome for result in tests.results)
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    kind: Kind = "good" if counts.keys() == {"passed"} else "bad" if not tests.hold else "neutral"
    text = f"Regression tests: {outcomes}; see regression_tests.log."
    yield Statement(kind=kind, text=text, about="course")


def _dataset(record: HubRecord) -> Iterator[Statement]:
    for one in record.datasets:
        if one.status != "succeeded":
            problem = f"{STATUS_WORDS[one.status]}: {one.message}"
            yield Statement(kind="bad", text=f"The {one.name}: {problem}", about="course")


def _completion(record: HubRecord) -> Statement:
    total = len(record.arms)
    done = sum(arm.status == "succeeded" for arm in record.arms)
    arms = "arm" if total == 1 else "arms"
    if done == total:
        who = {1: "The arm", 2: "Both arms"}.get(total, f"All {total} arms")
        return Statement(kind="good", text=f"{who} ran as planned.", about="course")
    text = f"{done} of {total} {arms} ran as planned."
    return Statement(kind="bad", text=text, about="course")


def _reused(record: HubRecord) -> Iterator[Statement]:
    """Which arms were not run for this hub: where they were, and whom one trusts with them."""
    found = [(arm.name, arm.reused) for arm in record.arms if arm.reused]
    for hub in dict.fromkeys((one.hub, one.checksums_sha256, one.signature) for _, one in found):
        names = [name for name, one in found if (one.hub, one.checksums_sha256) == hub[:2]]
        who = listing(names) if len(names) <= MOST_NAMED else f"{len(names)} arms"
        were = "was" if len(names) == 1 else "were"
        text = (
            f"{who} {were} not run here but reused from {hub[0]} ({hub[2]}; digest of its "
            f"SHA256SUMS {hub[1][:12]}), which has the same plan, code, image and data."
        )
        yield Statement(kind="neutral", text=text, about="course")


def _proof(record: HubRecord) -> Iterator[Statement]:
    """What stands behind the results, in one sentence for all arms of the same level."""
    results = [arm for arm in record.arms if arm.status in MEASURED]
    by_level = {level: [arm for arm in results if arm.proof == level] for level in BEHIND}
    for level, (kind, explanation) in BEHIND.items():
        if arms := by_level[level]:
            names = [arm.name for arm in arms]
            who = "all arms" if arms == results else f"{len(arms)} of {len(results)} arms"
            if arms != results and len(arms) <= MOST_NAMED:
                who = listing(names)
            text = f"{level.capitalize()}: {who}: {explanation}."
            yield Statement(kind=kind, text=text, about="course")


def silences(record: HubRecord) -> Iterator[Statement]:
    """Where an audit compared nothing: how often, and what follows for the arm's level."""
    found = [(arm, arm.audit) for arm in record.arms if arm.audit and arm.audit.num_not_comparable]
    for arm, audit in found[:MOST_NAMED]:
        text = f"{arm.name}: {audit.silence} in its audit, as no number there is finite"
        less = "; of a part or of a window of steps none does, so it is not called audited"
        suffix = less if audit.outcome == "in_part" else ""
        yield Statement(kind="neutral", text=f"{text}{suffix}.", about="remark")
    if len(found) > MOST_NAMED:
        more = f"Comparisons say nothing in the audits of {len(found) - MOST_NAMED} more arms"
        text = f"{more}; the outcome of each has the number."
        yield Statement(kind="neutral", text=text, about="remark")


def _rules(record: HubRecord) -> Iterator[Statement]:
    judged = [arm for arm in record.arms if arm.rules]
    if not judged:
        return
    met = [arm.name for arm in judged if arm.met_all_rules]
    if len(met) > MOST_NAMED:
        who = f"{len(met)} of {len(judged)} arms"
        yield Statement(kind="good", text=f"All success rules hold for {who}.")
    elif met:
        yield Statement(kind="good", text=f"All success rules hold for {listing(met)}.")
    else:
        yield Statement(kind="bad", text="The success rules hold for no arm.")


def _endpoint(record: HubRecord) -> Iterator[Statement]:
    known = [(arm.name, arm.fate) for arm in record.arms if arm.fate.reached is not None]
    if len(known) > MOST_NAMED:
        number = sum(bool(fate.reached) for _, fate in known)
        kind: Kind = "bad" if number else "good"
        yield Statement(kind=kind, text=f"{number} of {len(known)} arms {ENDPOINT.past}.")
        counts = Counter(fate.shortcoming for _, fate in known if fate.shortcoming)
        for word, count in counts.items():
            text = f"{count} of {len(known)} arms are {ENDPOINT.outcomes[word]}."
            yield Statement(kind="bad", text=text)
        return
    for name, fate in known:
        if fate.reached:
            when = "" if fate.when is None else f" at {ENDPOINT.unit} {fate.when}"
            why = f": {fate.why}" if fate.why else ""
            yield Statement(kind="bad", text=f"{name} {ENDPOINT.past}{when}{why}.")
    spared = [name for name, fate in known if not (fate.reached or fate.shortcoming)]
    if spared:
        yield Statement(kind="good", text=f"No {ENDPOINT.noun}: {listing(spared)}.")


def _reasons(record: HubRecord) -> Iterator[Statement]:
    """Why arms are said to have reached the endpoint, where they are too many to be named."""
    known = [arm for arm in record.arms if arm.fate.reached is not None]
    counts = Counter(reason(arm) or "no reason given" for arm in known if arm.fate.reached)
    if len(known) > MOST_NAMED and counts:
        criteria = ", ".join(f"{count} {word}" for word, count in counts.most_common())
        yield Statement(kind="bad", text=f"{ENDPOINT.noun.capitalize()} by criterion: {criteria}.")


def _shortcomings(record: HubRecord) -> Iterator[Statement]:
    """Arms in which the endpoint did not come about, and that are no result either."""
    found = [arm for arm in record.arms if arm.fate.shortcoming]
    for arm in found if len(record.arms) <= MOST_NAMED else ():
        shortcoming = ENDPOINT.shortcoming(vars(arm), measured)
        yield Statement(kind="bad", text=f"{arm.name} is {shortcoming}.")


def _remarks(record: HubRecord) -> Iterator[Statement]:
    """What a score does not tell of an arm."""
    found = [(arm.name, text) for arm in record.arms for text in RESULTS.odd(arm.stats)]
    for name, text in found[:MOST_NAMED]:
        yield Statement(kind="bad", text=f"{name}: {text}.", about="remark")
    if len(found) > MOST_NAMED:
        more = f"{len(found) - MOST_NAMED} further remarks on {RESULTS.odd_about}"
        text = f"{more} are in the metrics table."
        yield Statement(kind="bad", text=text, about="remark")


def _failures(record: HubRecord) -> Iterator[Statement]:
    for arm in record.arms:
        if arm.status != "succeeded":
            suffix = f": {shortened(arm.message)}" if arm.message else ""
            text = f"{arm.name}: {STATUS_WORDS[arm.status]}{suffix}"
            yield Statement(kind="bad", text=text, about="course")


def _notes(record: HubRecord) -> Iterator[Statement]:
    """What was odd about an arm and does not bear on its results."""
    for arm in record.arms:
        for note in arm.notes:
            yield Statement(kind="neutral", text=f"{arm.name}: {note}.", about="remark")


def _identical(record: HubRecord) -> Iterator[Statement]:
    for group in record.identical_arms:
        yield Statement(
            kind="bad",
            text=f"{listing(group.arms)} have bit-identical final weights although their plans "
            f"differ: {listing(group.knobs)} had no effect on them.",
            about="course",
        )


def _steps(record: HubRecord) -> Iterator[Statement]:
    """Whether each declared step was taken, why, and where its files are."""
    for step in record.steps:
        done = [capture.arm for capture in step.captures if capture.status == "succeeded"]
        words = " and ".join(step.capture).replace("_", " ")
        taken = f"{words} of {listing(done)} are under steps/{step.name}/"
        if not done:
            taken = "nothing was captured" if step.held else "not taken"
        text = f"Step {step.name}: {step.basis}: {taken}."
        yield Statement(kind="neutral", text=text, about="remark")
        for arm, why in step.left_out.items():
            text = f"Step {step.name} left out {arm}: {why}."
            yield Statement(kind="neutral", text=text, about="remark")
        for capture in step.captures:
            if capture.status != "succeeded":
                problem = f"{STATUS_WORDS[capture.status]}: {capture.message}"
                text = f"Step {step.name}, {capture.arm}: {problem}"
                yield Statement(kind="bad", text=text, about="course")
