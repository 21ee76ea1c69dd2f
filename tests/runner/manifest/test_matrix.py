"""The matrix: which arms it makes, what they are called, and what is refused."""

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.config import NoClip, NormClip
from runner.core.errors import ManifestError
from runner.manifest.matrix import MOST_ARMS, read_matrix
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.plan.model import digest
from runner.report.plan_text import render_plan

PHASE = """\
schema_version = 1

[phase]
name = "grid"
title = "A grid"
question = "Which one?"
seed = 7

[resources]
threads = 1

[train]
epochs = 2

"""


@pytest.fixture
def loaded(tmp_path):
    def load_text(text, phase=PHASE):
        path = tmp_path / "grid.toml"
        path.write_text(phase + text)
        return load(path)

    return load_text


@pytest.fixture
def told(loaded, tmp_path):
    def complain(text):
        with pytest.raises(ManifestError) as error:
            loaded(text)
        return str(error.value).replace(f"{tmp_path}/", "").split("\n")[::2]

    return complain


def names(loaded, **options):
    return [job.name for job in make_plan(loaded, **options).arms]


def test_every_combination_becomes_an_arm(loaded):
    text = """\
[matrix]
seed = [1, 2]
train.learning_rate = [1e-3, 2e-2]
model.architecture = ["hybrid", "stable_hybrid"]
"""
    plan = make_plan(loaded(text))
    found = {
        (
            job.parameters["model"]["architecture"],
            job.parameters["train"]["learning_rate"],
            job.seed,
        ): job.name
        for job in plan.arms
    }
    wanted = itertools.product(("hybrid", "stable_hybrid"), (1e-3, 2e-2), (1, 2))
    assert list(found) == list(wanted)
    assert found["hybrid", 1e-3, 1] == "hybrid-lr1e-3-s1"
    assert found["stable_hybrid", 2e-2, 2] == "stable_hybrid-lr2e-2-s2"
    assert all(job.parameters["train"]["epochs"] == 2 for job in plan.arms)


def test_every_arm_is_multiplied_by_the_combinations(loaded):
    text = """\
[[arms]]
name = "plain"
title = "Unclipped"
[[arms]]
name = "clipped"
train.clip = { kind = "norm", max_norm = 0.5 }
[matrix]
seed = [1, 2]
"""
    arms = loaded(text).variant().arms
    assert [arm.name for arm in arms] == ["plain-s1", "plain-s2", "clipped-s1", "clipped-s2"]
    assert [arm.seed for arm in arms] == [1, 2, 1, 2]
    assert [arm.declared.title for arm in arms] == ["Unclipped", "Unclipped", "", ""]
    clips = [arm.parameters.train.clip for arm in arms]
    assert clips == [NoClip(), NoClip(), NormClip(max_norm=0.5), NormClip(max_norm=0.5)]


def test_a_table_with_a_kind_is_one_value_and_replaces_the_one_below(loaded):
    text = """\
[[arms]]
name = "a"
[matrix.train]
clip = [{ kind = "none" }, { kind = "norm", max_norm = 0.5 }]
"""
    arms = loaded(text).variant().arms
    assert [arm.name for arm in arms] == ["a-none", "a-norm_mn0p5"]
    assert [arm.parameters.train.clip for arm in arms] == [
        NoClip(),
        NormClip(max_norm=0.5),
    ]


def test_a_single_key_of_a_table_can_be_an_axis(loaded):
    text = """\
[[arms]]
name = "sgd"
train.optimizer = { kind = "sgd", weight_decay = 0.1 }
[matrix]
train.optimizer.momentum = [0.0, 0.9]
"""
    optimizers = [arm.parameters.train.optimizer for arm in loaded(text).variant().arms]
    assert [(one.kind, one.momentum, one.weight_decay) for one in optimizers] == [
        ("sgd", 0.0, 0.1),
        ("sgd", 0.9, 0.1),
    ]


def test_bounds_can_be_an_axis(loaded):
    arms = loaded("[matrix]\nresources.threads = [1, 2]\n").variant().arms
    assert [arm.name for arm in arms] == ["t1", "t2"]
    assert [arm.resources.threads for arm in arms] == [1, 2]


def test_an_axis_can_say_what_its_values_are_called(loaded):
    text = """\
[matrix]
seed = { values = [1, 2], labels = ["first", "second"] }
[matrix.train.learning_rate]
values = [1e-3, 2e-2]
labels = ["slow", "fast"]
"""
    assert names(loaded(text)) == ["slow-first", "slow-second", "fast-first", "fast-second"]


