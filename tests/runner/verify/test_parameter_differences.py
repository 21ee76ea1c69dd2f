"""The knobs in which plans differ, as a reader counts them."""

from models.config import Parameters
from runner.verify.parameter_differences import between, computed, differing, means_nothing


def plan(**tables):
    return Parameters.model_validate(tables).model_dump(mode="json")


def apart(a, b):
    return between(a, b, *differing([a, b]))


def test_plans_that_are_the_same_differ_in_nothing():
    assert differing([plan(), plan()]) == [{}, {}]
    assert apart(plan(), plan()) == ()


def test_a_leaf_is_a_knob_with_its_value_in_each_plan():
    a, b = plan(train={"learning_rate": 1e-3}), plan(train={"learning_rate": 2e-3})
    assert differing([a, b]) == [{"train.learning_rate": 1e-3}, {"train.learning_rate": 2e-3}]


def test_tables_of_other_kinds_are_one_knob_in_one_text():
    none, norm = plan(), plan(train={"clip": {"kind": "norm", "max_norm": 0.5}})
    assert differing([none, norm]) == [
        {"train.clip": "none"},
        {"train.clip": "norm (max_norm 0.5)"},
    ]
    adamw = plan(train={"optimizer": {"kind": "adamw", "betas": (0.9, 0.99), "weight_decay": 0.01}})
    assert differing([none, adamw])[1]["train.optimizer"].startswith("adamw (betas [0.9, 0.99]")


def test_tables_of_one_kind_differ_in_their_keys():
    low, high = (plan(train={"clip": {"kind": "norm", "max_norm": norm}}) for norm in (0.5, 1.0))
    assert differing([low, high]) == [
        {"train.clip.max_norm": 0.5},
        {"train.clip.max_norm": 1.0},
    ]


def test_what_an_arm_records_is_no_knob():
    a = plan(diagnostics={"activations": True, "activation_report": "activation_report_a.json"})
    b = plan(diagnostics={"grad_norm_every": 5})
    assert computed(a) == computed(b) == computed(plan())
    assert apart(a, b) == ()


def test_a_knob_that_only_follows_from_another_is_not_named():
    hybrid, stable = plan(), plan(model={"architecture": "stable_hybrid"})
    assert apart(hybrid, stable) == apart(stable, hybrid) == ("model.architecture",)


def test_two_knobs_stay_two_even_if_one_of_them_is_absent_by_choice():
    a = plan(model={"fno_blocks": 4})
    b = plan(model={"fno_blocks": 3, "max_hidden_channels": 512})
    assert apart(a, b) == ("model.fno_blocks", "model.max_hidden_channels")


def test_a_knob_that_is_absent_by_choice_is_named_where_it_is_the_only_one():
    a, b = plan(), plan(model={"max_hidden_channels": 512})
    assert apart(a, b) == ("model.max_hidden_channels",)


def test_a_knob_means_nothing_where_the_plan_refuses_it():
    hybrid = plan()
    assert means_nothing(hybrid, "model.stable_block", "layerscale")
    assert not means_nothing(hybrid, "model.max_hidden_channels", 512)
    assert not means_nothing({"train": {"unknown": 1}}, "model.stable_block", "layerscale")
    assert not means_nothing(hybrid, "train.clip", "norm")
