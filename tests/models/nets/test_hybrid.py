from __future__ import annotations

import itertools

import pytest
import torch

from models.config import Model, Parameters, count_parameters
from models.nets.blocks import LayerScaleBlock, PtychoBlock, ZeroGammaBlock
from models.nets.generator import count_live
from models.nets.registry import ARCHITECTURES, outline


def counted(patch_size=64, **model):
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
    ],
)
def test_parameter_counts_are_the_published_ones(model, live, nominal):
    built, formula = counted(**model)
    assert built == formula == (live, nominal)


GRID = list(
    itertools.product(
        [32, 64],
        [1, 2],
        [3, 12],
        [(1, None), (4, None), (5, 2), (7, 3), (3, 9)],
        [None, 12],
        [("hybrid", None), ("stable_hybrid", "zero_gamma"), ("stable_hybrid", "layerscale")],
    )
)


def test_the_formula_agrees_with_built_networks_over_a_grid():
    for patch_size, corners, modes, (blocks, levels), cap, (architecture, block) in GRID:
        model = {
            "hidden_channels": 6,
            "corners": corners,
            "modes": modes,
            "fno_blocks": blocks,
            "max_levels": levels,
            "max_hidden_channels": cap,
            "architecture": architecture,
            "stable_block": block,
        }
        live, formula = counted(patch_size, **model)
        assert live == formula, model


@pytest.mark.parametrize("decoder_norm", ["none", "instance"])
@pytest.mark.parametrize("output_mode", ["real_imag", "amp_phase", "amp_phase_logits"])
@pytest.mark.parametrize("input_transform", ["none", "instance_norm"])
def test_the_formula_agrees_for_every_norm_and_head(decoder_norm, output_mode, input_transform):
    live, formula = counted(
        decoder_norm=decoder_norm, output_mode=output_mode, input_transform=input_transform
    )
    assert live == formula


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
@pytest.mark.parametrize("channels", [1, 4])
def test_amplitudes_become_complex_patches_of_the_same_shape(make_net, architecture, channels):
    patches = make_net(architecture=architecture, channels=channels)(
        torch.rand(2, channels, 16, 16)
    )
    assert patches.shape == (2, channels, 16, 16)
    assert patches.dtype == torch.complex64


def test_blocks_are_those_of_the_architecture(make_net):
    def kinds(**model):
        net = make_net(**model)
        return {type(block) for block in [*net.encoder, net.bottleneck]}

    assert kinds() == {PtychoBlock}
    assert kinds(architecture="stable_hybrid") == {LayerScaleBlock}
    assert kinds(architecture="stable_hybrid", stable_block="zero_gamma") == {ZeroGammaBlock}


def test_widths_double_up_to_the_cap_and_sides_halve_down_to_the_level_limit(make_net):
    net = make_net(side=32, fno_blocks=6, max_levels=3, max_hidden_channels=10)
    assert net.widths == (4, 8, 10, 10)
    assert [block.spectral.side for block in net.encoder] == [32, 16, 8, 4, 4, 4]
    assert net.bottleneck.spectral.side == 4
    assert net.bottleneck.spectral.modes == 2
    assert net(torch.rand(1, 1, 32, 32)).shape == (1, 1, 32, 32)


def test_a_single_block_needs_no_halving(make_net):
    net = make_net(fno_blocks=1)
    assert net.widths == (4,)
    assert net(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_the_gradient_reaches_every_parameter(make_net):
    net = make_net(architecture="stable_hybrid", output_mode="amp_phase")
    (net(torch.rand(2, 1, 16, 16)) - 1).abs().mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_a_patch_does_not_depend_on_its_batch_mates(make_net):
    net = make_net(architecture="stable_hybrid", decoder_norm="instance").eval()
    x = torch.rand(5, 1, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(x)[3], net(x[3:4])[0], atol=1e-5)


def test_each_skip_meets_the_decoder_level_of_its_own_size(make_net):
    """Zeroing what comes up from below leaves at each level exactly the skip of that level."""
    net = make_net(fno_blocks=3)
    seen = {}
    for index, block in enumerate(net.encoder):
        block.register_forward_hook(lambda _m, _i, out, index=index: seen.update({index: out}))
    joined = []
    for level in net.decoder:
        level.convolution_1.register_forward_pre_hook(lambda _m, inputs: joined.extend(inputs))
    net(torch.rand(1, 1, 16, 16))
    assert torch.equal(joined[0][:, 8:], seen[1])
    assert torch.equal(joined[1][:, 4:], seen[0])


def test_the_layers_of_a_report_cover_every_weight_but_the_lifters_parts(make_net):
    net = make_net(architecture="stable_hybrid", decoder_norm="instance")
    layers = net.layers()
    assert {
        "lifter",
        "encoder.0.spectral",
        "encoder.2.local",
        "downsamplers.1",
        "bottleneck",
    } <= set(layers)
    assert {"decoder.0.upsampler", "decoder.1.convolution_2", "decoder.0.activation"} <= set(layers)
    assert "head.linear" in layers
    inside = {id(p) for layer in layers.values() for p in layer.parameters()}
    assert inside == {id(p) for p in net.parameters()}


@pytest.mark.parametrize("decoder_norm", ["none", "instance"])
def test_decoder_activations_take_the_normed_output_of_the_first_convolution(
    make_net, decoder_norm
):
    net = make_net(decoder_norm=decoder_norm)
    activations = net.decoder_activations()
    assert list(activations) == ["decoder.0.activation", "decoder.1.activation"]
    assert activations.items() <= net.layers().items()
    normed, inputs = [], []
    for level in net.decoder:
        level.norm.register_forward_hook(lambda _m, _i, out: normed.append(out))
    for activation in activations.values():
        activation.register_forward_pre_hook(lambda _m, given: inputs.extend(given))
    net(torch.rand(1, 1, 16, 16))
    assert [maps.shape for maps in inputs] == [(1, 8, 8, 8), (1, 4, 16, 16)]
    assert all(torch.equal(a, b) for a, b in zip(normed, inputs, strict=True))


def test_a_network_without_halvings_has_no_decoder_activations(make_net):
    assert make_net(fno_blocks=1).decoder_activations() == {}


def test_an_unknown_architecture_lists_the_known_ones():
    model = Model.model_construct(**{**dict(Model()), "architecture": "transformer"})
    with pytest.raises(ValueError, match="'transformer'; known are: hybrid, stable_hybrid"):
        outline(model, side=16)
