"""A knob that did not reach the live objects is named; so are arms that are one and the same."""

import copy
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import Parameters, count_parameters, steps_per_epoch
from runner.record import ArmRecord, differing_knobs, leaves
from runner.rules import parse
from runner.verdict import compare_effective, exit_code, identical_arms, judge

PLANS = {
    "plain": {},
    "sgd, warm-up, clip": {
        "model": {"architecture": "stable_hybrid", "max_hidden_channels": 64},
        "train": {
            "epochs": 6,
            "optimizer": {"kind": "sgd"},
            "scheduler": {"kind": "warmup_cosine", "warmup_epochs": 2},
            "clip": {"kind": "norm", "max_norm": 0.5},
        },
        "diagnostics": {"activations": True},
    },
}
ALL = {name: Parameters.model_validate(plan) for name, plan in PLANS.items()}
CLIPPED = ALL["sgd, warm-up, clip"]
SEED = 20260128
CPU = SimpleNamespace(device="cpu", threads=2)


def shown(planned):
    """The effective configuration of a run in which everything came through."""
    train = planned.train
    return {
        "schema_version": 1,
        "parameters": planned.model_dump(mode="json"),
        "seed": SEED,
        "execution": {"device": "cpu", "threads": 2, "deterministic_algorithms": True},
        "observed": {
            "learning_rate_by_epoch": [train.learning_rate_at(e) for e in range(train.epochs)],
            "steps_by_epoch": [steps_per_epoch(planned.dataset, train)] * train.epochs,
            "num_parameters": count_parameters(planned).live,
            "max_post_clip_norm": 0.5 if train.clip.kind == "norm" else 31.7,
            "optimizer_class": "torch.optim.sgd.SGD",
        },
    }


def compared(planned, effective):
    effective = json.loads(json.dumps(effective))
    return compare_effective(planned.model_dump(mode="json"), SEED, CPU, effective)


def told(planned, effective):
    return [(d.knob, d.kind, d.planned, d.effective) for d in compared(planned, effective)]


def place(table, knob):
    *path, last = knob.split(".")
    for name in path:
        table = table[name]
    return table, last


KNOBS = [(name, knob) for name, plan in ALL.items() for knob, _ in leaves(plan.model_dump())]


@pytest.mark.parametrize("planned", ALL.values(), ids=ALL)
def test_a_run_that_shows_its_plan_has_no_differences(planned):
    assert compared(planned, shown(planned)) == ()


@pytest.mark.parametrize(("name", "knob"), KNOBS)
def test_every_knob_that_comes_back_otherwise_is_named(name, knob):
    effective = shown(ALL[name])
    table, last = place(effective["parameters"], knob)
    before = table[last]
    table[last] = {bool: not before, str: "other", type(None): 7, list: [0.5, 0.5]}.get(
        type(before), 2 * before + 1 if isinstance(before, int | float) else None
    )
    assert told(ALL[name], effective) == [(knob, "different", before, table[last])]


@pytest.mark.parametrize(("name", "knob"), KNOBS)
def test_every_knob_that_does_not_come_back_is_named(name, knob):
    effective = shown(ALL[name])
    table, last = place(effective["parameters"], knob)
    before = table.pop(last)
    assert told(ALL[name], effective) == [(knob, "missing", before, None)]


def test_a_knob_that_the_plan_does_not_have_is_unexpected():
    effective = shown(CLIPPED)
    effective["parameters"]["train"]["optimizer"]["dampening"] = 0.1
    assert told(CLIPPED, effective) == [("train.optimizer.dampening", "unexpected", None, 0.1)]


def test_another_kind_of_optimizer_names_its_knobs_too():
    effective = shown(CLIPPED)
    effective["parameters"]["train"]["optimizer"] = {"kind": "adam", "weight_decay": 0.0}
    assert told(CLIPPED, effective) == [
        ("train.optimizer.kind", "different", "sgd", "adam"),
        ("train.optimizer.momentum", "missing", 0.9, None),
    ]


