"""A knob that is dropped on its way into the fit shows in ``effective_config.json``.

Each test plants one defect in the code that trains and reads the configuration back.
"""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import get_args

import pytest
import torch

import models.diagnostics.effective_clip
import models.nets.hybrid
import models.nets.registry
import models.nets.ushaped
import models.training.batches
import models.training.fit
import models.training.inference
import models.training.module
from models.config import Adam, Constant, NoClip, Train, level_widths
from models.physics.diffraction import predict_amplitude
from models.physics.losses import LOSSES
from models.seeding import numpy_generator
from models.training.clipping import CLIPPERS, ClipNorm, ClipUnits, ClipValue
from models.training.module import GAINS
from models.training.optimizers import OPTIMIZERS
from models.training.schedulers import SCHEDULERS
from models.training.units import UNITS, output_units
from runner.verify.effective import compare_effective

DEMANDING = {
    "model": {"architecture": "stable_hybrid", "max_hidden_channels": 3, "max_levels": 1},
    "train": {
        "learning_rate": 0.002,
        "optimizer": {"kind": "sgd", "momentum": 0.5},
        "scheduler": {"kind": "warmup_cosine", "warmup_epochs": 1, "min_ratio": 0.1},
        "clip": {"kind": "norm", "max_norm": 0.01},
        "physics_gain": 3.0,
        "loss": "poisson",
        "validation_fraction": 0.2,
    },
}
"""Parameters whose every value differs from the default, so that a fallback to it shows."""


@pytest.fixture
def effective(workshop):
    return lambda: workshop.fit(workshop.parameters(**DEMANDING)).effective()


def test_without_a_defect_everything_comes_back(effective, workshop):
    train = effective()["parameters"]["train"]
    assert train["scheduler"] == {
        "kind": "warmup_cosine",
        "warmup_epochs": 1,
        "min_ratio": pytest.approx(0.1),
    }
    assert train["clip"] == {"kind": "norm", "max_norm": 0.01}
    assert train["optimizer"] == {"kind": "sgd", "momentum": 0.5, "weight_decay": 0.0}
    assert train["physics_gain"] == pytest.approx(3.0, rel=1e-6)
    assert (train["learning_rate"], train["loss"]) == (0.002, "poisson")


# --- every knob of the training, dropped in the table that hands it on ---------------------------

SETTINGS = {
    "optimizer": {
        "adam": {"betas": [0.8, 0.9], "weight_decay": 0.1},
        "adamw": {"betas": [0.8, 0.9], "weight_decay": 0.1},
        "sgd": {"momentum": 0.5, "weight_decay": 0.1},
    },
    "scheduler": {
        "constant": {},
        "exponential": {"gamma": 0.5},
        "warmup_cosine": {"warmup_epochs": 1, "min_ratio": 0.5},
        "plateau": {"factor": 0.25, "patience": 1, "min_lr": 1e-5, "threshold": 0.1},
    },
    "clip": {
        "none": {},
        "norm": {"max_norm": 0.01},
        "value": {"max_value": 0.001},
        "agc": {"clip_factor": 0.002, "eps": 0.1},
        "agc_per_tensor": {"clip_factor": 0.002, "eps": 0.1},
    },
}
"""Table → kind → its knobs, none as by default, and each possible with the default of another."""

TABLES = {"optimizer": OPTIMIZERS, "scheduler": SCHEDULERS, "clip": CLIPPERS}
FALLBACK = {"optimizer": Adam(), "scheduler": Constant(), "clip": NoClip()}
HANDED_ON = [
    (table, kind, knob)
    for table, kinds in SETTINGS.items()
    for kind, knobs in kinds.items()
    for knob in (*knobs, *(["kind"] if kind != FALLBACK[table].kind else []))
]


def test_every_knob_that_a_table_hands_on_is_dropped_below():
    for table, kinds in SETTINGS.items():
        members = get_args(Train.model_fields[table].annotation)
        schema = {member().kind: set(member.model_fields) - {"kind"} for member in members}
        assert {kind: set(knobs) for kind, knobs in kinds.items()} == schema
        assert set(TABLES[table]) == set(kinds)


