"""A finding's status follows from hubs by what its register expects, and from nothing else."""

import dataclasses
import itertools

import pytest

from runner.core.digest import pretty_json
from runner.core.errors import VerificationError
from runner.manifest.findings import (
    ComparisonExpectation,
    Finding,
    RateExpectation,
    RuleExpectation,
)
from runner.study.evidence import JudgedFinding, Judgement, expectation_words, judge
from runner.study.store import KeptHub


def group(*arms, collapsed=0, interval=(0.0, 1.0), phase="phase8", not_counted=()):
    """A group of ``statistics.json``."""
    return {
        "name": "g", "label": "g", "phase": phase, "hub": "here", "knobs": {},
        "arms": list(arms), "seeds": [1] * len(arms),
        "not_counted": [{"name": n, "seed": 1, "status": "failed"} for n in not_counted],
        "num_arms": len(arms), "num_collapsed": collapsed, "arms_collapsed": [],
        "collapse_rate": 0.5 if arms else None,
        "collapse_interval": list(interval) if arms else None,
        "metrics": {},
    }  # fmt: skip


def apart(difference=0.0, *, evidence=False, words="as the hub says"):
    """How far a score of two groups lies apart."""
    return {
        "n": [5, 5], "difference": difference, "interval": None, "reason": None, "p_value": None,
        "p_adjusted": None, "smallest_p_possible": None, "evidence": evidence, "words": words,
    }  # fmt: skip


def compared(one, other, *, knobs=("k",), difference=0.0, evidence=False, words="", **metrics):
    """A comparison of ``statistics.json``; ``difference`` is the second less the first."""
    return {
        "groups": ["a", "b"], "places": [one, other], "knobs": list(knobs),
        "controlled": len(knobs) == 1,
        "collapse": {
            "arms": [5, 5], "collapsed": [0, 0], "difference": difference, "odds_ratio": None,
            "p_value": None, "p_adjusted": None, "smallest_p_possible": None,
            "evidence": evidence, "words": words,
        },
        "metrics": {name: found | {"not_collapsed": apart()} for name, found in metrics.items()},
    }  # fmt: skip


def statistics(groups, comparisons=()):
    """The content of ``statistics.json``."""
    return {
        "schema_version": 1, "confidence": 0.95, "seed": 1, "methods": {}, "groups": groups,
        "num_comparisons": len(comparisons), "comparisons": list(comparisons), "factors": [],
        "dead_decoders": [], "notes": [],
    }  # fmt: skip


SGD, ADAMW = {"train.optimizer.kind": "sgd"}, {"train.optimizer.kind": "adamw"}
LARGE = {"train.batch_size": 64}


@pytest.fixture
def hub(record):
    """A hub of two groups, one of each optimizer, with the statistics that are given."""

    def made_of(found=None, **changed):
        one = record.model_copy(update={"arms": record.arms[:2]} | changed)
        files = {} if found is None else {"statistics.json": pretty_json(found)}
        return KeptHub(name="2026-01-30T050000Z", record=one, files=files)

    return made_of


def finding(*evidence, level="read back"):
    return Finding(
        id="X-1", date="2026-11-21", level=level, claim="So it is.", basis="Why.", evidence=evidence
    )


def judged(expectation, *hubs):
    (one,) = judge(finding(expectation), hubs).judgements
    return one.outcome, one.words


def rate(**changed):
    given = {"phase": "phase8", "arms": SGD, "expect": "above", "bound": 0.5}
    return RateExpectation(**given | changed)


def comparison(**changed):
    given = {"phase": "phase8", "arms": SGD, "against": ADAMW, "expect": "lower"}
    return ComparisonExpectation(**given | changed)


def rule(text, **changed):
    return RuleExpectation(**{"phase": "phase8", "rule": text} | changed)


# --- rates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "expect", "outcome"),
    [
        ((0.57, 1.0), "above", "supports"),
        ((0.57, 1.0), "below", "contradicts"),
        ((0.0, 0.43), "below", "supports"),
        ((0.0, 0.43), "above", "contradicts"),
        ((0.21, 1.0), "above", "no evidence"),
        ((0.5, 1.0), "above", "no evidence"),
    ],
)
def test_a_rate_counts_by_its_whole_interval(hub, interval, expect, outcome):
    found = statistics([group("stable_sgd", collapsed=1, interval=interval), group("stable_adamw")])
    assert judged(rate(expect=expect), hub(found)) == (
        outcome,
        f"1 of 1 collapsed (Wilson 95 % interval {interval[0]:.2f} to {interval[1]:.2f})",
    )


