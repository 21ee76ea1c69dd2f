"""Arms that are one and the same are named; rules are recorded; the exit code tells the end."""

import copy

import pytest

from models.config import Parameters
from runner.hub.leaves import differing_knobs
from runner.hub.records.arm import ArmRecord
from runner.manifest.rule_parser import parse
from runner.verify.verdict import exit_code, identical_arms, judge

SEED = 20260128
PLAN = Parameters.model_validate(
    {"train": {"optimizer": {"kind": "sgd"}, "clip": {"kind": "norm", "max_norm": 0.5}}}
)


def place(table, knob):
    *path, last = knob.split(".")
    for name in path:
        table = table[name]
    return table, last


# --- identical arms ------------------------------------------------------------------------------


def plans(**changed):
    base = PLAN.model_dump(mode="json") | {"seed": SEED}
    found = {}
    for name, change in changed.items():
        found[name] = copy.deepcopy(base)
        for knob, value in change.items():
            table, last = place(found[name], knob)
            table[last] = value
    return found


def test_arms_with_one_result_and_two_plans_name_the_knobs_that_had_no_effect():
    planned = plans(a={}, b={"train.clip.max_norm": 9.0, "seed": 1}, c={"train.epochs": 7})
    one, other = "1" * 64, "2" * 64
    (group,) = identical_arms(planned, {"a": one, "b": one, "c": other})
    assert group.arms == ("a", "b")
    assert group.knobs == ("seed", "train.clip.max_norm")
    assert group.final_weights_sha256 == one


def test_arms_with_one_plan_are_expected_to_be_identical():
    assert identical_arms(plans(a={}, b={}), {"a": "x", "b": "x"}) == ()


def test_arms_that_left_no_weights_are_not_identical():
    planned = plans(a={}, b={"train.epochs": 7}, c={"train.epochs": 8})
    assert identical_arms(planned, {"a": None, "b": None, "c": "x"}) == ()


def test_a_knob_that_only_one_arm_has_differs():
    assert differing_knobs([{"a": {"b": 1}}, {"a": {"b": 1, "c": None}}]) == ("a.c",)


def test_true_and_one_are_two_plans():
    assert differing_knobs([{"a": 1}, {"a": True}]) == ("a",)


# --- rules ---------------------------------------------------------------------------------------


def test_rules_are_recorded_with_what_was_measured():
    rules = [parse("amp_ssim >= 0.8"), parse("not collapsed"), parse("phase_mae <= 0.1")]
    ssim, collapsed, mae = judge(rules, {"amp_ssim": 0.75, "collapsed": False, "phase_mae": None})
    assert (ssim.rule, ssim.measured, ssim.holds) == ("amp_ssim >= 0.8", 0.75, False)
    assert ssim.margin == pytest.approx(-0.05)
    assert (collapsed.rule, collapsed.measured, collapsed.holds) == ("not collapsed", False, True)
    assert (mae.measured, mae.margin, mae.holds) == (None, None, None)


def test_a_rule_of_several_parts_is_recorded_with_what_decides_and_all_that_was_measured():
    rule = parse("amp_ssim >= 0.8 and not collapsed")
    (record,) = judge([rule], {"amp_ssim": 0.75, "collapsed": False})
    assert (record.rule, record.holds) == ("amp_ssim >= 0.8 and not collapsed", False)
    assert (record.decided_by, record.measured) == ("amp_ssim >= 0.8", 0.75)
    assert record.margin == pytest.approx(-0.05)
    assert record.values == {"amp_ssim": 0.75, "collapsed": False}


# --- the exit code -------------------------------------------------------------------------------


def ending(record, *statuses, dataset="succeeded", **changed):
    arms = tuple(
        ArmRecord(**record.arms[0].model_dump() | {"status": status}) for status in statuses
    )
    return exit_code(
        record.model_copy(
            update={
                "arms": arms,
                "datasets": (record.datasets[0].model_copy(update={"status": dataset}),),
                **changed,
            }
        )
    )


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["succeeded"], 0),
        (["succeeded", "succeeded"], 0),
        (["succeeded", "failed"], 1),
        (["out_of_memory"], 1),
        (["could_not_start"], 1),
        (["invalid_output"], 1),
        (["configuration_differs", "succeeded"], 1),
        (["succeeded", "not_run"], 1),
        (["succeeded", "timed_out"], 5),
        (["timed_out", "timed_out"], 5),
        (["timed_out", "failed"], 1),
        (["succeeded", "interrupted"], 130),
        (["failed", "timed_out", "interrupted"], 130),
    ],
)
def test_the_exit_code_tells_how_the_arms_ended(record, statuses, code):
    assert ending(record, *statuses) == code


def test_an_interrupted_run_exits_130_although_all_that_ran_succeeded(record):
    assert ending(record, "succeeded", interrupted=True) == 130


def test_a_dataset_that_ran_out_of_time_exits_5(record):
    assert ending(record, "not_run", "not_run", dataset="timed_out") == 5


def test_a_dataset_that_failed_exits_1(record):
    assert ending(record, "not_run", dataset="failed") == 1


def test_a_collapse_is_a_result_and_no_failure(record):
    collapsed = record.model_copy(update={"arms": (record.arm("stable_adamw"),)})
    assert exit_code(collapsed) == 0


def test_a_required_rule_that_does_not_hold_fails_the_phase(record):
    collapsed = record.model_copy(update={"arms": (record.arm("stable_adamw"),)})
    assert exit_code(collapsed.model_copy(update={"rules_required": True})) == 1
    fine = record.model_copy(update={"arms": (record.arm("stable_sgd"),), "rules_required": True})
    assert exit_code(fine) == 0


def test_a_required_rule_that_was_not_measured_fails_the_phase(record):
    arm = record.arm("stable_sgd")
    rules = (arm.rules[0].model_copy(update={"holds": None, "measured": None, "margin": None}),)
    unmeasured = record.model_copy(
        update={"arms": (arm.model_copy(update={"rules": rules}),), "rules_required": True}
    )
    assert exit_code(unmeasured) == 1