@pytest.mark.parametrize(
    ("table", "kind", "knob"), HANDED_ON, ids=[".".join(place) for place in HANDED_ON]
)
def test_the_verdict_names_a_knob_that_its_builder_ignores(
    workshop, monkeypatch, table, kind, knob
):
    """The builder makes what the default of the knob, or of the whole table, would be."""
    build, registry, fallback = TABLES[table][kind], TABLES[table], FALLBACK[table]

    def ignore(settings, *rest):
        if knob == "kind":
            return registry[fallback.kind](fallback, *rest)
        return build(settings.model_copy(update={knob: getattr(type(settings)(), knob)}), *rest)

    chosen = {"kind": kind, **SETTINGS[table][kind]}
    parameters = workshop.parameters(train={table: chosen})
    assert named(workshop, parameters) == []
    monkeypatch.setitem(registry, kind, ignore)
    assert f"train.{table}.{knob}" in named(workshop, parameters)


def dropped_rate(monkeypatch):
    build = OPTIMIZERS["adam"]
    ignoring = lambda settings, weights, _rate: build(settings, weights, 1e-3)  # noqa: E731
    monkeypatch.setitem(OPTIMIZERS, "adam", ignoring)


def dropped_size(name):
    """The batches are made for the default."""

    def plant(monkeypatch):
        make = models.training.fit.make_batches
        default = Train().model_dump()[name]
        monkeypatch.setattr(
            models.training.fit,
            "make_batches",
            lambda train, *rest: make(train.model_copy(update={name: default}), *rest),
        )

    return plant


def dropped_inference_size(monkeypatch):
    make = models.training.batches.inference_batches
    ignoring = lambda patches, _size: make(patches, 8)  # noqa: E731
    monkeypatch.setattr(models.training.batches, "inference_batches", ignoring)
    monkeypatch.setattr(models.training.inference, "inference_batches", ignoring)


def dropped_epochs(monkeypatch):
    make = models.training.fit.make_trainer
    ignoring = lambda _epochs, *rest: make(2, *rest)  # noqa: E731
    monkeypatch.setattr(models.training.fit, "make_trainer", ignoring)


def dropped_stop(monkeypatch):
    monkeypatch.setattr(models.training.fit, "StopAtNotFinite", lambda: None)


def entry(table, key, other):
    return lambda monkeypatch: monkeypatch.setitem(table, key, other)


PLAIN = {
    "epochs": (4, dropped_epochs),
    "batch_size": (7, dropped_size("batch_size")),
    "inference_batch_size": (3, dropped_inference_size),
    "learning_rate": (0.002, dropped_rate),
    "loss": ("poisson", entry(LOSSES, "poisson", LOSSES["mae"])),
    "physics_gain": (3.0, entry(GAINS, False, lambda _train, _batch: 17.4)),
    "gain_per_batch": (True, entry(GAINS, True, GAINS[False])),
    "validation": ("test", dropped_size("validation_fraction")),
    "validation_fraction": (0.2, dropped_size("validation_fraction")),
    "on_nan": ("stop", dropped_stop),
}
"""Knob → a value other than its default, and how it is dropped on its way."""


def test_every_other_knob_of_the_training_is_dropped_below():
    assert set(PLAIN) | set(SETTINGS) == set(Train.model_fields)


@pytest.mark.parametrize("knob", PLAIN)
def test_the_verdict_names_a_knob_that_does_not_arrive(workshop, monkeypatch, knob):
    value, plant = PLAIN[knob]
    parameters = workshop.parameters(train={knob: value})
    assert named(workshop, parameters) == []
    plant(monkeypatch)
    assert any(name.startswith(f"train.{knob}") for name in named(workshop, parameters))


def named(workshop, parameters):
    """What the runner's verdict names of a run."""
    effective = workshop.fit(parameters).effective()
    place = SimpleNamespace(device="cpu", threads=1, determinism="native")
    plan = parameters.model_dump(mode="json")
    return [d.knob for d in compare_effective(plan, 20260128, place, effective)]


# --- defects further on --------------------------------------------------------------------------