def test_arms_that_were_not_audited_leave_a_finding_open_that_asks_for_it(hub):
    found = statistics(
        [group("stable_sgd", collapsed=1, interval=(0.57, 1.0)), group("stable_adamw")]
    )
    (one,) = judge(finding(rate(), level="audited"), [hub(found)]).judgements
    assert one.outcome == "open"
    assert one.words == "1 of its arms are read back, and the finding asks for audited ones"


def test_what_rests_on_labels_says_so(hub):
    found = statistics(
        [group("stable_sgd", collapsed=1, interval=(0.57, 1.0)), group("stable_adamw")]
    )
    told = judge(finding(rate()), [hub(found)]).full_status
    assert told == "supported, exploratory, on arms that were read back"


def test_arms_that_did_not_run_as_planned_leave_a_rate_open(hub):
    found = statistics([group(not_counted=["stable_sgd"]), group("stable_adamw")])
    assert judged(rate(), hub(found)) == ("open", "none of these arms ran as planned")


# --- comparisons ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "difference", "expect", "outcome"),
    [
        ((0, 1), 0.8, "lower", "supports"),  # AdamW's rate less SGD's
        ((0, 1), 0.8, "higher", "contradicts"),
        ((0, 1), -0.8, "lower", "contradicts"),
        ((0, 1), -0.8, "higher", "supports"),
        ((1, 0), -0.8, "lower", "supports"),  # the same, told the other way round
        ((1, 0), 0.8, "lower", "contradicts"),
    ],
)
def test_a_difference_counts_by_its_side_whichever_group_comes_first(
    hub, places, difference, expect, outcome
):
    rows = [compared(*places, difference=difference, evidence=True, words="far apart")]
    found = statistics([group("stable_sgd"), group("stable_adamw")], rows)
    assert judged(comparison(expect=expect), hub(found)) == (outcome, "far apart")


def test_a_difference_that_is_not_called_evidence_is_none(hub):
    rows = [compared(0, 1, difference=1.0, evidence=False, words="one seed each")]
    found = statistics([group("stable_sgd"), group("stable_adamw")], rows)
    assert judged(comparison(), hub(found)) == ("no evidence", "one seed each")


def test_a_difference_that_no_outcome_could_have_shown_is_told_so(hub):
    rows = [compared(0, 1, words="3 of 5, 0 of 5"), *[compared(0, 1, knobs=("other",))] * 11]
    found = statistics([group("stable_sgd"), group("stable_adamw")], rows)
    assert judged(comparison(), hub(found)) == (
        "no evidence",
        "3 of 5, 0 of 5; this design could not have shown it: the adjusted p is 0.296 at best",
    )


def test_a_score_is_compared_where_it_is_asked_for(hub):
    rows = [compared(0, 1, amp_ssim=apart(-0.3, evidence=True, words="lower SSIM"))]
    found = statistics([group("stable_sgd"), group("stable_adamw")], rows)
    asked = comparison(measure="amp_ssim", expect="higher")
    assert judged(asked, hub(found)) == ("supports", "lower SSIM")
    asked = comparison(measure="phase_mae", expect="higher")
    assert judged(asked, hub(found)) == ("open", "its statistics do not compare phase_mae")


def test_groups_that_differ_in_several_knobs_say_so(hub):
    rows = [compared(0, 1, knobs=("train.a", "train.b"), words="no evidence")]
    found = statistics([group("stable_sgd"), group("stable_adamw")], rows)
    assert judged(comparison(), hub(found))[1] == (
        "no evidence; the groups differ in train.a and train.b, and no difference can be "
        "attributed to one"
    )


def test_groups_of_another_phase_in_the_same_table_are_not_taken_for_ours(hub):
    groups = [group("stable_sgd", phase="phase7"), group("stable_sgd"), group("stable_adamw")]
    rows = [
        compared(0, 2, difference=1.0, evidence=True, words="theirs"),
        compared(1, 2, difference=-1.0, evidence=True, words="ours"),
    ]
    assert judged(comparison(), hub(statistics(groups, rows))) == ("contradicts", "ours")


# --- rules ---------------------------------------------------------------------------------------


def test_a_rule_has_to_hold_for_every_arm_that_is_asked(hub):
    assert judged(rule("amp_ssim >= 0.8"), hub()) == (
        "contradicts",
        "fails for 1 of 2 arms, as for stable_adamw: 0.2771",
    )
    assert judged(rule("amp_ssim >= 0.8", among="not_collapsed"), hub()) == (
        "supports",
        "holds for all 1 arms that did not collapse",
    )
    assert judged(rule("grad_norm_min <= 0.0", among="collapsed"), hub()) == (
        "supports",
        "holds for all 1 arms that collapsed",
    )
    assert judged(rule("collapsed", arms=ADAMW), hub())[0] == "supports"


