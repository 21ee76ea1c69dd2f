"""Weights, modules, settings and steps that take part in a fit otherwise than declared.

Each test plants one defect in code that no knob decides, and holds the run against its plan.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

import models.training.module
from models.config import Model, Train
from models.nets.blocks import DecoderLevel, LayerScaleBlock, Lifter, PtychoBlock
from models.nets.registry import build
from models.physics.diffraction import predict_amplitude
from models.seeding import numpy_generator
from models.training.module import PatchFit
from models.training.observers import Calls
from models.training.optimizers import OPTIMIZERS
from runner.verify.effective import compare_effective

_OF_OPTIMIZER = Train.model_fields["optimizer"].annotation
KINDS = {member().kind: member for member in get_args(_OF_OPTIMIZER)}
FIXED = [(kind, key) for kind, member in KINDS.items() for key in member().fixed]


@pytest.fixture
def named(workshop):
    """What the runner's verdict names of a run with changed parameters."""

    def run(**changes):
        parameters = workshop.parameters(**changes)
        effective = workshop.fit(parameters).effective()
        place = SimpleNamespace(device="cpu", threads=1, determinism="native")
        plan = parameters.model_dump(mode="json")
        return [d.knob for d in compare_effective(plan, 20260128, place, effective)]

    return run


def after_building(monkeypatch, kind, change):
    """Change an optimizer once it is built."""
    build = OPTIMIZERS[kind]

    def changed(*arguments):
        optimizer = build(*arguments)
        change(optimizer.param_groups)
        return optimizer

    monkeypatch.setitem(OPTIMIZERS, kind, changed)


@pytest.mark.parametrize("kind", KINDS)
def test_the_fixed_settings_are_those_that_torch_has(kind):
    settings = KINDS[kind]()
    optimizer = OPTIMIZERS[kind](settings, [nn.Parameter(torch.zeros(1))], 0.1)
    (group,) = optimizer.param_groups
    knobs = {"lr", "params", *settings.model_dump(exclude={"kind"})}
    elsewhere = {"capturable", "differentiable", "foreach", "fused"}
    assert set(settings.fixed) == set(group) - knobs - elsewhere
    assert settings.fixed == {key: group[key] for key in settings.fixed}


@pytest.mark.parametrize(("kind", "key"), FIXED)
def test_a_setting_that_no_knob_decides_is_compared(named, monkeypatch, kind, key):
    def change(groups):
        for group in groups:
            value = group[key]
            group[key] = not value if isinstance(value, bool) else value + 0.25

    after_building(monkeypatch, kind, change)
    found = named(train={"optimizer": {"kind": kind}})
    assert f"observed.optimizer_settings.{key}" in found


def test_a_setting_of_one_group_alone_is_seen(named, monkeypatch):
    def divide(groups):
        head = groups[0]["params"].pop()
        groups.append(groups[0] | {"params": [head], "weight_decay": 0.5, "eps": 1e-3})

    after_building(monkeypatch, "adam", divide)
    found = named()
    assert found == ["observed.optimizer_settings.eps", "train.optimizer.weight_decay"]


@pytest.mark.parametrize(
    "change",
    [
        lambda groups: groups[0]["params"].pop(),
        lambda groups: groups[0]["params"].append(groups[0]["params"][0]),
        lambda groups: groups[0]["params"].append(nn.Parameter(torch.zeros(2))),
    ],
    ids=["left out", "twice", "not of the network"],
)
def test_a_weight_that_is_not_in_exactly_one_group_is_named(named, monkeypatch, change):
    after_building(monkeypatch, "adam", change)
    assert named() == ["observed.parameters_not_in_one_group"]


def test_a_frozen_weight_is_named(named, monkeypatch):
    after_building(
        monkeypatch,
        "adam",
        lambda groups: groups[0]["params"][0].requires_grad_(requires_grad=False),
    )
    assert named() == ["observed.parameters_not_in_one_group"]


def test_steps_are_counted_where_they_are_taken(named, monkeypatch):
    def every_second(_self, _epoch, batch, optimizer, closure):
        if batch % 2:
            closure()
        else:
            optimizer.step(closure=closure)

    monkeypatch.setattr(PatchFit, "optimizer_step", every_second)
    assert "observed.steps_by_epoch[0]" in named()


def without_norm(level, x, skip):
    maps = torch.cat([level.upsampler(x), skip], dim=1)
    return level.convolution_2(level.activation(level.convolution_1(maps)))


def without_scale(block, x):
    return x + block.norm(block.update(x))


def without_transform(lifter, x):
    return lifter.convolution_2(lifter.activation(lifter.convolution_1(x)))


@pytest.mark.parametrize(
    ("kind", "forward", "model"),
    [
        (DecoderLevel, without_norm, {"decoder_norm": "instance"}),
        (LayerScaleBlock, without_scale, {"architecture": "stable_hybrid"}),
        (LayerScaleBlock, PtychoBlock.forward, {"architecture": "stable_hybrid"}),
        (Lifter, without_transform, {"input_transform": "sqrt"}),
    ],
    ids=["norm", "scale", "block", "transform"],
)
def test_a_module_that_is_there_and_not_called_is_named(named, monkeypatch, kind, forward, model):
    assert named(model=model) == []
    monkeypatch.setattr(kind, "forward", forward)
    assert named(model=model) == ["observed.modules_not_called"]


@pytest.mark.parametrize("architecture", ["hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_network_of_the_fewest_blocks_calls_all_it_has(architecture, checkpointing):
    blocks = {"hybrid_resnet": {"fno_blocks": 2}, "cnn": {"cnn_blocks": 1}}
    model = {
        "architecture": architecture,
        "hidden_channels": 2,
        "activation_checkpointing": checkpointing,
        **({} if architecture == "cnn" else {"modes": 4}),
        **blocks.get(architecture, {"fno_blocks": 1}),
    }
    generator = numpy_generator(1, "weights")
    net = build(Model.model_validate(model), side=16, generator=generator)
    calls = Calls(net)
    net(torch.rand(2, 1, 16, 16)).abs().sum().backward()
    assert calls.left_out == []


def test_the_gain_is_measured_where_it_acts(named, monkeypatch):
    def stronger(patches, probe, gain):
        return predict_amplitude(patches, probe, gain * (1.1 if torch.is_grad_enabled() else 1.0))

    assert named(train={"physics_gain": 3.0}) == []
    monkeypatch.setattr(models.training.module, "predict_amplitude", stronger)
    assert named(train={"physics_gain": 3.0}) == ["train.physics_gain"]


def test_the_gain_of_overlapping_patches_is_measured(named):
    changes = {"dataset": {"gridsize": 2, "test_stride": 8}}
    assert named(**changes, train={"gain_per_batch": True, "physics_gain": 3.0}) == []


def test_older_files_say_nothing_of_it(workshop):
    effective = workshop.fit(parameters := workshop.parameters()).effective()
    place = SimpleNamespace(device="cpu", threads=1, determinism="native")
    for name in ("optimizer_settings", "parameters_not_in_one_group", "modules_not_called"):
        del effective["observed"][name]
    plan = parameters.model_dump(mode="json")
    missing = {d.knob for d in compare_effective(plan, 20260128, place, effective)}
    assert missing >= {"observed.modules_not_called", "observed.optimizer_settings.eps"}
    older = effective | {"schema_version": 1}
    assert compare_effective(plan, 20260128, place, older) == ()