def test_a_scheduler_that_is_never_stepped_shows_in_the_rates(effective, monkeypatch):
    monkeypatch.setattr(torch.optim.lr_scheduler.SequentialLR, "step", lambda _self: None)
    assert effective()["observed"]["learning_rate_by_epoch"] == pytest.approx([0.0002] * 3)


def test_a_clipper_that_does_nothing_shows(effective, monkeypatch):
    monkeypatch.setattr(ClipNorm, "__call__", lambda _self: None)
    shown = effective()
    assert shown["parameters"]["train"]["clip"] == {"kind": "none"}
    assert shown["observed"]["max_post_clip_norm"] > 0.01


@pytest.mark.parametrize(("kind", "defect"), [("value", ClipValue), ("agc", ClipUnits)])
def test_any_clipper_that_does_nothing_shows(workshop, monkeypatch, kind, defect):
    monkeypatch.setattr(defect, "__call__", lambda _self: None)
    clip = {"kind": kind, **SETTINGS["clip"][kind]}
    names = named(workshop, workshop.parameters(train={"clip": clip}))
    quantity = {"value": "value", "agc": "ratio"}[kind]
    assert {f"observed.max_post_clip_{quantity}", "train.clip.kind"} <= set(names)


def test_adaptive_clipping_that_covers_no_unit_is_not_taken_for_any(workshop, monkeypatch):
    monkeypatch.setitem(UNITS, "agc", lambda _net: ())
    monkeypatch.setattr(models.diagnostics.effective_clip, "UNITS", {"agc": output_units})
    names = named(workshop, workshop.parameters(train={"clip": {"kind": "agc"}}))
    assert "train.clip.kind" in names


def test_clipping_that_lightning_never_calls_shows(effective, monkeypatch):
    """Without the hook there is no trace, and nothing bears out that anything was clipped."""
    monkeypatch.delattr(models.training.module.PatchFit, "configure_gradient_clipping")
    shown = effective()
    assert shown["parameters"]["train"]["clip"] == {"kind": "none"}
    assert shown["observed"]["max_post_clip_norm"] is None


def test_a_forward_model_that_ignores_its_gain_shows(effective, monkeypatch):
    ignoring = lambda patches, probe, _gain: predict_amplitude(patches, probe, 17.4)  # noqa: E731
    monkeypatch.setattr(models.training.module, "predict_amplitude", ignoring)
    assert effective()["parameters"]["train"]["physics_gain"] == pytest.approx(17.4, rel=1e-6)


def test_a_width_cap_that_never_reaches_the_network_shows(effective, monkeypatch):
    uncapped = lambda model: level_widths(model.model_copy(update={"max_hidden_channels": None}))  # noqa: E731
    for module in (models.nets.hybrid, models.nets.ushaped):
        monkeypatch.setattr(module, "level_widths", uncapped)
    shown = effective()
    assert shown["observed"]["layer_widths"] == [2, 4]
    assert shown["parameters"]["model"]["max_hidden_channels"] != 3


def test_an_order_that_ignores_the_seed_shows(effective, monkeypatch):
    seeds = {"order": 1}
    streams = lambda seed, name: numpy_generator(seeds.get(name, seed), name)  # noqa: E731
    monkeypatch.setattr(models.training.fit, "numpy_generator", streams)
    assert effective()["seed"] == [20260128, 1]


def test_a_validation_split_of_the_wrong_size_shows(effective, monkeypatch):
    monkeypatch.setattr(models.training.batches, "num_held_out", lambda total, _train: 2)
    assert effective()["parameters"]["train"]["validation_fraction"] == pytest.approx(2 / 49)


def test_an_architecture_that_is_swapped_shows(effective, monkeypatch):
    plain = functools.partial(models.nets.hybrid.Hybrid, block=models.nets.hybrid.PtychoBlock)
    monkeypatch.setitem(models.nets.registry.ARCHITECTURES, "stable_hybrid", plain)
    model = effective()["parameters"]["model"]
    assert (model["architecture"], model["stable_block"], model["layerscale_init"]) == (
        "hybrid",
        None,
        None,
    )