def test_a_rule_about_arms_that_there_are_none_of_is_no_evidence(hub):
    assert judged(rule("collapsed", among="collapsed", arms=SGD), hub()) == (
        "no evidence",
        "no arm that collapsed ran as planned",
    )


def test_a_rule_about_what_was_not_measured_stays_open(hub):
    assert judged(rule("phase_ms_ssim >= 0.1", arms=SGD), hub()) == (
        "open",
        "not measured for stable_sgd",
    )


def test_arms_that_failed_are_not_asked(hub, record):
    arms = (record.arms[0], record.arm("stable_dropped"))
    assert judged(rule("amp_ssim >= 0.8"), hub(arms=arms)) == ("supports", "holds for all 1 arms")


# --- what cannot be answered ---------------------------------------------------------------------


def test_without_a_hub_an_expectation_is_open(hub):
    assert judged(rate()) == ("open", "no sealed hub")
    assert judged(rate(phase="phase9"), hub()) == ("open", "no sealed hub")


def test_a_profile_does_not_speak_for_the_phase_nor_the_phase_for_a_profile(hub):
    found = statistics([group("stable_sgd", interval=(0.6, 1.0)), group("stable_adamw")])
    assert judged(rate(), hub(found, profile="quick"))[0] == "open"
    assert judged(rate(profile="quick"), hub(found))[0] == "open"
    assert judged(rate(profile="quick"), hub(found, profile="quick"))[0] == "supports"


def test_where_there_are_several_hubs_it_is_told_that_the_newest_was_asked(hub):
    found = statistics([group("stable_sgd", interval=(0.6, 1.0)), group("stable_adamw")])
    older = dataclasses.replace(hub(), name="2026-01-29T050000Z")
    words = judged(rate(), older, hub(found))[1]
    assert words.endswith("; this is the newest of 2 hubs, the others are not asked")
    cut = dataclasses.replace(hub(interrupted=True), name="2026-01-31T050000Z")
    assert "the newest of" not in judged(rate(), hub(found), cut)[1]


def test_a_hub_without_statistics_leaves_rates_and_differences_open(hub):
    expected = ("open", "the hub has no statistics over arms")
    assert judged(rate(), hub()) == judged(comparison(), hub()) == expected


def test_knobs_that_no_arm_has_leave_it_open(hub):
    found = statistics([group("stable_sgd"), group("stable_adamw")])
    assert judged(rate(arms=LARGE), hub(found)) == ("open", "no arm has batch_size 64")


def test_knobs_that_several_groups_share_do_not_tell_one(hub):
    found = statistics([group("stable_sgd"), group("stable_adamw")])
    assert judged(rate(arms={"train.batch_size": 16}), hub(found)) == (
        "open",
        "the arms with batch_size 16 are not one group of its statistics",
    )


def test_true_is_no_number(hub):
    found = statistics([group("stable_sgd"), group("stable_adamw")])
    assert judged(rate(arms={"dataset.gridsize": True}), hub(found))[1].startswith("no arm has")


def test_statistics_of_another_shape_are_refused(hub):
    with pytest.raises(VerificationError) as caught:
        judged(rate(), hub({"schema_version": 1, "groups": []}))
    assert str(caught.value) == (
        "hubs/phase8/2026-01-30T050000Z/statistics.json: confidence: Field required; "
        "leave the hub out"
    )


# --- the whole claim -----------------------------------------------------------------------------


def status(*outcomes):
    found = tuple(
        Judgement(expectation="", outcome=outcome, words="", phase="phase8") for outcome in outcomes
    )
    return JudgedFinding(finding=finding(), judgements=found).status


def test_a_claim_holds_only_if_all_that_is_expected_holds():
    assert status() == "open"
    assert status("supports") == "supported"
    assert status("supports", "no evidence") == "no evidence"
    assert status("supports", "open") == "open"
    assert status("supports", "contradicts") == "refuted"


def test_the_order_of_expectations_does_not_matter():
    kinds = ("supports", "contradicts", "no evidence", "open")
    for outcomes in itertools.product(kinds, repeat=3):
        assert status(*outcomes) == status(*sorted(outcomes))


def test_expectations_are_told_in_words():
    assert expectation_words(rate()) == "more than 50% of runs with optimizer sgd collapse"
    assert expectation_words(comparison()) == (
        "rate of collapse with optimizer sgd lower than with optimizer adamw"
    )
    two = {"model.decoder_norm": "none", "train.learning_rate": 2e-2}
    assert expectation_words(comparison(measure="amp_ssim", arms=two, expect="higher")) == (
        "amp_ssim with decoder_norm none and learning_rate 0.02 higher than with optimizer adamw"
    )
    assert expectation_words(rule("not has_nan", among="collapsed")) == (
        "not has_nan for every arm that collapsed"
    )
