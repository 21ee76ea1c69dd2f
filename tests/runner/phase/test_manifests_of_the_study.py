"""The shipped phases against the study's table, line by line; nothing here is read from the code.

What the rows do not say is what they share: N = 64, gridsize 1, 1e9 photons, seed 20260128, loss
mae, batch 16, inference batch 8, n = 4, h = 32, M = 12, gradient norms at every step, a phase, one
train and one test object, 20 epochs, learning rate 1e-3, Adam, constant schedule, no clipping.
"""

from pathlib import Path

import pytest

from runner.hub import layout
from runner.hub.leaves import differing_knobs, leaves
from runner.manifest.model import load
from runner.plan.make import make_plan

MANIFESTS = Path(__file__).parents[3] / "manifests"

SHARED = {
    "dataset.kind": "grid_lines",
    "dataset.object_size": 392,
    "dataset.patch_size": 64,
    "dataset.gridsize": 1,
    "dataset.train_stride": 4,
    "dataset.test_stride": 10,
    "dataset.num_train_objects": 1,
    "dataset.num_test_objects": 1,
    "dataset.photons": 1e9,
    "dataset.set_phi": True,
    "dataset.probe": "defocused_disk",
    "model.hidden_channels": 32,
    "model.max_hidden_channels": None,
    "model.max_levels": None,
    "model.modes": 12,
    "model.fno_blocks": 4,
    "model.decoder_norm": "none",
    "train.epochs": 20,
    "train.batch_size": 16,
    "train.inference_batch_size": 8,
    "train.learning_rate": 1e-3,
    "train.optimizer.kind": "adam",
    "train.scheduler.kind": "constant",
    "train.clip.kind": "none",
    "train.loss": "mae",
    "diagnostics.grad_norm_every": 1,
}
HYBRID = {"model.architecture": "hybrid", "model.stable_block": None}
V1 = {"model.architecture": "stable_hybrid", "model.stable_block": "zero_gamma"}
V2 = {"model.architecture": "stable_hybrid", "model.stable_block": "layerscale"}
WARMUP_COSINE = {
    "train.scheduler.kind": "warmup_cosine",
    "train.scheduler.warmup_epochs": 5,
    "train.scheduler.min_ratio": 0.05,
}
CLIP_1 = {"train.clip.kind": "norm", "train.clip.max_norm": 1.0}
EPOCHS_50 = {"train.epochs": 50}
CRASH = HYBRID | CLIP_1 | {"model.max_hidden_channels": 512, "train.epochs": 30}
PHASE8 = V2 | WARMUP_COSINE | {"train.learning_rate": 3e-4, "diagnostics.activations": True}

ARMS = {
    "phase3": {
        "control": HYBRID | CLIP_1 | EPOCHS_50,
        "agc": HYBRID | EPOCHS_50 | {"train.clip.kind": "agc", "train.clip.clip_factor": 0.01},
        "stable": V1 | EPOCHS_50,
    },
    "phase4": {
        "deep_control": HYBRID | CLIP_1 | EPOCHS_50 | {
            "model.fno_blocks": 8,
            "model.max_levels": 4,
            "model.max_hidden_channels": 512,
            "dataset.num_train_objects": 2,
            "dataset.num_test_objects": 2,
        },
    },
    "phase5": {"stable_layerscale": V2},
    "phase6": {
        "stable_warmup": V2 | WARMUP_COSINE | {"train.learning_rate": 5e-4},
        "stable_lowlr": V2 | {"train.learning_rate": 2.5e-4},
    },
    "phase7": {
        "stable_lowlr": V2 | {"train.learning_rate": 2.5e-4},
        "stable_warmup_lowlr": V2 | WARMUP_COSINE | {"train.learning_rate": 2.5e-4},
        "stable_warmup_clip": V2 | WARMUP_COSINE | {
            "train.learning_rate": 5e-4,
            "train.clip.kind": "norm",
            "train.clip.max_norm": 0.5,
        },
    },
    "phase8": {
        "stable_sgd": PHASE8 | {
            "train.optimizer.kind": "sgd",
            "train.optimizer.momentum": 0.9,
            "train.optimizer.weight_decay": 0.0,
            "diagnostics.activation_report": "activation_report_sgd.json",
        },
        "stable_adamw": PHASE8 | {
            "train.optimizer.kind": "adamw",
            "train.optimizer.weight_decay": 0.01,
            "train.optimizer.betas": [0.9, 0.999],
            "diagnostics.activation_report": "activation_report_adamw.json",
        },
    },
    "phase9": {
        f"depth{depth}-s{seed}": CRASH | {"model.fno_blocks": depth}
        for depth in (4, 6)
        for seed in (20260128, 20260129, 20260130)
    },
}  # fmt: skip
OPTIONAL = {"phase6": ("stable_lowlr",)}
SEEDS = {f"depth{n}-s{seed}": seed for n in (4, 6) for seed in (20260128, 20260129, 20260130)}
COMPARED = {
    "phase3": (),
    "phase4": ("phase3",),
    "phase5": ("phase3",),
    "phase6": ("phase5",),
    "phase7": ("phase6",),
    "phase8": ("phase7",),
    "phase9": ("phase3", "phase4"),
}
SUCCESS = ("amp_ssim >= 0.8", "amp_mae <= 0.15", "not diverged or diverged_epoch <= 7.0")
SIZES = {
    "dataset.object_size", "dataset.patch_size", "dataset.train_stride", "dataset.test_stride",
    "dataset.probe_defocus", "model.hidden_channels", "model.max_hidden_channels",
    "model.fno_blocks", "model.modes", "model.max_levels", "train.epochs",
}  # fmt: skip
"""All that a quick profile may change; the probe's curvature follows from the side."""