@pytest.mark.parametrize(
    ("knob", "value", "same"),
    [
        ("train.learning_rate", 1e-3 * (1 + 9e-7), True),
        ("train.learning_rate", 1e-3 * (1 + 2e-6), False),
        ("train.learning_rate", -1e-3, False),
        ("train.learning_rate", "0.001", False),
        ("train.optimizer.weight_decay", 0, True),
        ("train.optimizer.weight_decay", 1e-12, False),
        ("train.optimizer.weight_decay", False, False),
        ("train.optimizer.weight_decay", None, False),
        ("train.optimizer.betas", [0.9, 0.9990001], True),
        ("train.optimizer.betas", [0.9], False),
        ("train.optimizer.betas", [0.9, 0.999, 0.999], False),
        ("train.optimizer.betas", 0.9, False),
        ("train.epochs", 20.0, False),
        ("train.batch_size", 16.0000001, False),
        ("dataset.set_phi", 1, False),
        ("dataset.gridsize", True, False),
        ("dataset.photons", 1000000000, True),
        ("dataset.photons", 10**19, False),
    ],
)
def test_floats_may_round_and_nothing_else_may(knob, value, same):
    planned = ALL["plain"]
    effective = shown(planned)
    table, last = place(effective["parameters"], knob)
    table[last] = value
    assert [d.knob for d in compared(planned, effective)] == ([] if same else [knob])


@given(st.floats(1e-9, 1e9), st.floats(-9e-7, 9e-7))
def test_a_float_that_went_through_float32_is_the_same(number, rounding):
    planned = Parameters.model_validate({"dataset": {"photons": number}})
    effective = shown(planned)
    effective["parameters"]["dataset"]["photons"] = number * (1 + rounding)
    assert compared(planned, effective) == ()


@pytest.mark.parametrize(
    ("section", "knob", "value", "expected"),
    [
        ("execution", "device", "cuda", ("execution.device", "different", "cpu", "cuda")),
        ("execution", "threads", 1, ("execution.threads", "different", 2, 1)),
        (
            "execution",
            "deterministic_algorithms",
            False,
            ("execution.deterministic_algorithms", "different", True, False),
        ),
        ("observed", "num_parameters", 1, None),
        (
            "observed",
            "max_post_clip_norm",
            0.50001,
            ("observed.max_post_clip_norm", "different", 0.5, 0.50001),
        ),
        (
            "observed",
            "max_post_clip_norm",
            None,
            ("observed.max_post_clip_norm", "different", 0.5, None),
        ),
    ],
)
def test_what_was_in_force_is_compared_too(section, knob, value, expected):
    effective = shown(CLIPPED)
    if expected is None:
        expected = (f"{section}.{knob}", "different", effective[section][knob], value)
    effective[section][knob] = value
    assert told(CLIPPED, effective) == [expected]


def test_a_clipped_norm_may_round_and_may_be_far_below():
    for norm in (0.500004, 0.1, 0):
        effective = shown(CLIPPED)
        effective["observed"]["max_post_clip_norm"] = norm
        assert compared(CLIPPED, effective) == ()


def test_without_clipping_no_norm_is_too_large():
    effective = shown(ALL["plain"])
    effective["observed"]["max_post_clip_norm"] = 1e9
    assert compared(ALL["plain"], effective) == ()


def test_another_seed_is_named():
    assert told(CLIPPED, shown(CLIPPED) | {"seed": 1}) == [("seed", "different", SEED, 1)]
    assert told(CLIPPED, shown(CLIPPED) | {"seed": float(SEED)}) == [
        ("seed", "different", SEED, float(SEED))
    ]


