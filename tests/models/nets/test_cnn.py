from __future__ import annotations

import torch
from torch import nn

from models.nets.cnn import ConvolutionBlock
from models.nets.spectral import SpectralConvolution


def test_nothing_in_it_is_spectral(make_net):
    net = make_net(architecture="cnn")
    assert not any(isinstance(module, SpectralConvolution) for module in net.modules())
    assert not any(parameter.is_complex() for parameter in net.parameters())


def test_there_is_a_halving_between_any_two_blocks_down_to_the_level_limit(make_net):
    assert make_net(architecture="cnn", cnn_blocks=4).widths == (4, 8, 16, 32)
    net = make_net(architecture="cnn", cnn_blocks=4, max_levels=2, max_hidden_channels=10)
    assert net.widths == (4, 8, 10)
    assert len(net.encoder) == 3
    seen = []
    for block in [*net.encoder, net.bottleneck]:
        block.register_forward_hook(lambda _m, _i, out: seen.append(out.shape[-1]))
    assert net(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)
    assert seen == [16, 8, 4, 4]


def test_a_single_block_needs_no_halving(make_net):
    net = make_net(architecture="cnn", cnn_blocks=1)
    assert net.decoder_activations() == {}
    assert net(torch.rand(1, 1, 16, 16)).shape == (1, 1, 16, 16)


def test_a_block_is_two_convolutions_each_with_its_activation(make_net):
    net = make_net(architecture="cnn")
    block, x = net.bottleneck, torch.randn(1, 16, 4, 4)
    assert isinstance(block, ConvolutionBlock)
    gelu = nn.functional.gelu
    assert torch.equal(block(x), gelu(block.convolution_2(gelu(block.convolution_1(x)))))


def test_a_pixel_sees_only_its_neighbourhood(make_net):
    """Without spectral convolutions the far side of a patch has no say."""
    net = make_net(architecture="cnn", cnn_blocks=1)
    x = torch.rand(1, 1, 16, 16)
    changed = x.clone()
    changed[..., 15, 15] += 1
    difference = (net(x) - net(changed)).abs()[0, 0]
    assert difference[15, 15] > 0
    assert difference[:11, :11].max() == 0
