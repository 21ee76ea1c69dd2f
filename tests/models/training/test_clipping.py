from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models.config import NoClip, NormClip
from models.training.clipping import CLIPPERS, total_norm
from models.training.observers import GradientNorms


@pytest.fixture
def weights():
    """Gradients 3 and 4i, and none for a third weight: total norm 5."""
    real, imaginary, unused = (
        nn.Parameter(torch.zeros(1)),
        nn.Parameter(torch.zeros(1) + 0j),
        nn.Parameter(torch.zeros(2)),
    )
    real.grad, imaginary.grad = torch.tensor([3.0]), torch.tensor([4j])
    return [real, imaginary, unused]


def test_the_total_norm_counts_a_complex_entry_by_its_modulus(weights):
    assert total_norm(weights) == 5.0


def test_without_gradients_the_norm_is_zero():
    assert total_norm([nn.Parameter(torch.ones(3))]) == 0.0


def test_a_gradient_that_is_not_a_number_has_no_finite_norm(weights):
    weights[0].grad[0] = math.nan
    assert math.isnan(total_norm(weights))


def test_clipping_scales_the_whole_gradient_to_the_bound(weights):
    CLIPPERS["norm"](NormClip(max_norm=0.5))(weights)
    assert total_norm(weights) == pytest.approx(0.5, rel=1e-5)
    assert weights[0].grad.item() == pytest.approx(0.3, rel=1e-5)
    assert weights[1].grad.item() == pytest.approx(0.4j, rel=1e-5)


@pytest.mark.parametrize("settings", [NormClip(max_norm=5.1), NoClip()])
def test_a_gradient_within_the_bound_stays_as_it_is(weights, settings):
    CLIPPERS[settings.kind](settings)(weights)
    assert (weights[0].grad.item(), weights[1].grad.item()) == (3.0, 4j)


def test_the_trace_has_both_sides_of_the_clipping_every_few_steps(weights):
    trace = GradientNorms(every=2)
    clip = CLIPPERS["norm"](NormClip(max_norm=1.0))
    for step in range(3):
        weights[0].grad[0], weights[1].grad[0] = 3.0, 4j
        with trace.measuring(weights, step, epoch=step // 2):
            clip(weights)
    assert [(n.step, n.epoch, n.pre_clip) for n in trace.trace] == [(0, 0, 5.0), (2, 1, 5.0)]
    assert [n.post_clip for n in trace.trace] == pytest.approx([1.0, 1.0], rel=1e-5)
    header, first, second = trace.csv().splitlines()
    assert header == "step,epoch,pre_clip,post_clip"
    assert first.startswith("0,0,5,")
    assert second.startswith("2,1,5,")