def test_the_order_of_keys_in_the_file_changes_no_name_and_no_plan(loaded):
    lines = [
        "seed = [1, 2]",
        'model.decoder_norm = ["none", "instance"]',
        "train.learning_rate = [1e-3]",
        "model.modes = [8]",
    ]
    plans = [
        make_plan(loaded("[matrix]\n" + "\n".join(order) + "\n"))
        for order in itertools.permutations(lines)
    ]
    assert [job.name for job in plans[0].arms] == [
        "none-m8-lr1e-3-s1",
        "none-m8-lr1e-3-s2",
        "instance-m8-lr1e-3-s1",
        "instance-m8-lr1e-3-s2",
    ]
    assert len({digest(plan) for plan in plans}) == 1


def test_exclude_takes_out_what_has_all_the_values_named(loaded):
    text = """\
[matrix]
seed = [1, 2]
train.learning_rate = [1e-3, 2e-2]
exclude = [{ train.learning_rate = 2e-2, seed = 2 }]
"""
    assert names(loaded(text)) == ["lr1e-3-s1", "lr1e-3-s2", "lr2e-2-s1"]


def test_exclude_can_speak_of_one_arm_and_of_part_of_a_table(loaded):
    text = """\
[[arms]]
name = "a"
[[arms]]
name = "b"
[matrix.train]
clip = [{ kind = "none" }, { kind = "norm", max_norm = 1.0 }, { kind = "norm", max_norm = 2.0 }]
[[matrix.exclude]]
arm = "b"
train.clip.kind = "norm"
"""
    assert names(loaded(text)) == ["a-none", "a-norm_mn1", "a-norm_mn2", "b-none"]


def test_include_adds_combinations_of_any_knobs(loaded):
    text = """\
[[arms]]
name = "a"
[[arms]]
name = "b"
[matrix]
seed = { values = [1], labels = ["first"] }
include = [
  { seed = 1, train.learning_rate = 0.5 },
  { arm = "b", name = "wide", model.hidden_channels = 64 },
]
"""
    plan = make_plan(loaded(text))
    assert [job.name for job in plan.arms] == [
        "a-first", "a-lr0p5-first", "b-first", "b-lr0p5-first", "b-wide",
    ]  # fmt: skip
    wide = plan.arms[-1]
    assert (wide.seed, wide.parameters["model"]["hidden_channels"]) == (7, 64)


def test_include_alone_is_a_matrix(loaded):
    text = "[matrix]\ninclude = [{ seed = 3 }, { train.learning_rate = 0.5 }]\n"
    assert names(loaded(text)) == ["s3", "lr0p5"]


PROFILED = """\
[matrix]
seed = [1, 2, 3]
train.learning_rate = [1e-3, 2e-2]
exclude = [{ seed = 3, train.learning_rate = 2e-2 }]
[profiles.quick.matrix]
seed = [1, 2]
[profiles.one.matrix]
seed = [9]
train.learning_rate = []
"""


def test_a_profile_replaces_an_axis_or_takes_it_away(loaded):
    assert names(loaded(PROFILED)) == [
        "lr1e-3-s1", "lr1e-3-s2", "lr1e-3-s3", "lr2e-2-s1", "lr2e-2-s2",
    ]  # fmt: skip
    quick = names(loaded(PROFILED), profile="quick")
    assert quick == ["lr1e-3-s1", "lr1e-3-s2", "lr2e-2-s1", "lr2e-2-s2"]
    assert names(loaded(PROFILED), profile="one") == ["s9"]


def test_a_profile_can_bring_a_matrix(loaded):
    text = '[[arms]]\nname = "a"\n[profiles.seeds.matrix]\nseed = [1, 2]\n'
    assert names(loaded(text)) == ["a"]
    assert names(loaded(text), profile="seeds") == ["a-s1", "a-s2"]


def test_one_combination_can_be_run_by_name(loaded):
    assert names(loaded(PROFILED), only=["lr2e-2-s1"]) == ["lr2e-2-s1"]


