"""A knob that did not reach the live objects is named, and so is what does not follow from it."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.config import Parameters, count_parameters, steps_per_epoch
from runner.hub.leaves import leaves
from runner.verify.effective import compare_effective, compare_history

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
    "plateau": {"train": {"epochs": 9, "scheduler": {"kind": "plateau", "patience": 1}}},
}
ALL = {name: Parameters.model_validate(plan) for name, plan in PLANS.items()}
CLIPPED = ALL["sgd, warm-up, clip"]
SEED = 20260128
CPU = SimpleNamespace(device="cpu", threads=2, determinism="native")


def losses(epochs):
    """Validation losses that fall, stay, rise and are once not finite."""
    return [*[0.9, 0.5, 0.5, None, 0.4, 0.6, 0.6, 0.6, 0.7], *[0.3] * 11][:epochs]


def shown(planned):
    """The effective configuration of a run in which everything came through."""
    train = planned.train
    return {
        "schema_version": 2,
        "parameters": planned.model_dump(mode="json"),
        "seed": SEED,
        "execution": {
            "device": "cpu",
            "threads": 2,
            "determinism": "native",
            "deterministic_algorithms": True,
        },
        "observed": {
            "val_loss_by_epoch": losses(train.epochs),
            "learning_rate_by_epoch": [
                train.learning_rate_after(losses(e)) for e in range(train.epochs)
            ],
            "steps_by_epoch": [steps_per_epoch(planned.dataset, train)] * train.epochs,
            "num_parameters": count_parameters(planned).live,
            "max_post_clip_norm": 0.5 if train.clip.kind == "norm" else 31.7,
            "max_post_clip_value": 0.25 if train.clip.kind == "value" else None,
            "max_post_clip_ratio": 0.01 if "agc" in train.clip.kind else None,
            "optimizer_class": "torch.optim.sgd.SGD",
            "optimizer_settings": planned.train.optimizer.fixed,
            "parameters_not_in_one_group": [],
            "modules_not_called": [],
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
        (
            "execution",
            "determinism",
            "portable",
            ("execution.determinism", "different", "native", "portable"),
        ),
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


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        ({"kind": "value", "max_value": 0.25}, "max_post_clip_value"),
        ({"kind": "agc"}, "max_post_clip_ratio"),
        ({"kind": "agc_per_tensor"}, "max_post_clip_ratio"),
    ],
)
def test_every_way_of_clipping_is_held_against_its_bound(clip, name):
    planned = Parameters.model_validate({"train": {"clip": clip}})
    effective = shown(planned)
    assert compared(planned, effective) == ()
    bound = effective["observed"][name]
    for measured in (bound * 1.001, None):
        effective["observed"][name] = measured
        assert told(planned, effective) == [(f"observed.{name}", "different", bound, measured)]
    del effective["observed"][name]
    assert told(planned, effective) == [(f"observed.{name}", "missing", bound, None)]


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
        "execution.determinism",
        "execution.deterministic_algorithms",
        "observed.val_loss_by_epoch",
        "observed.steps_by_epoch",
        "observed.num_parameters",
        "observed.max_post_clip_norm",
        "observed.parameters_not_in_one_group",
        "observed.modules_not_called",
        *(f"observed.optimizer_settings.{key}" for key in CLIPPED.train.optimizer.fixed),
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


# --- the plateau's rates follow from the losses that were seen ----------------------------------


PLATEAU = ALL["plateau"]


def test_the_rates_of_a_plateau_are_computed_anew_from_the_losses_that_were_seen():
    """Patience 1 lets one bad epoch pass: cuts follow epochs 3 (not finite) and 6 (risen)."""
    rates = shown(PLATEAU)["observed"]["learning_rate_by_epoch"]
    assert rates == [1e-3] * 4 + [5e-4] * 3 + [2.5e-4] * 2


def test_a_plateau_that_never_cut_shows():
    effective = shown(PLATEAU)
    effective["observed"]["learning_rate_by_epoch"] = [1e-3] * 9
    assert [d.knob for d in compared(PLATEAU, effective)] == [
        f"observed.learning_rate_by_epoch[{epoch}]" for epoch in range(4, 9)
    ]


def test_a_plateau_that_looked_at_other_losses_shows():
    effective = shown(PLATEAU)
    effective["observed"]["val_loss_by_epoch"][3] = 0.45
    named = [d.knob for d in compared(PLATEAU, effective)]
    assert named[0] == "observed.learning_rate_by_epoch[4]"


@pytest.mark.parametrize(
    "value", [None, [0.1] * 8, [0.1] * 10, ["0.1"] * 9, [True] * 9, [[0.1]] * 9, 0.1]
)
@pytest.mark.parametrize("name", ["plain", "plateau"])
def test_losses_that_are_not_one_an_epoch_are_named(name, value):
    effective = shown(ALL[name])
    effective["observed"]["val_loss_by_epoch"] = value
    assert told(ALL[name], effective) == [
        ("observed.val_loss_by_epoch", "different", "one loss an epoch", value)
    ]


def history_of(effective):
    observed = effective["observed"]
    return {
        "learning_rate": list(observed["learning_rate_by_epoch"]),
        "val_loss": list(observed["val_loss_by_epoch"]),
        "train_loss": [],
    }


def test_a_history_that_repeats_what_was_observed_has_no_differences():
    for planned in ALL.values():
        effective = shown(planned)
        assert compare_history(effective, history_of(effective)) == ()


def test_a_history_that_tells_of_other_rates_or_losses_is_named():
    effective = shown(PLATEAU)
    history = history_of(effective)
    history["learning_rate"][5], history["val_loss"][3] = 1e-3, 0.7
    assert [
        (d.knob, d.kind, d.planned, d.effective) for d in compare_history(effective, history)
    ] == [
        ("history.learning_rate[5]", "different", 5e-4, 1e-3),
        ("history.val_loss[3]", "different", None, 0.7),
    ]


def test_a_history_without_rates_is_named():
    effective = shown(PLATEAU)
    history = history_of(effective)
    del history["learning_rate"]
    (difference,) = compare_history(effective, history)
    assert (difference.knob, difference.kind) == ("history.learning_rate", "missing")


@given(json_values, json_values)
def test_whatever_a_history_holds_is_compared_and_never_trips(rates, observed):
    compare_history({"observed": {"learning_rate_by_epoch": observed}}, {"learning_rate": rates})
