"""A knob that is dropped on its way into the fit shows in ``effective_config.json``.

Each test plants one defect in the code that trains and reads the configuration back.
"""

from __future__ import annotations

import functools

import pytest
import torch

import models.nets.hybrid
import models.nets.registry
import models.nets.ushaped
import models.training.batches
import models.training.fit
import models.training.module
from models.config import Adam, Constant, NoClip, level_widths
from models.physics.diffraction import predict_amplitude
from models.seeding import numpy_generator
from models.training.clipping import CLIPPERS, ClipNorm
from models.training.optimizers import OPTIMIZERS
from models.training.schedulers import SCHEDULERS

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


@pytest.mark.parametrize(
    ("registry", "kind", "build", "knob", "shown"),
    [
        (
            SCHEDULERS,
            "warmup_cosine",
            lambda _settings, *rest: SCHEDULERS["constant"](Constant(), *rest),
            "scheduler",
            {"kind": "constant"},
        ),
        (
            OPTIMIZERS,
            "sgd",
            lambda _settings, *rest: OPTIMIZERS["adam"](Adam(), *rest),
            "optimizer",
            {"kind": "adam", "betas": [0.9, 0.999], "weight_decay": 0.0},
        ),
        (CLIPPERS, "norm", lambda _settings: CLIPPERS["none"](NoClip()), "clip", {"kind": "none"}),
        (
            CLIPPERS,
            "norm",
            lambda _settings: ClipNorm(1.0),
            "clip",
            {"kind": "norm", "max_norm": 1.0},
        ),
    ],
)
def test_a_builder_that_ignores_its_settings_shows(
    effective, monkeypatch, registry, kind, build, knob, shown
):
    monkeypatch.setitem(registry, kind, build)
    assert effective()["parameters"]["train"][knob] == shown


def test_a_dropped_learning_rate_shows(effective, monkeypatch):
    build = OPTIMIZERS["sgd"]
    monkeypatch.setitem(
        OPTIMIZERS, "sgd", lambda settings, weights, _rate: build(settings, weights, 1e-3)
    )
    assert effective()["parameters"]["train"]["learning_rate"] == 1e-3


def test_a_scheduler_that_is_never_stepped_shows_in_the_rates(effective, monkeypatch):
    monkeypatch.setattr(torch.optim.lr_scheduler.SequentialLR, "step", lambda _self: None)
    assert effective()["observed"]["learning_rate_by_epoch"] == pytest.approx([0.0002] * 3)


def test_a_clipper_that_does_nothing_shows(effective, monkeypatch):
    monkeypatch.setattr(ClipNorm, "__call__", lambda _self, _parameters: None)
    shown = effective()
    assert shown["parameters"]["train"]["clip"] == {"kind": "none"}
    assert shown["observed"]["max_post_clip_norm"] > 0.01


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