def test_the_plan_lists_each_combination_with_its_knobs(loaded):
    matrix = """\
[matrix]
seed = [1, 2]
model.decoder_norm = ["none", "instance"]
train.learning_rate = [1e-3, 2e-2]
"""
    text = render_plan(make_plan(loaded(matrix)))
    section = text.split("Differing parameters\n")[1].split("\n\n")[0]
    assert [line.split() for line in section.splitlines()] == [
        ["model.decoder_norm", "train.learning_rate"],
        ["none-lr1e-3-s1", "none", "0.001"],
        ["none-lr1e-3-s2", "none", "0.001"],
        ["none-lr2e-2-s1", "none", "0.02"],
        ["none-lr2e-2-s2", "none", "0.02"],
        ["instance-lr1e-3-s1", "instance", "0.001"],
        ["instance-lr1e-3-s2", "instance", "0.001"],
        ["instance-lr2e-2-s1", "instance", "0.02"],
        ["instance-lr2e-2-s2", "instance", "0.02"],
    ]


def axis(count):
    return json.dumps(list(range(count)))


def test_the_largest_matrix_is_allowed_and_one_more_is_not(loaded, told):
    assert MOST_ARMS == 10_000
    assert len(names(loaded(f"[matrix]\nseed = {axis(10_000)}\n"))) == 10_000
    assert told(f"[matrix]\nseed = {axis(10_001)}\n") == [
        "grid.toml:15: matrix: makes 10,001 arms (10,001 seed); at most 10,000 are allowed: take "
        "values away, or split the phase"
    ]


def test_a_matrix_that_explodes_is_refused_with_its_product(told):
    text = '[[arms]]\nname = "a"\n[[arms]]\nname = "b"\n[matrix]\n' + (
        f"seed = {axis(1000)}\nmodel.modes = {axis(900)}\ntrain.epochs = {axis(800)}\n"
        "include = [{ seed = 4000 }]\n"
    )
    assert told(text) == [
        "grid.toml:19: matrix: makes 1,440,000,002 arms (900 model.modes × 800 train.epochs × "
        "1,000 seed × 2 arms and 1 included); at most 10,000 are allowed: take values away, or "
        "split the phase"
    ]


