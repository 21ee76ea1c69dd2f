"""Pages say by which definitions scores and collapse are, and what an arm came to."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from models.config import SCORE_DEFINITION
from runner.core.digest import pretty_json
from runner.hub import layout
from runner.hub.metrics_table import metrics_rows
from runner.hub.records.arm import ArmRecord
from runner.phase.arms import describe
from runner.phase.conditions import judge_condition
from runner.report.arm_rows import arm_table, definitions
from runner.report.groups import group_row
from runner.report.hub_text import render_show
from runner.report.pages import render
from runner.report.statements import statements
from runner.report.view import make_view
from runner.report.wording import came_about
from runner.verify import consistency
from runner.verify.statistics import Group

NEW = {
    "score_definition": 2, "phase_aligned_ssim": 0.9512, "phase_aligned_mae": 0.0499,
    "amp_contrast": 0.97, "phase_contrast": 0.81, "low_contrast": False, "phase_flat": False,
    "not_finite": False, "unlike_object": False, "unfinished": False,
    "nonfinite_epoch": None, "recovered_epoch": None, "collapse_kind": None,
}  # fmt: skip


def renewed(arm: ArmRecord, **changed) -> ArmRecord:
    """An arm as one of today's leaves it."""
    stats = arm.stats | NEW | changed
    return arm.model_copy(
        update={
            "stats": stats,
            "score_definition": 2,
            "collapse_kind": stats["collapse_kind"],
            "collapsed": stats["collapsed"],
            "collapse_epoch": stats["collapse_epoch"],
            "collapse_reason": stats["collapse_reason"],
        }
    )


@pytest.fixture
def sound(record):
    return record.arm("stable_sgd")


def alone(record, *arms):
    return record.model_copy(update={"arms": arms})


def told(record, *arms):
    return [one.text for one in statements(alone(record, *arms))]


def test_the_record_has_the_definition_that_the_arms_are_made_with():
    assert ArmRecord.model_fields["score_definition"].default == 1, "hubs without the key are old"
    assert NEW["score_definition"] == SCORE_DEFINITION


def test_an_old_hub_is_shown_with_its_scores_and_says_that_they_are_old(record, hub_folder):
    view = make_view(record)
    assert ("phase SSIM", "phase_ssim") in view.results
    for text in (
        render(layout.SUMMARY, view, hub_folder),
        render(layout.REPORT, view, hub_folder),
        render_show(record),
    ):
        assert "Scores and collapse by the old definition 1: the phase is scored with" in text
        assert "definition 2" not in text


def test_a_new_hub_shows_the_aligned_scores_under_their_own_name(record, sound, hub_folder):
    new = alone(record, renewed(sound))
    view = make_view(new)
    headings = [heading for heading, _ in view.results]
    assert headings[-2:] == ["phase SSIM, aligned", "phase MAE, aligned"]
    assert "phase SSIM" not in headings
    for text in (render(layout.SUMMARY, view, hub_folder), render_show(new)):
        assert "0.9512" in text
        assert "Scores and collapse by definition 2: the phase is scored once its global" in text
        assert "old definition" not in text


def test_beside_each_other_both_have_columns_and_names(sound):
    table = arm_table([(None, renewed(sound)), ("phase3", sound)])
    assert [stat for _, stat in table.results][-4:] == [
        "phase_ssim", "phase_mae", "phase_aligned_ssim", "phase_aligned_mae",
    ]  # fmt: skip
    old, new = table.definitions.split("; ")
    assert old.startswith("Scores and collapse of phase3 by the old definition 1")
    assert new.startswith("of this hub by definition 2")


def test_a_definition_of_a_later_phasehub_is_named_and_not_explained(sound):
    later = sound.model_copy(update={"score_definition": 3})
    assert definitions([(None, later)]).endswith(
        "by definition 3, which this phasehub does not know."
    )


