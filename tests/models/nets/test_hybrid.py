from __future__ import annotations

import pytest
import torch

from models.nets.blocks import LayerScaleBlock, PtychoBlock, ZeroGammaBlock


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
