"""The numbers of parameters: published ones, and the formula against networks that are built."""

from __future__ import annotations

import itertools

import pytest

from models.config import BELONGS, Model, Parameters, count_parameters
from models.config.networks import network_stages
from models.nets.generator import count_live
from models.nets.registry import ARCHITECTURES, outline

DEEP = {"fno_blocks": 8, "max_levels": 4, "max_hidden_channels": 512}


def counted(patch_size=64, **model):
    """Built on the meta device, which takes no memory, and by formula."""
    parameters = Parameters.model_validate({"dataset": {"patch_size": patch_size}, "model": model})
    live = count_live(outline(parameters.model, side=patch_size))
    return live, count_parameters(parameters)


@pytest.mark.parametrize(
    ("model", "live", "nominal"),
    [
        ({}, 9_403_618, 17_202_402),
        ({"architecture": "stable_hybrid"}, 9_405_826, 17_204_610),
        ({"fno_blocks": 6}, 53_712_098, 276_075_746),
        ({"fno_blocks": 6, "max_hidden_channels": 512}, 31_166_178, 118_263_522),
        (DEEP, 37_194_466, 189_303_522),
    ],
)
def test_parameter_counts_are_the_published_ones(model, live, nominal):
    built, formula = counted(**model)
    assert built == formula == (live, nominal)


def test_the_plain_unet_has_about_as_many_parameters_as_the_network_it_is_compared_with():
    (unet, _), _ = counted(architecture="cnn")
    (hybrid, _), _ = counted()
    assert 0.9 < unet / hybrid < 1.1


def test_the_residual_network_can_be_counted_by_hand():
    """h = 1, M = 2, two blocks, N = 8: level by level, a complex weight once."""
    lifter = (9 + 1) + (9 + 1)
    encoder = (4 + 9 + 1) + (4 * 4 + 4 * 9 + 2)
    downsamplers = (1 * 2 * 4 + 2) + (2 * 4 * 4 + 4)
    residual = 6 * 2 * ((4 * 4 * 9 + 4) + 8) + 1
    upsamplers = (4 * 2 * 16 + 2 + 4) + (2 * 1 * 16 + 1 + 2)
    head = 2 * 1 + 2
    model = {"architecture": "hybrid_resnet", "hidden_channels": 1, "modes": 2, "fno_blocks": 2}
    total = lifter + encoder + downsamplers + residual + upsamplers + head
    assert count_live(outline(Model.model_validate(model), side=8)).live == total


GRID = {
    "corners": [1, 2],
    "modes": [3, 12],
    "fno_blocks": [2, 5],
    "cnn_blocks": [1, 4],
    "max_levels": [None, 2],
    "max_hidden_channels": [None, 12],
    "stable_block": ["zero_gamma", "layerscale"],
    "decoder_norm": ["none", "instance"],
    "output_mode": ["real_imag", "amp_phase", "amp_phase_logits"],
    "input_transform": ["none", "instance_norm"],
}


def combinations(architecture):
    """Every combination of the knobs of ``GRID`` that an architecture has."""
    knobs = {k: v for k, v in GRID.items() if architecture in BELONGS.get(k, (architecture,))}
    for values in itertools.product(*knobs.values()):
        model = dict(zip(knobs, values, strict=True))
        yield {"architecture": architecture, "hidden_channels": 6, **model}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_formula_agrees_with_built_networks_over_a_grid(architecture, channels):
    for index, table in enumerate(combinations(architecture)):
        if index % 5:  # every fifth: knobs that come later in the grid go round fastest
            continue
        model, side = Model.model_validate(table), 32 if index % 2 else 64
        parts = [
            part
            for stage in network_stages(model, side=side, channels=channels)
            for part in stage.parts
        ]
        live = count_live(outline(model, side=side, channels=channels))
        assert live.live == sum(part.live for part in parts), table
        assert live.nominal == sum(part.nominal for part in parts), table


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_formula_knows_the_memory_that_weights_take(architecture):
    model = Model.model_validate({"architecture": architecture})
    net = outline(model, side=64)
    numbers = sum(p.numel() * p.element_size() for p in net.parameters()) // 4
    stages = network_stages(model, side=64, channels=1)
    assert numbers == sum(part.weights for stage in stages for part in stage.parts)
