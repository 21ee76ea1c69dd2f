from __future__ import annotations

import pytest
import torch
from torch import nn

from models.nets.norm import InstanceNorm


def gradient_of(norm, maps, layout):
    maps = maps.clone().requires_grad_()
    given = torch.randn(maps.shape, generator=torch.Generator().manual_seed(2), dtype=maps.dtype)
    norm(maps).backward(given.contiguous(memory_format=layout))
    return maps.grad


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("batch", [1, 2])
def test_a_gradient_does_not_depend_on_how_it_lies_in_memory(batch, affine):
    norm = InstanceNorm(4, affine=affine).double()
    maps = torch.randn(
        batch, 4, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    found = gradient_of(norm, maps, torch.channels_last)
    assert torch.equal(found, gradient_of(norm, maps, torch.contiguous_format))
    assert torch.autograd.gradcheck(
        lambda x: norm(x).contiguous(memory_format=torch.channels_last),
        maps.requires_grad_(),
        check_undefined_grad=False,
    )


def as_loaded(samples):
    """With the strides of a transposed array of one channel, which pass for channels last."""
    return samples.contiguous().as_strided(samples.shape, (16 * 16, 1, 16, 1))


def test_values_are_those_of_torch():
    maps = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    assert torch.equal(InstanceNorm(4)(maps), nn.InstanceNorm2d(4)(maps))


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "hybrid", "decoder_norm": "instance"},
        {"architecture": "stable_hybrid", "decoder_norm": "instance"},
        {"architecture": "stable_hybrid", "stable_block": "zero_gamma"},
        {"architecture": "hybrid_resnet", "output_mode": "amp_phase"},
        {"architecture": "hybrid_resnet", "max_hidden_channels": 4},
        {"architecture": "cnn"},
        {"architecture": "fno"},
    ],
    ids=str,
)
def test_a_sample_has_the_gradient_that_it_has_twice_in_a_batch_of_two(make_net, model):
    net = make_net(**model)
    sample = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    goal = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))

    def gradients(count):
        net.zero_grad()
        patches = net(as_loaded(sample.expand(count, -1, -1, -1)))
        ((patches.real - goal) ** 2 + (patches.imag * goal)).mean().backward()
        return {name: parameter.grad for name, parameter in net.named_parameters()}

    alone, twice = gradients(1), gradients(2)
    largest = max(gradient.abs().max() for gradient in twice.values())
    for name, gradient in alone.items():
        assert (gradient - twice[name]).abs().max() < 1e-4 * largest, name