OBSERVING = {"diagnostics.activations", "diagnostics.activation_report"}
"""Knobs that look at a fit and leave it as it is."""


def plan(phase, **options):
    return make_plan(load(MANIFESTS / f"{phase}.toml"), **options)


def planned(phase, **options):
    optional = phase in OPTIONAL
    jobs = plan(phase, with_optional=optional, **options).arms
    return {job.name: dict(leaves(job.parameters)) for job in jobs}


@pytest.mark.parametrize("phase", ARMS)
def test_a_phase_has_the_arms_of_its_row_and_no_others(phase):
    assert list(planned(phase)) == list(ARMS[phase])
    assert plan(phase).left_out == OPTIONAL.get(phase, ())


@pytest.mark.parametrize(
    ("phase", "arm"), [(phase, arm) for phase, arms in ARMS.items() for arm in arms]
)
def test_every_knob_of_an_arm_is_the_row_s(phase, arm):
    wanted = SHARED | ARMS[phase][arm]
    found = planned(phase)[arm]
    assert {knob: found.get(knob) for knob in wanted} == wanted
    others = {"optimizer": {"betas", "weight_decay"}, "scheduler": set(), "clip": {"eps"}}
    free = {f"train.{table}.{knob}" for table, knobs in others.items() for knob in knobs}
    kinds = {knob for knob in found if knob.count(".") == 2}
    assert kinds - wanted.keys() <= free, "a knob that no row speaks of"


@pytest.mark.parametrize("phase", ARMS)
def test_every_arm_has_the_seed_of_its_row(phase):
    jobs = plan(phase).arms
    assert [job.seed for job in jobs] == [SEEDS.get(job.name, 20260128) for job in jobs]


@pytest.mark.parametrize("phase", ARMS)
def test_a_phase_is_compared_with_the_ones_before_it(phase):
    assert load(MANIFESTS / f"{phase}.toml").manifest.phase.compare_with == COMPARED[phase]


@pytest.mark.parametrize("phase", ARMS)
def test_success_is_declared_where_the_study_declares_it(phase):
    rules = load(MANIFESTS / f"{phase}.toml").manifest.verdict.rules
    wanted = SUCCESS if phase in ("phase6", "phase7", "phase8") else ()
    assert tuple(map(str, rules)) == wanted


@pytest.mark.parametrize("phase", ARMS)
def test_gradients_are_captured_where_every_arm_collapses(phase):
    steps = plan(phase).steps
    captured = {(step.when, step.capture, step.checkpoint) for step in steps}
    assert ("every_arm_collapses", ("gradient_histograms",), "at_collapse") in captured


@pytest.mark.parametrize("phase", ["phase6", "phase7", "phase8"])
def test_the_tests_that_the_study_maps_are_named(phase):
    """LayerScale's gradient, the network end to end, optimizer, schedule, clipping, the report."""
    names = [test.rpartition("::")[2] for test in plan(phase).tests.parameters["select"]]
    for words in (
        "gradient_flows_through_both_branches_of_the_layerscale_block",
        "stable_hybrid_is_accepted_from_the_job_to_the_scores",
        "optimizer_that_stepped_is_the_one_that_was_asked_for",
        "learning_rate_of_each_epoch_is_the_one_that_was_asked_for",
        "clipping_bounds_what_exceeded_the_bound",
        "activation_report_loads_a_checkpoint_that_was_trained",
    ):
        assert any(words in name for name in names)


