from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models.nets.blocks import LayerScale
from models.nets.initial import materialise
from models.nets.spectral import SpectralConvolution
from models.seeding import numpy_generator


def equal(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_weights_depend_on_the_seed_alone(make_net):
    torch.manual_seed(1)
    first = make_net(seed=3)
    torch.manual_seed(2)
    np.random.seed(4)
    assert equal(first, make_net(seed=3))
    assert not equal(first, make_net(seed=4))


def test_building_leaves_torchs_own_generator_untouched(make_net):
    before = torch.get_rng_state()
    make_net(architecture="stable_hybrid", decoder_norm="instance")
    assert torch.equal(torch.get_rng_state(), before)


def test_every_weight_is_given_a_value(make_net, monkeypatch):
    """Memory is poisoned before it is filled, so that a forgotten weight shows as NaN."""
    give_memory = nn.Module.to_empty

    def poisoned(self, **where):
        give_memory(self, **where)
        for parameter in self.parameters():
            parameter.data.fill_(float("nan"))
        return self

    monkeypatch.setattr(nn.Module, "to_empty", poisoned)
    for block in ("zero_gamma", "layerscale"):
        net = make_net(architecture="stable_hybrid", stable_block=block)
        assert all(
            torch.isfinite(torch.view_as_real(p) if p.is_complex() else p).all()
            for p in net.parameters()
        )


def test_spectral_weights_have_the_stated_variance():
    with torch.device("meta"):
        layer = SpectralConvolution(8, 16, modes=12, corners=1, side=64)
    materialise(layer, numpy_generator(1, "weights"))
    weight = layer.weight.detach().numpy()
    for part in (weight.real, weight.imag):
        assert part.std() == pytest.approx(np.sqrt(1 / 16), rel=0.02)
        assert abs(part.mean()) < 0.01
    assert abs(np.corrcoef(weight.real.ravel(), weight.imag.ravel())[0, 1]) < 0.03


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_convolutions_start_in_the_range_that_torch_gives_them(kind):
    with torch.device("meta"):
        layer = kind(6, 24, 3)
    materialise(layer, numpy_generator(1, "weights"))
    reference = kind(6, 24, 3)
    for ours, torchs in zip(layer.parameters(), reference.parameters(), strict=True):
        assert ours.abs().max().item() == pytest.approx(torchs.abs().max().item(), rel=0.1)
        assert ours.std().item() == pytest.approx(torchs.std().item(), rel=0.3)


def test_layerscale_starts_at_its_initial_value():
    with torch.device("meta"):
        layer = LayerScale(5, 1e-3)
    materialise(layer, numpy_generator(1, "weights"))
    assert torch.equal(layer.weight, torch.full((5,), 1e-3))


def test_a_module_without_a_rule_is_refused_by_name():
    with torch.device("meta"):
        net = nn.ModuleDict({"odd": nn.Linear(2, 2)})
    with pytest.raises(TypeError, match="odd, a Linear"):
        materialise(net, numpy_generator(1, "weights"))
