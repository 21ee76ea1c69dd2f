"""The losses agree with their definitions and have finite gradients."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.stats import poisson as poisson_distribution

from models.config import Train
from models.physics.losses import LOSSES, mae, poisson


def amplitudes(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 1, 8, 8, dtype=torch.float64, generator=generator) + 0.1


def test_every_loss_that_a_manifest_may_name_exists():
    assert set(LOSSES) == set(get_args(Train.model_fields["loss"].annotation))


def test_mae_is_the_mean_error_over_the_mean_measurement():
    predicted, measured = amplitudes(0), amplitudes(1)
    expected = np.abs(predicted.numpy() - measured.numpy()).mean() / measured.numpy().mean()
    assert mae(predicted, measured).item() == pytest.approx(expected, rel=1e-7)
    assert mae(measured, measured).item() == 0


def test_mae_does_not_depend_on_the_unit_of_amplitude():
    predicted, measured = amplitudes(0), amplitudes(1)
    assert mae(9 * predicted, 9 * measured).item() == pytest.approx(
        mae(predicted, measured).item(), rel=1e-6
    )


def test_poisson_is_the_negative_log_likelihood_per_pattern_over_the_mean_measurement():
    generator = np.random.default_rng(3)
    rate = generator.uniform(0.5, 30, (4, 1, 8, 8))
    counts = generator.poisson(rate)
    likelihood = poisson_distribution.logpmf(counts, rate).sum(axis=(1, 2, 3))
    loss = poisson(torch.from_numpy(np.sqrt(rate)), torch.from_numpy(np.sqrt(counts)))
    assert loss.item() == pytest.approx(-likelihood.mean() / np.sqrt(counts).mean(), rel=1e-6)


def test_poisson_is_least_where_the_rate_equals_the_count():
    measured = amplitudes(1)
    predicted = measured.clone().requires_grad_()
    poisson(predicted, measured).backward()
    assert predicted.grad.abs().max() < 1e-5
    assert poisson(1.1 * measured, measured) > poisson(measured, measured)
    assert poisson(0.9 * measured, measured) > poisson(measured, measured)


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_the_gradient_agrees_with_finite_differences(name):
    predicted = amplitudes(0).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: LOSSES[name](p, amplitudes(1)), (predicted,))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_a_dark_prediction_and_a_dark_measurement_have_finite_loss_and_gradient(name):
    for light in (0.0, 1.0):
        predicted = torch.zeros(2, 1, 4, 4, requires_grad=True)
        loss = LOSSES[name](predicted, torch.full((2, 1, 4, 4), light))
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(predicted.grad).all()


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_four_patterns_in_one_sample_count_as_four_samples(name):
    predicted, measured = (amplitudes(seed).expand(3, 4, 8, 8) ** 2 for seed in (0, 1))
    apart = LOSSES[name](predicted.reshape(12, 1, 8, 8), measured.reshape(12, 1, 8, 8))
    assert LOSSES[name](predicted, measured).item() == pytest.approx(apart.item(), rel=1e-12)
