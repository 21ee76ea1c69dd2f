from __future__ import annotations

import pytest
import torch
from torch import nn

from models.nets.blocks import LayerScale
from models.nets.hybrid_resnet import ResidualBlock, reflect
from models.nets.initial import materialise
from models.seeding import numpy_generator


@pytest.fixture
def net(make_net):
    return make_net(architecture="hybrid_resnet", fno_blocks=4)


def sides(net, modules):
    """Side of what each module puts out for a patch of 16 px."""
    seen = []
    for module in modules:
        module.register_forward_hook(lambda _m, _i, out: seen.append(out.shape[-1]))
    net(torch.rand(1, 1, 16, 16))
    return seen


def test_the_side_is_halved_twice_whatever_the_number_of_blocks(net, make_net):
    assert sides(net, net.encoder) == [16, 8, 4, 4]
    two = make_net(architecture="hybrid_resnet", fno_blocks=2)
    assert sides(two, [*two.encoder, *two.downsamplers]) == [16, 8, 8, 4]
    assert two.widths == net.widths == (4, 8, 16)


def test_six_residual_blocks_work_at_a_quarter_of_the_side(net):
    assert sides(net, net.residual) == [4] * 6
    assert all(block.convolution_1.padding == (0, 0) for block in net.residual)


def test_the_residual_blocks_share_one_scalar(net):
    scales = [module for module in net.modules() if isinstance(module, LayerScale)]
    assert [tuple(scale.weight.shape) for scale in scales] == [(1,)]
    assert scales[0].weight.item() == pytest.approx(0.1)
    assert scales[0].initial == 0.1


def test_at_zero_scale_the_residual_blocks_are_the_identity(net):
    seen = {}
    net.residual[0].register_forward_pre_hook(lambda _m, inputs: seen.update(entry=inputs[0]))
    net.residual[5].register_forward_hook(lambda _m, _i, out: seen.update(exit=out))
    nn.init.zeros_(net.scale.weight)
    net(torch.rand(1, 1, 16, 16))
    assert torch.equal(seen["entry"], seen["exit"])


def test_a_residual_block_is_what_it_says():
    with torch.device("meta"):
        parts = nn.ModuleDict({"block": ResidualBlock(3), "scale": LayerScale(1, 0.1)})
    materialise(parts, numpy_generator(1, "weights"))
    block, x = parts["block"], torch.randn(2, 3, 8, 8)
    pad = nn.ReflectionPad2d(1)
    inner = nn.functional.gelu(block.norm_1(block.convolution_1(pad(x))))
    expected = x + 0.1 * block.norm_2(block.convolution_2(pad(inner)))
    assert torch.allclose(block(x, parts["scale"]), expected, atol=1e-6)


def test_padding_mirrors_as_torch_does_and_has_the_same_gradient():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    ours, torchs = reflect(x), nn.ReflectionPad2d(1)(x)
    assert torch.equal(ours, torchs)
    weight = torch.randn_like(ours)
    (mine,) = torch.autograd.grad((ours * weight).sum(), x)
    (theirs,) = torch.autograd.grad((torchs * weight).sum(), x)
    assert torch.allclose(mine, theirs)


def test_a_map_of_two_pixels_can_still_be_padded():
    assert reflect(torch.arange(4.0).reshape(1, 1, 2, 2))[0, 0].tolist() == [
        [3, 2, 3, 2],
        [1, 0, 1, 0],
        [3, 2, 3, 2],
        [1, 0, 1, 0],
    ]


def test_every_activation_behind_the_encoder_has_a_norm_in_front_of_it(net):
    """So no bias in front of the norm can silence it."""
    inputs = []
    for activation in net.decoder_activations().values():
        activation.register_forward_pre_hook(lambda _m, given: inputs.extend(given))
    for upsampler in net.upsamplers:
        nn.init.constant_(upsampler.convolution.bias, -100.0)
    net(torch.rand(1, 1, 16, 16))
    assert [maps.shape[-1] for maps in inputs] == [8, 16]
    assert all(maps.mean((-2, -1)).abs().max() < 1e-3 for maps in inputs)


def test_the_cap_holds_at_every_level(make_net):
    net = make_net(architecture="hybrid_resnet", max_hidden_channels=6)
    assert net.widths == (4, 6, 6)
    assert net(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)
