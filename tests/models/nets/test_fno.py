from __future__ import annotations

import torch


def test_the_size_stays_the_same_all_the_way(make_net):
    net = make_net(architecture="fno", cnn_blocks=2)
    shapes = {}
    for name, layer in net.layers().items():
        layer.register_forward_hook(
            lambda _m, _i, out, name=name: shapes.update({name: tuple(out.shape)})
        )
    net(torch.rand(1, 1, 16, 16))
    assert shapes.pop("head.linear") == (1, 2, 16, 16)
    assert set(shapes.values()) == {(1, 4, 16, 16)}


def test_blocks_projection_and_refinements_follow_one_another(make_net):
    net = make_net(architecture="fno", fno_blocks=2, cnn_blocks=3)
    assert net.projection.kernel_size == (1, 1)
    x = torch.rand(1, 1, 16, 16)
    maps = net.lifter(x)
    for block in (net.blocks[0], net.blocks[1]):
        maps = maps + torch.nn.functional.gelu(block.spectral(maps) + block.local(maps))
    maps = net.projection(maps)
    for refinement in net.refinements:
        maps = torch.nn.functional.gelu(refinement.convolution(maps))
    assert len(net.refinements) == 3
    assert torch.equal(net(x), net.head(maps))


def test_any_even_side_will_do(make_net):
    """Nothing is halved."""
    assert make_net(architecture="fno", side=10)(torch.rand(1, 1, 10, 10)).shape[-1] == 10
