from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models.nets.blocks import (
    DECODER_NORMS,
    INPUT_TRANSFORMS,
    DecoderLevel,
    LayerScaleBlock,
    PtychoBlock,
    ZeroGammaBlock,
)
from models.nets.heads import HEADS
from models.nets.initial import materialise
from models.seeding import numpy_generator


def made(kind, **arguments):
    with torch.device("meta"):
        block = kind(3, modes=2, corners=1, side=8, **arguments)
    materialise(block, numpy_generator(1, "weights"))
    return block


@pytest.fixture
def maps():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_plain_block_adds_the_gelu_of_both_branches(maps):
    block = made(PtychoBlock)
    expected = maps + nn.functional.gelu(block.spectral(maps) + block.local(maps))
    assert torch.equal(block(maps), expected)


def test_the_zero_gamma_block_is_exactly_the_identity_at_first(maps):
    assert torch.equal(made(ZeroGammaBlock)(maps), maps)


def test_the_zero_gamma_block_can_leave_the_identity(maps):
    block = made(ZeroGammaBlock)
    block(maps).square().mean().backward()
    assert block.norm.weight.grad.abs().min() > 0


def test_the_layerscale_block_is_nearly_the_identity_at_first(maps):
    difference = made(LayerScaleBlock, initial=1e-3)(maps) - maps
    assert 0 < difference.abs().max() < 1e-2
    assert difference.square().mean().sqrt().item() == pytest.approx(1e-3, rel=1e-3)


def test_the_gradient_flows_through_both_branches_of_the_layerscale_block(maps):
    block = made(LayerScaleBlock, initial=1e-3)
    (block(maps) ** 3).mean().backward()
    for name, parameter in block.named_parameters():
        if name != "local.bias":  # its part that is constant over a map is taken out by the norm
            assert parameter.grad.abs().max() > 0, name


def test_without_the_instance_norm_a_decoder_can_die_and_with_it_it_cannot(maps):
    """A large negative bias silences a plain decoder; the norm takes the bias out again."""
    shares = {}
    for norm in DECODER_NORMS:
        with torch.device("meta"):
            level = DecoderLevel(3, 3, norm)
        materialise(level, numpy_generator(1, "weights"))
        nn.init.constant_(level.convolution_1.bias, -100.0)
        seen = []
        level.activation.register_forward_pre_hook(
            lambda _module, inputs, seen=seen: seen.extend(inputs)
        )
        level(maps, torch.randn(2, 3, 16, 16))
        shares[norm] = (seen[0] > 0).float().mean().item()
    assert shares["none"] == 0
    assert 0.3 < shares["instance"] < 0.7


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("none", lambda x: x),
        ("sqrt", lambda x: x**0.5),
        ("log1p", lambda x: torch.log(1 + x)),
        (
            "instance_norm",
            lambda x: (
                (x - x.mean((-2, -1), keepdim=True))
                / (x.var((-2, -1), unbiased=False, keepdim=True) + 1e-5).sqrt()
            ),
        ),
    ],
)
def test_an_input_transform_is_what_its_name_says(name, function, maps):
    x = maps.abs()
    assert torch.allclose(INPUT_TRANSFORMS[name](3)(x), function(x), atol=1e-5)


def linear(head, x):
    return [part(x) for part in head.children()]


def test_the_linear_head_puts_real_before_imaginary(maps):
    head = HEADS["real_imag"](3, 2)
    (out,) = linear(head, maps)
    assert torch.equal(head(maps), torch.complex(out[:, :2], out[:, 2:]))


@pytest.mark.parametrize("name", ["amp_phase", "amp_phase_logits"])
def test_the_amplitude_head_bounds_amplitude_and_phase(name, maps):
    head = HEADS[name](3, 2)
    out = torch.cat(linear(head, 50 * maps), dim=1)
    patches = head(50 * maps)
    assert torch.allclose(patches.abs(), out[:, :2].sigmoid(), atol=1e-6)
    phase = math.pi * out[:, 2:].tanh()
    assert torch.allclose(patches, patches.abs() * torch.exp(1j * phase), atol=1e-6)


def test_the_two_amplitude_heads_differ_in_their_modules_only():
    assert len(list(HEADS["amp_phase"](3, 1).children())) == 2
    assert len(list(HEADS["amp_phase_logits"](3, 1).children())) == 1