OUTCOMES = {
    "not_finite": (
        {
            "collapse_kind": "not_finite",
            "collapse_epoch": 3,
            "collapse_reason": "not finite: the last epoch's loss is NaN",
        },
        "not finite",
        "stable_sgd is not finite: the last epoch's loss is NaN.",
    ),
    "unlike_object": (
        {
            "collapse_kind": "unlike_object",
            "collapse_reason": "unlike the object: amp_ssim 0.310 is below 0.5",
        },
        "unlike the object",
        "stable_sgd is unlike the object: amp_ssim 0.310 is below 0.5.",
    ),
    "unfinished": (
        {"unfinished": True, "amp_ssim": 0.31},
        "unfinished",
        "stable_sgd is unfinished: amp_ssim 0.3100 is that of no object yet, and the loss was "
        "still falling at the last epoch.",
    ),
}


@pytest.mark.parametrize("word", OUTCOMES)
def test_what_is_no_collapse_is_an_outcome_of_its_own(record, sound, word):
    changed, cell, sentence = OUTCOMES[word]
    arm = renewed(sound, **changed)
    assert arm.fate.shortcoming == word
    assert came_about(arm) == cell
    assert sentence in told(record, arm)
    assert not any("collapsed" in text or "No collapse" in text for text in told(record, arm))
    assert arm_table([(None, arm)]).rows[0].fate == "unsound"
    assert "; collapsed" not in describe(arm)
    assert cell in describe(arm)
    assert not judge_condition("an_arm_collapses", [arm]).held


def test_a_flat_arm_has_collapsed_as_before(record, sound):
    arm = renewed(
        sound, collapsed=True, collapse_kind="flat", collapse_epoch=7, collapse_reason="flat: 0"
    )
    assert (arm.fate.shortcoming, came_about(arm)) == (None, "epoch 7")
    assert "stable_sgd collapsed at epoch 7: flat: 0." in told(record, arm)
    assert judge_condition("an_arm_collapses", [arm]).held


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"low_contrast": True, "amp_contrast": 0.253},
            "stable_sgd: its amplitude has 25% of the true contrast.",
        ),
        (
            {"phase_flat": True},
            "stable_sgd: its phase is constant, while its amplitude is not: the phase alone has "
            "collapsed.",
        ),
        (
            {"has_nan": True, "nonfinite_epoch": 2, "recovered_epoch": 4},
            "stable_sgd: its losses were not finite at epoch 2, and finite again from epoch 4 on.",
        ),
    ],
)
def test_what_no_score_tells_is_told(record, sound, changed, sentence):
    assert sentence in told(record, renewed(sound, **changed))
    assert sentence not in told(record, renewed(sound))


def test_many_arms_are_counted_by_outcome(record, sound):
    arms = [
        renewed(sound, **OUTCOMES[word][0]).model_copy(update={"name": f"a{number}"})
        for number, word in enumerate([*OUTCOMES] * 5)
    ]
    texts = told(record, *arms)
    assert "0 of 15 arms collapsed." in texts
    assert "5 of 15 arms are unlike the object." in texts
    assert "5 of 15 arms are unfinished." in texts


def test_a_group_counts_what_is_no_collapse_beside_it():
    facts = {
        "name": "g", "label": "g", "phase": "p", "hub": "h", "knobs": {}, "arms": ["a", "b", "c"],
        "seeds": [1, 2, 3], "not_counted": [], "num_arms": 3, "num_collapsed": 1,
        "arms_collapsed": ["a"], "collapse_rate": 1 / 3, "collapse_interval": [0.1, 0.8],
        "metrics": {},
    }  # fmt: skip
    old = Group.model_validate(facts)
    new = Group.model_validate(facts | {"other_outcomes": {"not_finite": 1, "unfinished": 1}})
    assert [group_row(group, ()).reached for group in (old, new)] == [
        "1 of 3", "1 of 3 (1 not finite, 1 unfinished)",
    ]  # fmt: skip


def test_the_table_of_a_hub_from_before_a_score_existed_is_still_its_own(record, tmp_path):
    """Rows have the names of the scores of their time; a null that is not there says the same."""
    rows = metrics_rows(record)
    for row in rows:
        assert row.pop("phase_aligned_ssim") is None
    path = tmp_path / layout.metrics_name(record.stage, record.phase)
    path.write_bytes(pretty_json(rows))
    sealed = SimpleNamespace(record=record, folder=tmp_path)
    assert not [one for one in consistency.check_whole(sealed) if "metrics" in one]
    rows[0]["amp_ssim"] = None
    path.write_bytes(pretty_json(rows))
    assert [one for one in consistency.check_whole(sealed) if "metrics" in one]