REFUSED = {
    "a value that no parameter takes": (
        "train.learning_rate = [\n  1e-3,\n  -1.0,\n]",
        "18: matrix.train.learning_rate[1]: got -1.0; expected a number greater than 0",
    ),
    "values of a section, which is no knob": (
        "train.values = [1]",
        "16: matrix.train.values: unknown key; known are epochs, batch_size, "
        "inference_batch_size, learning_rate, optimizer, scheduler, clip, loss, physics_gain, "
        "gain_per_batch, validation, validation_fraction, on_nan",
    ),
    "a value inside a table": (
        'train.clip = [{ kind = "none" }, { kind = "norm", max_norm = 0 }]',
        "16: matrix.train.clip[1].max_norm: got 0; expected a number greater than 0",
    ),
    "an unknown knob": (
        "train.learning_rat = [1e-3, 2e-3]",
        "16: matrix.train.learning_rat: unknown key; did you mean 'learning_rate'?",
    ),
    "a seed that is none": (
        'seed = [1, "x"]',
        "16: matrix.seed[1]: got 'x'; expected an integer",
    ),
    "a bound that is none": (
        "resources.threads = [1, 0]",
        "16: matrix.resources.threads[1]: got 0; expected a number greater than 0",
    ),
    "a value that no dataset takes": (
        "seed = [1]\ndataset.photons = [1e6, 0.0]",
        "17: matrix.dataset.photons[1]: got 0.0; expected a number greater than 0",
    ),
    "an axis over measured probes": (
        'seed = [1]\ndataset.probe_file = ["a.npz", "b.npz"]',
        "17: matrix.dataset: probe_file is no axis, as a path is no name; give it to the arms of "
        "[[arms]], which the matrix multiplies, or to [[matrix.include]]",
    ),
    "knobs together of which one has more values": (
        "together = [{ seed = [1, 2], dataset.seed = [1, 2, 3] }]",
        "16: matrix.together[0]: has 3 of dataset.seed, 2 of seed; give each knob as many values "
        "as the others",
    ),
    "a knob together with nothing": (
        "together = [{ seed = [1, 2] }]",
        "16: matrix.together[0]: has fewer than two knobs; a knob alone is an axis of its own",
    ),
    "a knob of two axes": (
        "dataset.seed = [1, 2]\ntogether = [{ seed = [1, 2], dataset.seed = [1, 2] }]",
        "17: matrix.together[0].seed: is a knob of another axis already; take one of the two away",
    ),
    "a knob inside of one that is together with another": (
        'train.optimizer.kind = ["sgd"]\n'
        'together = [{ seed = [1], train.optimizer = [{ kind = "adam" }] }]',
        "16: matrix.train.optimizer.kind: lies inside the values of another axis; take one of the "
        "two away",
    ),
    "a value together with others that is none": (
        "together = [{ seed = [1, 2], dataset.seed = [1, -2] }]",
        "16: matrix.together[0].dataset.seed[1]: got -2; expected a number of at least 0",
    ),
    "a table together that is none": (
        "seed = [1]\ntogether = [3]",
        "17: matrix.together[0]: got 3; expected a table",
    ),
    "a key in quotes with points": (
        'seed = [1]\n"model.modes" = [4, 8]',
        "17: matrix.'model.modes': unknown key; write model.modes without quotes",
    ),
    "a single value": (
        "train.epochs = 3\nseed = [1]",
        "16: matrix.train.epochs: expected the values of an axis, an array of them",
    ),
    "no value": ("seed = []", "16: matrix.seed: has no values; give some, or remove it"),
    "no axis": (
        "",
        "15: matrix: makes no arm; give it an axis such as `seed = [1, 2]`, or an `include`",
    ),
    "a value twice": (
        "seed = [1, 1]",
        "16: matrix.seed[1]: 1 and 1 are both called 's1'; remove one, or give the axis `labels`",
    ),
    "too few labels": (
        'seed = { values = [1, 2], labels = ["x"] }',
        "16: matrix.seed.labels: expected 2 labels, one for a value",
    ),
    "an unknown key of an axis": (
        'seed = { values = [1, 2], label = ["x", "y"] }',
        "16: matrix.seed.label: unknown key; an axis has `values` and `labels`",
    ),
    "a label that is no name": (
        'seed = { values = [1], labels = ["A/B"] }',
        "16: matrix.seed.values[0]: is called 'A/B'; give a label of lower-case letters, digits, "
        "underscores and hyphens",
    ),
    "an exclusion that excludes nothing": (
        "seed = [1, 2]\nexclude = [{ seed = 3 }]",
        "17: matrix.exclude[0]: matches no combination and would exclude nothing; remove it",
    ),
    "an exclusion of a knob that is no axis": (
        "seed = [1, 2]\nexclude = [{ train.learning_rate = 3.0 }]",
        "17: matrix.exclude[0].train.learning_rate: is no axis of the matrix; axes are seed",
    ),
    "an exclusion of everything": (
        "seed = [1]\nexclude = [{ seed = 1 }]",
        "15: matrix: excludes every combination; leave one",
    ),
    "an exclusion of an arm that is not there": (
        'seed = [1]\nexclude = [{ arm = "a", seed = 1 }]',
        "17: matrix.exclude[0].arm: got 'a'; there are no [[arms]]",
    ),
    "an inclusion that is there already": (
        "seed = [1]\ninclude = [{ seed = 1 }]",
        "17: matrix.include[0]: would make a second arm 's1', the first is of matrix.seed[0]; give "
        "the axes `labels`, or the include a `name`",
    ),
    "a knob that the other one forbids": (
        'model.architecture = ["hybrid", "stable_hybrid"]\n'
        'model.stable_block = ["zero_gamma", "layerscale"]',
        "17: matrix.model.stable_block[0]: stable_block belongs to architecture 'stable_hybrid', "
        "not to 'hybrid'; remove it (with arm 'hybrid-zero_gamma')",
        "17: matrix.model.stable_block[1]: stable_block belongs to architecture 'stable_hybrid', "
        "not to 'hybrid'; remove it (with arm 'hybrid-layerscale')",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_it_is_refused(told, case):
    text, *expected = case
    assert told(f"[matrix]\n{text}\n") == [f"grid.toml:{line}" for line in expected]


def test_a_name_too_long_for_a_file_is_refused(told):
    long = "x" * 60
    assert told(f'[[arms]]\nname = "{long}"\n[matrix]\nseed = [20260128]\n') == [
        f"grid.toml:18: matrix.seed[0]: would make the arm '{long}-s20260128'; expected a safe "
        "file name: lower-case letters, digits, underscores and hyphens, a letter or digit first, "
        "at most 64 characters: give the axes short `labels`"
    ]


def test_an_arm_s_own_value_of_an_axis_is_refused(told):
    text = '[[arms]]\nname = "a"\nseed = 3\ntrain.epochs = 4\n'
    text += "[matrix]\nseed = [1]\ntrain.epochs = [5]\n"
    assert told(text) == [
        "grid.toml:17: arms[0].seed: the matrix has seed as an axis and would replace it; remove "
        "one of the two",
        "grid.toml:18: arms[0].train.epochs: the matrix has train.epochs as an axis and would "
        "replace it; remove one of the two",
    ]


def test_what_is_wrong_in_a_profile_s_axis_stands_there(told):
    assert told(PROFILED.replace("seed = [9]", "seed = [9, -1]")) == [
        "grid.toml:22: profiles.one.matrix.seed[1]: got -1; expected a number of at least 0"
    ]
    assert told(PROFILED + "exclude = [{ seed = 1 }]\n") == [
        "grid.toml:24: profiles.one.matrix.exclude[0]: matches no combination and would exclude "
        "nothing; remove it"
    ]


def test_a_value_that_fails_with_some_arms_names_them(told):
    arms = "".join(f'[[arms]]\nname = "a{n}"\nmodel.fno_blocks = {n}\n' for n in (2, 3, 4, 5, 6))
    text = arms + '[matrix]\nmodel.decoder_norm = ["instance"]\n'
    text += '[[arms]]\nname = "flat"\nmodel.fno_blocks = 1\n'
    assert told(text) == [
        "grid.toml:31: matrix.model.decoder_norm[0]: decoder_norm 'instance' needs a decoder, and "
        "fno_blocks 1 has none; remove it or give at least 2 blocks (with arm 'flat-instance')"
    ]


def test_what_fails_in_many_arms_names_a_few(told):
    text = f'[model]\nstable_block = "layerscale"\n[matrix]\nseed = {axis(9)}\n'
    text += 'model.architecture = ["hybrid", "stable_hybrid"]\n'
    assert told(text) == [
        "grid.toml:16: model.stable_block: stable_block belongs to architecture 'stable_hybrid', "
        "not to 'hybrid'; remove it (with arm 'hybrid-s0', arm 'hybrid-s1', arm 'hybrid-s2', 6 "
        "more)"
    ]


def test_without_arms_and_matrix_there_is_nothing_to_run(told):
    assert told("") == ["grid.toml:1: arms: missing; add it: The arms, each under `[[arms]]`."]


def test_an_axis_inside_another_one_is_refused(told):
    text = """\
[matrix]
train.clip = [{ kind = "none" }, { kind = "norm" }]
[profiles.quick.matrix]
train.clip.max_norm = [1, 2]
"""
    assert told(text) == [
        "grid.toml:18: profiles.quick.matrix.train.clip.max_norm: lies inside the values of "
        "another axis; take one of the two away"
    ]


SCALARS = st.sampled_from([0, 1, 1.0, True, False, "1", 0.5])
VALUES = SCALARS | st.fixed_dictionaries({"kind": SCALARS}, optional={"a": SCALARS, "b": SCALARS})
KNOBS = ["epochs", "clip", "loss"]


def agrees(wanted, value):
    """What it means for a value of an axis to be named by an exclusion, said naively."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return all(key in value and agrees(each, value[key]) for key, each in wanted.items())
    return wanted == value and isinstance(wanted, bool) == isinstance(value, bool)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.dictionaries(st.sampled_from(KNOBS), st.lists(VALUES, min_size=1, max_size=4), min_size=1),
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(KNOBS), VALUES, max_size=3),
            st.sampled_from([None, "one", "two"]),
        ),
        max_size=4,
    ),
)
@example({"epochs": [1, 2]}, [({"epochs": True}, None)])
@example({"epochs": [1, True]}, [({"epochs": 1.0}, None)])
@example({"clip": [{"kind": 1}, 1]}, [({"clip": {}}, "one")])
def test_excluded_is_what_agrees_with_an_exclusion_in_every_knob_that_it_names(axes, excluded):
    entries = [{"train": knobs} | ({"arm": arm} if arm else {}) for knobs, arm in excluded]
    matrix = read_matrix([(("matrix",), {"train": axes, "exclude": entries})])
    wanted = [
        choices
        for choices in (
            dict(zip(sorted(axes), each, strict=True))
            for each in itertools.product(*(axes[knob] for knob in sorted(axes)))
        )
        if not any(
            arm in (None, "one")
            and all(k in choices and agrees(v, choices[k]) for k, v in knobs.items())
            for knobs, arm in excluded
        )
    ]
    found = [made.layer["train"] for made in matrix.combinations("one")]
    assert found == wanted
    assert [*map(repr, found)] == [*map(repr, wanted)]
