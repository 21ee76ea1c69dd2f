"""What comparisons say, most of all where they must say nothing."""

import pytest

from models.config.summary import Summary
from models.summary.comparisons import METRICS, compare
from tests.models.summary.conftest import group, run


def compared(*groups, knobs=("train.learning_rate",), pairs=((0, 1),)):
    place = {"phase": "p", "hub": "p/1", "knobs": {}, "arms": ()}
    summary = Summary.model_validate(
        {
            "groups": tuple({**place, "name": g.label, "label": g.label} for g in groups),
            "pairs": tuple({"groups": pair, "knobs": knobs} for pair in pairs),
            "factors": (),
        }
    )
    return compare(summary, groups, seed=1)


def test_one_of_three_against_none_of_three_is_no_evidence():
    (pair,) = compared(group("a", 2, 1), group("b", 3))
    assert pair["collapse"]["p_value"] == 1.0
    assert pair["collapse"]["evidence"] is False
    assert pair["collapse"]["words"] == (
        "a: 1 of 3 collapsed, b: 0 of 3; no evidence of a difference (Fisher p = 1); "
        "so few runs cannot show one: no result has a p below 0.1"
    )


def test_one_seed_each_is_no_evidence_either_way():
    (pair,) = compared(group("a", 1), group("b", 0, 1))
    assert pair["collapse"]["words"] == (
        "a: 0 of 1 collapsed, b: 1 of 1; one seed each: no evidence either way"
    )
    row = pair["metrics"]["amp_ssim"]
    assert row["words"] == (
        "Δ median amp_ssim, b − a: -0.62; one seed each: no evidence either way"
    )
    assert (row["interval"], row["p_value"], row["evidence"]) == (None, None, False)
    assert row["reason"].startswith("an interval needs at least 5 runs in each group")


def test_all_of_five_against_none_of_five_is_evidence():
    (pair,) = compared(group("a", 5), group("b", 0, 5))
    collapse = pair["collapse"]
    assert collapse["p_value"] == pytest.approx(2 / 252)
    assert (collapse["difference"], collapse["evidence"]) == (1.0, True)
    assert collapse["words"] == (
        "a: 0 of 5 collapsed, b: 5 of 5; evidence that b collapses more often (Fisher p = 0.00794)"
    )
    assert pair["metrics"]["amp_ssim"]["evidence"] is True
    assert pair["metrics"]["amp_ssim"]["interval"][1] < 0


def test_the_same_among_many_comparisons_is_a_hint_at_most():
    sound = [group(name, 5) for name in "abcd"]
    pairs = [(0, 4), (0, 1), (0, 2), (0, 3), (1, 2), (1, 3)]
    first, *others = compared(*sound, group("e", 0, 5), pairs=pairs)
    assert first["collapse"]["p_value"] == pytest.approx(2 / 252)
    harmonic = sum(1 / rank for rank in range(1, 7))
    assert first["collapse"]["p_adjusted"] == pytest.approx(2 / 252 * 6 * harmonic)
    assert first["collapse"]["words"].endswith(
        "no evidence of a difference (Fisher p = 0.00794, adjusted for 6 comparisons 0.117); "
        "a hint at most: among so many comparisons such a result can be chance"
    )
    assert not any(pair["collapse"]["evidence"] for pair in others)


def test_scores_of_runs_that_did_not_collapse_are_compared_apart():
    (pair,) = compared(group("a", 5), group("b", 5, 5))
    row = pair["metrics"]["amp_ssim"]
    assert row["n"] == [5, 10]
    assert row["not_collapsed"]["n"] == [5, 5]
    assert row["not_collapsed"]["difference"] == 0
    assert row["not_collapsed"]["evidence"] is False


def test_where_every_run_collapsed_nothing_sound_is_left_to_compare():
    (pair,) = compared(group("a", 0, 5), group("b", 5))
    row = pair["metrics"]["amp_ssim"]["not_collapsed"]
    assert row["words"] == "amp_ssim: no evidence: one of the groups has no run with this score"


def test_a_score_that_means_nothing_for_a_run_is_left_out_of_its_group():
    one = group("a", 5)
    void = group("b", 4).runs
    other = type(one)(label="b", runs=(*void, run(phase_ssim=None), run(phase_ssim=float("nan"))))
    (pair,) = compared(one, other)
    assert pair["metrics"]["phase_ssim"]["n"] == [5, 4]
    assert pair["metrics"]["amp_mae"]["n"] == [5, 6]


def test_a_group_without_arms_that_count_is_named():
    (pair,) = compared(group("a", 5), group("b", 0))
    assert pair["collapse"]["words"] == "no evidence: no arm of b counts"
    assert pair["collapse"]["p_value"] is None
    assert pair["metrics"]["amp_ssim"]["difference"] is None


def test_a_comparison_is_controlled_if_one_knob_differs():
    for knobs, controlled in (((), False), (("x",), True), (("x", "y"), False)):
        (pair,) = compared(group("a", 1), group("b", 1), knobs=knobs)
        assert pair["controlled"] is controlled


def test_no_sentence_speaks_of_no_effect():
    groups = [group("a", 5), group("b", 0, 5), group("c", 1), group("d", 0), group("e", 3, 2)]
    pairs = [(i, j) for i in range(5) for j in range(i)]
    for pair in compared(*groups, pairs=pairs):
        rows = [pair["collapse"]]
        for metric in METRICS:
            rows += [pair["metrics"][metric], pair["metrics"][metric]["not_collapsed"]]
        for row in rows:
            assert "no effect" not in row["words"]
            assert ("no evidence" in row["words"]) is not row["evidence"]
