"""Each schedule against its definition, and against the plan's own arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from models.config import Train
from models.training.optimizers import OPTIMIZERS
from models.training.schedulers import SCHEDULERS


def stepped(train, losses):
    """The rate that torch uses in each epoch, and the optimizer behind it."""
    weights = [nn.Parameter(torch.ones(1, dtype=torch.float64))]
    optimizer = OPTIMIZERS["adam"](train.optimizer, weights, train.learning_rate)
    schedule = SCHEDULERS[train.scheduler.kind](train.scheduler, optimizer, train.epochs)
    rates = []
    for loss in losses:
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([loss] if train.scheduler.kind == "plateau" else []))
    return rates, optimizer


def scheduled(epochs, **scheduler):
    table = {"epochs": epochs, "learning_rate": 3e-4, "scheduler": scheduler}
    return Train.model_validate(table)


def closed_form(epoch, *, epochs, rate, warmup, ratio):
    """The schedule in the words of its definition, written down a second time."""
    if epoch < warmup:
        return rate * (0.1 + (1 - 0.1) * epoch / warmup)
    share = (epoch - warmup) / (epochs - warmup)
    return ratio * rate + (rate - ratio * rate) * 0.5 * (1 + math.cos(math.pi * share))


@pytest.mark.parametrize(
    ("epochs", "warmup", "ratio"),
    [
        (1, 0, 0.05),
        (2, 1, 0.5),
        (3, 2, 0.0),
        (5, 0, 0.1),
        (20, 5, 0.05),
        (50, 10, 1.0),
        (90, 7, 0.01),
    ],
)
def test_warmup_cosine_follows_its_definition(epochs, warmup, ratio):
    train = scheduled(epochs, kind="warmup_cosine", warmup_epochs=warmup, min_ratio=ratio)
    rates, optimizer = stepped(train, [0.0] * epochs)
    for epoch, rate in enumerate(rates):
        wanted = closed_form(epoch, epochs=epochs, rate=3e-4, warmup=warmup, ratio=ratio)
        assert rate == pytest.approx(wanted, rel=1e-12)
        assert rate == pytest.approx(train.learning_rate_after([None] * epoch), rel=1e-12)
    assert optimizer.param_groups[0]["initial_lr"] == 3e-4


def test_the_constant_schedule_is_constant():
    rates, optimizer = stepped(scheduled(4, kind="constant"), [0.0] * 4)
    assert rates == [3e-4] * 4
    assert optimizer.param_groups[0]["initial_lr"] == 3e-4


@pytest.mark.parametrize("gamma", [0.95, 0.5, 0.999])
def test_the_exponential_schedule_is_a_power(gamma):
    train = scheduled(40, kind="exponential", gamma=gamma)
    rates, optimizer = stepped(train, [0.0] * 40)
    assert rates == pytest.approx([3e-4 * math.exp(e * math.log(gamma)) for e in range(40)])
    assert rates == pytest.approx([train.learning_rate_after([None] * e) for e in range(40)])
    assert optimizer.param_groups[0]["initial_lr"] == 3e-4


def test_the_exponential_schedule_takes_five_percent_off_by_default():
    rates, _ = stepped(scheduled(3, kind="exponential"), [0.0] * 3)
    assert rates == pytest.approx([3e-4, 2.85e-4, 2.7075e-4])


def test_a_plateau_halves_the_rate_after_three_epochs_without_a_better_loss_down_to_its_floor():
    """By hand: epochs 2 to 4 are no better than epoch 1, 5 to 7 neither; 1e-4 is the floor."""
    losses = [0.5, 0.4, 0.4, 0.41, 0.5, 0.4, 0.4, 0.4, 0.39, 0.4]
    rates, optimizer = stepped(scheduled(10, kind="plateau"), losses)
    assert rates == pytest.approx([3e-4] * 5 + [1.5e-4] * 3 + [1e-4] * 2)
    assert optimizer.param_groups[0]["initial_lr"] == 3e-4


def test_a_loss_must_fall_by_the_threshold_to_count_as_better():
    losses = [1.0, 0.95, 0.92, 0.89, 0.89]
    for threshold, rates in ((0.0, [3e-4] * 5), (0.1, [3e-4] * 2 + [2e-4] + [4e-4 / 3] * 2)):
        settings = {"patience": 0, "factor": 2 / 3, "threshold": threshold}
        assert stepped(scheduled(5, kind="plateau", **settings), losses)[0] == pytest.approx(rates)


plateaus = st.fixed_dictionaries(
    {
        "kind": st.just("plateau"),
        "factor": st.floats(0.1, 0.9),
        "patience": st.integers(0, 4),
        "min_lr": st.sampled_from([0.0, 1e-5, 2e-4]),
        "threshold": st.sampled_from([0.0, 1e-4, 0.1]),
    }
)
few = st.sampled_from([0.25, 0.5, 0.5000001, 1.0, -0.5, 0.0, math.nan, math.inf])
"""Few values make ties; losses of a continuous likelihood may be negative."""


@settings(derandomize=True, database=None, deadline=None)
@given(plateaus, st.lists(few | st.floats(0.0, 2.0), max_size=30))
def test_the_plans_arithmetic_for_a_plateau_is_torchs(scheduler, losses):
    train = scheduled(40, **scheduler)
    rates, _ = stepped(train, losses)
    seen = [loss if math.isfinite(loss) else None for loss in losses]
    assert rates == [train.learning_rate_after(seen[:epoch]) for epoch in range(len(seen))]


def test_cuts_that_are_too_small_are_not_made_by_either():
    train = Train.model_validate(
        {"learning_rate": 3e-8, "scheduler": {"kind": "plateau", "patience": 0, "min_lr": 0.0}}
    )
    rates, _ = stepped(train, [1.0] * 6)
    assert rates == [train.learning_rate_after([1.0] * epoch) for epoch in range(6)]
    assert rates == pytest.approx([3e-8] * 2 + [1.5e-8] * 4)
