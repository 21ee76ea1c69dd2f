"""Estimates of memory and time, and what they say about smaller variants."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.config import Dataset, Parameters
from runner.experiment.ptychography.costs import arm_memory, cpu_seconds, dataset_bytes, savings
from runner.manifest.model import load
from runner.plan.estimates import duration, gibibytes
from runner.plan.make import make_plan

GIB, MIB = 2**30, 2**20
MANIFESTS = Path(__file__).parents[3] / "manifests"


def parameters(**tables):
    return Parameters.model_validate(tables)


def host(**tables):
    return arm_memory(parameters(**tables), "cpu").host_bytes


def seconds(job):
    return cpu_seconds(
        Parameters.model_validate(job.parameters, strict=False),
        steps=job.steps,
        threads=job.execution.threads,
    )


CAP = {"max_hidden_channels": 512}
REPORT = {"diagnostics": {"activations": True}}
QUICK = {"object_size": 256, "patch_size": 32, "train_stride": 5, "test_stride": 6}
QUICK_NETWORK = {
    "model": {
        "architecture": "stable_hybrid",
        "hidden_channels": 8,
        "fno_blocks": 3,
        "modes": 8,
    }
}


def small(**model):
    """A network of full size on few patches."""
    few = {"object_size": 160, "train_stride": 12, "test_stride": 16}
    return {"dataset": few, "model": model}


MEASURED = {
    "phases 5 to 8, quick profile": (569, {"dataset": QUICK, **QUICK_NETWORK, **REPORT}),
    "the phases' dataset, a tiny network": (
        1027,
        {
            "model": {"hidden_channels": 2, "fno_blocks": 2, "modes": 4},
            "train": {"batch_size": 64, "inference_batch_size": 64},
        },
    ),
    "hybrid, n = 4 (phases 3 and 9)": (1096, small()),
    "the same with checkpointing": (1097, small(activation_checkpointing=True)),
    "the same with SGD": (1062, {**small(), "train": {"optimizer": {"kind": "sgd"}}}),
    "stable_hybrid, n = 4, activation report (phase 8)": (
        1415,
        {**small(architecture="stable_hybrid"), **REPORT},
    ),
    "hybrid, n = 4, gridsize 2": (
        1124,
        {"dataset": {**small()["dataset"], "gridsize": 2}},
    ),
    "a tiny network, 1,805 samples of gridsize 2": (
        1275,
        {
            "dataset": {"gridsize": 2, "object_size": 256, "train_stride": 5, "test_stride": 10},
            "model": {"hidden_channels": 2, "fno_blocks": 2, "modes": 4},
            "train": {"batch_size": 64, "inference_batch_size": 64},
        },
    ),
    "hybrid, n = 6, cap 512 (phase 9)": (1895, small(fno_blocks=6, **CAP)),
    "hybrid, n = 8, 4 levels, cap 512 (phase 4)": (
        2457,
        small(fno_blocks=8, max_levels=4, **CAP),
    ),
    "hybrid_resnet": (1030, small(architecture="hybrid_resnet")),
    "cnn": (936, small(architecture="cnn")),
    "fno": (770, small(architecture="fno")),
    "fno, checkpointing": (713, small(architecture="fno", activation_checkpointing=True)),
    "fno, batch 64": (1102, {**small(architecture="fno"), "train": {"batch_size": 64}}),
    "fno, batch 64, checkpointing": (
        919,
        {
            **small(architecture="fno", activation_checkpointing=True),
            "train": {"batch_size": 64},
        },
    ),
}
"""``peak_memory_bytes`` of real training jobs on the CPU, MiB, as in docs/estimates.md."""


@pytest.mark.parametrize("name", MEASURED)
def test_the_estimate_lies_within_a_quarter_of_the_measured_peak(name):
    measured, tables = MEASURED[name]
    assert host(**tables) / MIB == pytest.approx(measured, rel=0.25)


def test_the_size_of_a_dataset_counts_patches_and_objects():
    dataset = Dataset(object_size=256, patch_size=32, train_stride=5, test_stride=6)
    # 45² training and 38² test patches; two objects of 256² px.
    assert dataset_bytes(dataset) == 12 * 32**2 * (45**2 + 38**2) + 8 * 2 * 256**2


@pytest.mark.parametrize(
    "change",
    [
        {"model": {"hidden_channels": 48}},
        {"model": {"fno_blocks": 5}},
        {"train": {"batch_size": 128}},
        {"diagnostics": {"activations": True}},
        {"dataset": {"train_stride": 2}},
    ],
)
def test_what_makes_an_arm_larger_makes_its_estimate_larger(change):
    assert host(**change) > host()


def test_sgd_without_momentum_keeps_two_copies_less_than_adam():
    """The largest phase of this arm is writing, in which nothing but copies counts."""
    weights = 4 * (2 * 9_403_618)  # a little more than there are: not all of them are complex
    sgd = {"kind": "sgd", "momentum": 0.0}
    difference = host() - host(train={"optimizer": sgd})
    assert 1.7 * weights < difference < 2 * weights


def test_on_a_gpu_weights_and_step_lie_there_and_the_rest_on_the_host():
    gpu, cpu = (arm_memory(parameters(), device) for device in ("cuda", "cpu"))
    assert cpu.gpu_bytes == 0
    assert 0.2 * GIB < gpu.gpu_bytes < 0.6 * GIB
    assert gpu.host_bytes < cpu.host_bytes


def test_the_knobs_that_help_are_named_with_what_they_save():
    large = parameters(model={"fno_blocks": 6}, train={"batch_size": 256})
    told = savings(large, "cpu")
    assert [change.split(" = ")[0] for change, _ in told] == [
        "model.activation_checkpointing",
        "train.batch_size",
        "model.max_hidden_channels",
        "model.max_levels",
    ]
    assert told[1][0] == "train.batch_size = 128"
    assert told[1][1].host_bytes == host(**_half(large))
    assert savings(parameters(model={"architecture": "hybrid_resnet"}), "cuda")


def _half(whole):
    tables = whole.model_dump(mode="json")
    tables["train"]["batch_size"] //= 2
    tables["train"]["optimizer"]["betas"] = tuple(tables["train"]["optimizer"]["betas"])
    tables["diagnostics"]["grad_hist_epochs"] = ()
    return tables


def test_what_would_not_help_is_not_named():
    """With one channel, one block and one patch nothing is left to make smaller."""
    least = parameters(
        model={"hidden_channels": 1, "fno_blocks": 1, "activation_checkpointing": True},
        train={"batch_size": 1},
    )
    assert savings(least, "cpu") == []


def test_the_quickstart_is_expected_to_take_minutes_and_phase8_to_take_hours():
    quickstart = make_plan(load(MANIFESTS / "quickstart.toml"))
    phase8 = make_plan(load(MANIFESTS / "phase8.toml"))
    assert all(seconds(job) < 180 for job in quickstart.arms)
    assert all(1800 < seconds(job) < 4 * 3600 for job in phase8.arms)


def test_two_threads_are_faster_but_not_twice_as_fast():
    one, two = (cpu_seconds(parameters(), steps=100, threads=threads) for threads in (1, 2))
    assert two < one < 2 * two


def test_sizes_and_times_are_told_in_units_that_fit():
    told = [gibibytes(size) for size in (0, 3 << 10, 40 << 20, GIB // 4, 1.26 * GIB)]
    assert told == ["0 KiB", "3 KiB", "40 MiB", "0.25 GiB", "1.3 GiB"]
    assert [duration(s) for s in (42, 90, 5400)] == ["42 s", "1.5 min", "1.5 h"]


@pytest.mark.parametrize(
    ("dataset", "samples"),
    [
        ({"patch_size": 128}, 4489 + 729),
        ({"patch_size": 128, "gridsize": 2}, 4 * (66**2 + 26**2)),
        ({"gridsize": 2}, 4 * (82**2 + 32**2)),
    ],
)
def test_the_study_s_datasets_have_these_sizes(dataset, samples):
    planned = Dataset(**dataset)
    patch = 12 * planned.patch_size**2
    assert dataset_bytes(planned) == patch * samples + 8 * 2 * 392**2
