"""Which arms form groups, and which groups are compared."""

import itertools

import pytest

from models.config import Parameters
from runner.hub.records.arm import ArmRecord, Execution
from runner.verify.groups import MOST_PAIRS, grouped, summary_of
from runner.verify.sealed_hub import NamedHub


@pytest.fixture
def hub(record):
    """A hub with arms of these names, seeds and parameters."""

    def make(*arms, phase="phase9", name="phase9/1"):
        made = tuple(
            ArmRecord(
                name=arm.replace(".", "_"),
                status=rest.pop("status", "succeeded"),
                seed=seed,
                parameters=Parameters.model_validate(rest).model_dump(mode="json"),
                execution=Execution(device="cpu", threads=1),
                command=("x",),
            )
            for arm, seed, rest in ((arm, seed, dict(tables)) for arm, seed, tables in arms)
        )
        return NamedHub(name=name, record=record.model_copy(update={"arms": made, "phase": phase}))

    return make


def rate(value, **model):
    return {"train": {"learning_rate": value}} | ({"model": model} if model else {})


def matrix(norms=("none", "instance"), rates=(2e-3, 2e-2), seeds=(1, 2)):
    return [
        (f"{norm}-lr{r:g}-s{seed}", seed, rate(r, decoder_norm=norm))
        for norm, r, seed in itertools.product(norms, rates, seeds)
    ]


def test_arms_whose_plans_differ_in_the_seed_are_one_group(hub):
    (group,) = grouped(0, hub(("a-s1", 1, rate(1e-3)), ("a-s2", 2, rate(1e-3))))
    assert (group.name, [arm.seed for arm in group.arms]) == ("a", [1, 2])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("hybrid-lr2e-3-s3", "hybrid-lr2e-3-s4"), "hybrid-lr2e-3"),
        (("n4_seed_3", "n4_seed_4"), "n4"),
        (("s3-hybrid", "s4-hybrid"), "hybrid"),
        (("deep_first", "deep_second"), "deep"),
        (("one", "two"), "one"),
    ],
)
def test_a_group_has_the_name_that_its_arms_share(hub, names, told):
    arms = [(name, seed, {}) for name, seed in zip(names, (3, 4), strict=True)]
    assert [group.name for group in grouped(0, hub(*arms))] == [told]


def test_groups_of_one_name_are_numbered(hub):
    arms = [
        ("a_x", 1, rate(1e-3)),
        ("a_y", 2, rate(1e-3)),
        ("a_v", 1, rate(1)),
        ("a_w", 2, rate(1)),
    ]
    assert [group.name for group in grouped(0, hub(*arms))] == ["a", "a (2)"]


def test_few_groups_are_all_compared_controlled_ones_first(hub):
    summary = summary_of([hub(*matrix())], own=True)
    assert [group.label for group in summary.groups] == [
        "none-lr0_002", "none-lr0_02", "instance-lr0_002", "instance-lr0_02",
    ]  # fmt: skip
    assert [(pair.groups, pair.knobs) for pair in summary.pairs] == [
        ((0, 1), ("train.learning_rate",)),
        ((0, 2), ("model.decoder_norm",)),
        ((1, 3), ("model.decoder_norm",)),
        ((2, 3), ("train.learning_rate",)),
        ((0, 3), ("model.decoder_norm", "train.learning_rate")),
        ((1, 2), ("model.decoder_norm", "train.learning_rate")),
    ]


def test_of_many_groups_only_controlled_pairs_are_compared_and_that_is_said(hub):
    summary = summary_of([hub(*matrix(rates=(1e-3, 2e-3, 3e-3, 4e-3)))], own=True)
    assert all(len(pair.knobs) == 1 for pair in summary.pairs)
    assert len(summary.pairs) == 4 + 2 * 6
    assert summary.notes == (
        "Of 8 groups, only those that differ in one knob are compared with each other",
    )


def test_the_number_of_comparisons_is_bounded(hub):
    rates = [1e-4 * number for number in range(1, 31)]
    summary = summary_of([hub(*matrix(norms=("none",), rates=rates, seeds=(1,)))], own=True)
    assert len(summary.pairs) == MOST_PAIRS
    assert summary.notes[1] == "Only the first 300 of 435 comparisons were made"


def test_a_group_without_an_arm_that_counts_is_listed_and_not_compared(hub):
    failed = ("a", 1, {**rate(1e-3), "status": "failed"})
    summary = summary_of([hub(failed, ("b", 1, rate(2e-3)))], own=True)
    assert [group.arms[0].status for group in summary.groups] == ["failed", "succeeded"]
    assert summary.pairs == ()


def test_a_matrix_has_a_factor_for_each_of_its_knobs(hub):
    norm, learning_rate = summary_of([hub(*matrix())], own=True).factors
    assert (norm.knob, norm.values) == ("model.decoder_norm", ("none", "instance"))
    assert norm.strata == ((0, 2), (1, 3))
    assert (learning_rate.values, learning_rate.strata) == ((2e-3, 2e-2), ((0, 1), (2, 3)))


def test_a_setting_that_lacks_a_value_is_left_out_of_a_factor(hub):
    arms = [arm for arm in matrix(rates=(1e-3, 2e-3, 3e-3)) if arm[0] != "instance-lr0.003-s1"]
    (norm,) = summary_of([hub(*(arm for arm in arms if arm[1] == 1))], own=True).factors
    assert (norm.knob, norm.strata) == ("model.decoder_norm", ((0, 3), (1, 4)))


def test_a_knob_that_follows_from_another_is_no_factor_of_its_own(hub):
    arms = [
        (f"{kind}-{r}", 1, rate(r, architecture=kind))
        for kind in ("hybrid", "stable_hybrid")
        for r in (1e-3, 2e-3)
    ]
    knobs = [factor.knob for factor in summary_of([hub(*arms)], own=True).factors]
    assert knobs == ["model.architecture", "train.learning_rate"]


def test_a_single_varied_knob_is_no_matrix(hub):
    assert summary_of([hub(*matrix(norms=("none",)))], own=True).factors == ()


def test_hubs_beside_this_one_are_compared_with_it_and_not_with_each_other(hub):
    own = hub(("a", 1, rate(1e-3)))
    earlier = hub(("a", 1, rate(2e-3)), ("b", 1, rate(3e-3)), phase="phase7", name="phase7/1")
    summary = summary_of([own, earlier], own=True)
    assert [group.label for group in summary.groups] == ["a", "phase7 · a", "phase7 · b"]
    assert [pair.groups for pair in summary.pairs] == [(0, 1), (0, 2)]
    every = summary_of([own, earlier], own=False)
    assert [pair.groups for pair in every.pairs] == [(0, 1), (0, 2), (1, 2)]


def test_hubs_of_one_phase_are_told_apart_by_their_names(hub):
    first = hub(("a", 1, rate(1e-3)), name="phase9/1")
    second = hub(("a", 1, rate(1e-3)), name="phase9/2")
    summary = summary_of([first, second], own=False)
    assert [group.label for group in summary.groups] == ["phase9/1 · a", "phase9/2 · a"]
    assert summary.pairs == (), "one plan in two hubs is no comparison"


def test_keys_begin_with_the_place_of_the_hub(hub):
    summary = summary_of([hub(("a", 1, {})), hub(("a", 1, {}), name="phase9/2")], own=False)
    assert [group.arms[0].key for group in summary.groups] == ["0/a", "1/a"]