@pytest.mark.parametrize("phase", ["phase6", "phase7", "phase8"])
def test_activations_are_captured_for_whichever_arm_fails(phase):
    captured = {(step.when, step.capture) for step in plan(phase).steps}
    assert ("an_arm_misses_success", ("activations",)) in captured


def test_phase10_crosses_architecture_norm_rate_and_five_seeds():
    jobs = plan("phase10").arms
    cells = {
        (
            job.parameters["model"]["architecture"],
            job.parameters["model"]["stable_block"],
            job.parameters["model"]["decoder_norm"],
            job.parameters["train"]["learning_rate"],
            job.seed,
        )
        for job in jobs
    }
    assert len(jobs) == 40
    assert cells == {
        (architecture, block, norm, rate, seed)
        for architecture, block in (("hybrid", None), ("stable_hybrid", "layerscale"))
        for norm in ("none", "instance")
        for rate in (2e-3, 2e-2)
        for seed in range(20260128, 20260133)
    }
    assert jobs[0].name == "hybrid-plain-lr2e-3-s20260128"


def test_phase10_is_at_the_quickstart_s_scale_and_in_full_at_the_study_s():
    (small, *_), (full, *_) = plan("phase10").arms, plan("phase10", profile="full").arms
    quickstart = plan("quickstart").arms[0].parameters
    assert small.parameters["dataset"] == quickstart["dataset"]
    for knob in ("batch_size", "clip", "scheduler", "physics_gain", "loss"):
        assert small.parameters["train"][knob] == quickstart["train"][knob]
    found = dict(leaves(full.parameters))
    for knob in ("dataset.object_size", "dataset.patch_size", "dataset.train_stride",
                 "dataset.test_stride", "model.hidden_channels", "model.modes", "model.fno_blocks",
                 "train.epochs"):  # fmt: skip
        assert found[knob] == SHARED[knob]


def test_the_demonstration_is_the_quickstart_with_another_rate_and_norm():
    moderate, large, normed = plan("collapse-demo").arms
    quickstart = plan("quickstart").arms[0]
    assert quickstart.name == "hybrid"
    wanted = [
        {"train.epochs"},
        {"train.epochs", "train.learning_rate"},
        {"train.epochs", "train.learning_rate", "model.decoder_norm"},
    ]
    for job, knobs in zip((moderate, large, normed), wanted, strict=True):
        assert set(differing_knobs([job.parameters, quickstart.parameters])) - OBSERVING == knobs
        assert job.seed == quickstart.seed
        assert job.steps <= 400


def test_logs_and_metrics_have_the_study_s_names():
    for phase, arm, log in (
        ("phase4", "deep_control", "stage_b_deep_control.log"),
        ("phase5", "stable_layerscale", "stage_a_arm_stable_layerscale.log"),
        ("phase8", "stable_sgd", "stage_a_arm_stable_sgd.log"),
    ):
        manifest = load(MANIFESTS / f"{phase}.toml").manifest
        assert layout.log_name(manifest.phase.stage, arm) == log
    assert layout.metrics_name("stage_a", "phase8") == "stage_a_metrics_phase8.json"


@pytest.mark.parametrize("phase", ARMS)
def test_a_quick_profile_shrinks_sizes_and_epochs_alone(phase):
    full, quick = planned(phase), planned(phase, profile="quick")
    assert list(full) == list(quick)
    for arm, knobs in full.items():
        changed = {knob for knob, value in knobs.items() if quick[arm].get(knob) != value}
        assert changed <= SIZES
        assert quick[arm].keys() == knobs.keys()


@pytest.mark.parametrize("phase", ARMS)
def test_a_quick_profile_keeps_what_tells_the_arms_apart(phase):
    full, quick = planned(phase), planned(phase, profile="quick")
    for knob in next(iter(full.values())):
        apart = {arm: repr(knobs[knob]) for arm, knobs in full.items() if knob in knobs}
        if len(set(apart.values())) > 1:
            assert {
                arm: repr(knobs[knob]) for arm, knobs in quick.items() if knob in knobs
            } == apart


def test_the_small_deep_networks_still_want_more_levels_than_fit():
    (deep,) = planned("phase4", profile="quick").values()
    assert (deep["model.fno_blocks"], deep["model.max_levels"]) == (8, 4)
    small = planned("phase9", profile="quick")["depth6-s20260128"]
    assert 32 / 2 ** (small["model.fno_blocks"] - 1) <= 1 < 32 / 2 ** small["model.max_levels"]