def test_an_epoch_with_another_learning_rate_is_named():
    effective = shown(CLIPPED)
    rates = effective["observed"]["learning_rate_by_epoch"]
    wanted, rates[3] = rates[3], 1e-3
    assert told(CLIPPED, effective) == [
        ("observed.learning_rate_by_epoch[3]", "different", wanted, 1e-3)
    ]


def test_a_schedule_that_never_acted_shows_in_all_its_epochs_but_the_full_one():
    effective = shown(CLIPPED)
    effective["observed"]["learning_rate_by_epoch"] = [1e-3] * 6
    named = [d.knob for d in compared(CLIPPED, effective)]
    assert named == [f"observed.learning_rate_by_epoch[{epoch}]" for epoch in (0, 1, 3, 4, 5)]


@pytest.mark.parametrize(
    ("series", "length"), [("learning_rate_by_epoch", 5), ("steps_by_epoch", 7)]
)
def test_another_number_of_epochs_is_named(series, length):
    effective = shown(CLIPPED)
    observed = effective["observed"]
    observed[series] = (observed[series] * 2)[:length]
    assert (f"observed.{series} (epochs)", "different", 6, length) in told(CLIPPED, effective)


def test_an_epoch_that_lost_a_step_is_named():
    effective = shown(CLIPPED)
    effective["observed"]["steps_by_epoch"][5] -= 1
    steps = steps_per_epoch(CLIPPED.dataset, CLIPPED.train)
    assert told(CLIPPED, effective) == [
        ("observed.steps_by_epoch[5]", "different", steps, steps - 1)
    ]


@pytest.mark.parametrize("section", ["parameters", "seed", "execution", "observed"])
@pytest.mark.parametrize("value", [None, [], "x", 3.5])
def test_a_section_that_is_no_table_hides_nothing(section, value):
    kinds = {d.kind for d in compared(CLIPPED, shown(CLIPPED) | {section: value})}
    assert kinds in ({"missing"}, {"different"})


def test_an_empty_configuration_lacks_every_knob():
    named = {d.knob for d in compared(CLIPPED, {})}
    planned = {knob for knob, _ in leaves(CLIPPED.model_dump())}
    assert named == planned | {
        "seed",
        "execution.device",
        "execution.threads",
        "execution.deterministic_algorithms",
        "observed.learning_rate_by_epoch",
        "observed.steps_by_epoch",
        "observed.num_parameters",
        "observed.max_post_clip_norm",
    }


scalars = st.none() | st.booleans() | st.integers(-(10**19), 10**19) | st.text()
json_values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(["parameters", "seed", "execution", "observed"]), json_values)
def test_whatever_an_arm_writes_is_compared_and_never_trips(section, value):
    effective = shown(CLIPPED) | {section: value}
    assert compare_effective(CLIPPED.model_dump(mode="json"), SEED, CPU, effective)


# --- identical arms ------------------------------------------------------------------------------


def plans(**changed):
    base = CLIPPED.model_dump(mode="json") | {"seed": SEED}
    found = {}
    for name, change in changed.items():
        found[name] = copy.deepcopy(base)
        for knob, value in change.items():
            table, last = place(found[name], knob)
            table[last] = value
    return found


def test_arms_with_one_result_and_two_plans_name_the_knobs_that_had_no_effect():
    planned = plans(a={}, b={"train.clip.max_norm": 9.0, "seed": 1}, c={"train.epochs": 7})
    (group,) = identical_arms(planned, {"a": "x", "b": "x", "c": "y"})
    assert group.arms == ("a", "b")
    assert group.knobs == ("seed", "train.clip.max_norm")
    assert group.final_weights_sha256 == "x"


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


# --- the exit code -------------------------------------------------------------------------------


def ending(record, *statuses, dataset="succeeded", **changed):
    arms = tuple(
        ArmRecord(**record.arms[0].model_dump() | {"status": status}) for status in statuses
    )
    return exit_code(
        record.model_copy(
            update={
                "arms": arms,
                "dataset": record.dataset.model_copy(update={"status": dataset}),
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
