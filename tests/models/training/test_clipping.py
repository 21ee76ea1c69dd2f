"""Each clipper against its definition, written down a second time; what it measures is true."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.config import Agc, AgcPerTensor, NoClip, NormClip, ValueClip
from models.nets.registry import build
from models.seeding import numpy_generator
from models.training.clipping import CLIPPERS, total_norm
from models.training.gradient_norms import GradientNorms
from models.training.units import output_units, tensors

ALL = [NormClip(max_norm=0.5), ValueClip(max_value=0.5), Agc(), AgcPerTensor(), NoClip()]


class Net(nn.Module):
    """A real, a complex and an unused weight behind each other, and a head of none."""

    def __init__(self):
        super().__init__()
        self.real = nn.Parameter(torch.zeros(1))
        self.complex = nn.Parameter(torch.zeros(1) + 0j)
        self.unused = nn.Parameter(torch.zeros(2))
        self.head = nn.Identity()


@pytest.fixture
def net():
    """Gradients 3 and 4i, and none for a third weight: total norm 5."""
    net = Net()
    net.real.grad, net.complex.grad = torch.tensor([3.0]), torch.tensor([4j])
    return net


def clipper(settings, net):
    return CLIPPERS[settings.kind](settings, net)


def test_the_total_norm_counts_a_complex_entry_by_its_modulus(net):
    assert total_norm(net.parameters()) == 5.0


def test_without_gradients_the_norm_is_zero():
    assert total_norm([nn.Parameter(torch.ones(3))]) == 0.0


@pytest.mark.parametrize("settings", ALL)
def test_without_gradients_there_is_nothing_to_clip(settings):
    clip = clipper(settings, Net())
    clip()
    assert clip.measure() == 0.0


@pytest.mark.parametrize("settings", ALL)
def test_a_gradient_that_is_not_a_number_stays_one_and_has_no_finite_measure(settings, net):
    net.real.grad[0] = math.nan
    clip = clipper(settings, net)
    clip()
    assert math.isnan(total_norm(net.parameters()))
    assert math.isnan(clip.measure()) or settings.kind == "none"


def test_clipping_scales_the_whole_gradient_to_the_bound(net):
    clipper(NormClip(max_norm=0.5), net)()
    assert total_norm(net.parameters()) == pytest.approx(0.5, rel=1e-5)
    assert net.real.grad.item() == pytest.approx(0.3, rel=1e-5)
    assert net.complex.grad.item() == pytest.approx(0.4j, rel=1e-5)


def test_values_are_limited_in_both_parts_of_a_complex_entry(net):
    net.complex.grad = torch.tensor([0.25 - 4j])
    clip = clipper(ValueClip(max_value=0.5), net)
    assert clip.measure() == 4.0
    clip()
    assert (net.real.grad.item(), net.complex.grad.item()) == (0.5, 0.25 - 0.5j)
    assert clip.measure() == clip.bound == 0.5


@pytest.mark.parametrize(
    "settings", [NormClip(max_norm=5.1), ValueClip(max_value=4.1), NoClip(), Agc(clip_factor=5e3)]
)
def test_a_gradient_within_the_bound_stays_as_it_is(net, settings):
    clipper(settings, net)()
    assert (net.real.grad.item(), net.complex.grad.item()) == (3.0, 4j)


def test_weights_of_zero_can_still_move(net):
    """‖w‖ = 0 counts as eps: the gradients become λ·eps long."""
    clipper(Agc(clip_factor=0.1, eps=0.5), net)()
    assert net.real.grad.item() == pytest.approx(0.05)
    assert net.complex.grad.item() == pytest.approx(0.05j)


# --- units ---------------------------------------------------------------------------------------


def network(workshop, **model):
    parameters = workshop.parameters(model=model)
    return build(parameters.model, side=16, generator=numpy_generator(1, "weights"))


def give_gradients(net, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        scale = size * 10 ** (4 * torch.rand(parameter.shape, generator=generator) - 2)
        parameter.grad = scale * torch.randn(
            parameter.shape, generator=generator, dtype=parameter.dtype
        )


def channels(module, tensor):
    """The units of a weight, each flat, by the way the layer uses them."""
    if tensor.squeeze().ndim <= 1:
        return [tensor.flatten()]
    if isinstance(module, nn.ConvTranspose2d):  # (in, out, kH, kW)
        return [tensor[:, out].flatten() for out in range(tensor.shape[1])]
    if isinstance(module, nn.Conv2d):  # (out, in, kH, kW)
        return [tensor[out].flatten() for out in range(tensor.shape[0])]
    return [tensor[..., out].flatten() for out in range(tensor.shape[-1])]  # (K, L, in, out)


def length(values):
    return math.sqrt(sum(abs(complex(value)) ** 2 for value in values.tolist()))


ARCHITECTURES = [
    {"architecture": "hybrid"},
    {"architecture": "stable_hybrid", "stable_block": "zero_gamma", "output_mode": "amp_phase"},
    {"architecture": "hybrid_resnet"},
    {"architecture": "fno"},
    {"architecture": "cnn", "modes": None, "fno_blocks": None, "cnn_blocks": 3},
]


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_agc_clips_each_output_unit_by_the_size_of_its_weights(workshop, model):
    net = network(workshop, **model)
    give_gradients(net, 1e-3)
    before = {name: p.grad.clone() for name, p in net.named_parameters()}
    clip = clipper(Agc(clip_factor=0.02, eps=0.01), net)
    clip()
    clipped = total = 0
    for path, module in net.named_modules():
        for name, weight in module.named_parameters(recurse=False):
            old = before[f"{path}.{name}".lstrip(".")]
            if path.startswith("head"):
                assert torch.equal(weight.grad, old)
                continue
            for w, g, now in zip(
                *(channels(module, t) for t in (weight.detach(), old, weight.grad)), strict=True
            ):
                bound = 0.02 * max(length(w), 0.01)
                factor = bound / length(g) if length(g) > bound else 1.0
                assert torch.allclose(now, g * factor, rtol=1e-4, atol=0)
                clipped, total = clipped + (factor < 1), total + 1
    assert 0 < clipped < total
    assert clip.measure() == pytest.approx(0.02, rel=1e-5)


def test_per_tensor_every_tensor_is_one_unit_and_the_head_is_not_spared(workshop):
    net = network(workshop, architecture="stable_hybrid")
    give_gradients(net, 0.01)
    before = [parameter.grad.clone() for parameter in net.parameters()]
    clip = clipper(AgcPerTensor(clip_factor=0.02), net)
    clip()
    for weight, old in zip(net.parameters(), before, strict=True):
        bound = 0.02 * max(length(weight.detach().flatten()), 1e-3)
        factor = min(1.0, bound / length(old.flatten()))
        assert torch.allclose(weight.grad, old * factor, rtol=1e-4, atol=0)
    assert clip.measure() == pytest.approx(0.02, rel=1e-5)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_units_cover_every_weight_once_but_the_head(workshop, model):
    net = network(workshop, **model)
    everything = {id(parameter) for parameter in net.parameters()}
    head = {id(parameter) for parameter in net.head.parameters()}
    for units, wanted in ((output_units(net), everything - head), (tensors(net), everything)):
        found = [id(one.parameter) for one in units]
        assert len(found) == len(set(found))
        assert set(found) == wanted


def test_a_layer_whose_outputs_nobody_has_located_is_refused():
    net = nn.ModuleDict({"dense": nn.Linear(2, 3)})
    net.head = nn.Identity()
    message = r"^dense\.weight: no output axis is defined for a Linear$"
    with pytest.raises(TypeError, match=message):
        output_units(net)


@settings(derandomize=True, database=None, deadline=None, max_examples=30)
@given(st.sampled_from(ALL[:4]), st.floats(1e-12, 1e12), st.integers(0, 5))
def test_whatever_the_gradient_what_was_clipped_is_bounded(settings, size, seed):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ConvTranspose2d(3, 2, 2))
    net.head = nn.Conv2d(2, 2, 1)
    give_gradients(net, size, seed)
    clip = clipper(settings, net)
    clip()
    assert clip.measure() <= clip.bound * (1 + 1e-5)
    once = [parameter.grad.clone() for parameter in net.parameters()]
    clip()
    assert all(
        torch.allclose(parameter.grad, old, rtol=1e-5)
        for parameter, old in zip(net.parameters(), once, strict=True)
    )


# --- the trace -----------------------------------------------------------------------------------


def test_the_trace_has_both_sides_of_the_clipping_every_few_steps(net):
    trace = GradientNorms(every=2)
    clip = clipper(ValueClip(max_value=0.5), net)
    for step in range(3):
        net.real.grad[0], net.complex.grad[0] = 3.0, 4j
        with trace.measuring(list(net.parameters()), clip, step, epoch=step // 2):
            clip()
    assert [(n.step, n.epoch, n.pre_clip) for n in trace.trace] == [(0, 0, 5.0), (2, 1, 5.0)]
    assert [n.post_clip for n in trace.trace] == pytest.approx([math.sqrt(0.5)] * 2)
    assert [n.bounded for n in trace.trace] == [0.5, 0.5]
    header, first, second = trace.csv().splitlines()
    assert header == "step,epoch,pre_clip,post_clip"
    assert first.startswith("0,0,5,")
    assert second.startswith("2,1,5,")
