from __future__ import annotations

import pytest
import torch
from torch import nn

from models.config import Adam, AdamW, Sgd
from models.training.optimizers import OPTIMIZERS


def one_weight():
    return [nn.Parameter(torch.ones(1, dtype=torch.float64))]


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        (
            Adam(betas=(0.8, 0.9), weight_decay=0.1),
            torch.optim.Adam,
            {"betas": (0.8, 0.9), "weight_decay": 0.1},
        ),
        (AdamW(weight_decay=0.2), torch.optim.AdamW, {"betas": (0.9, 0.999), "weight_decay": 0.2}),
        (
            Sgd(momentum=0.7),
            torch.optim.SGD,
            {"momentum": 0.7, "nesterov": True, "weight_decay": 0.0},
        ),
        (Sgd(momentum=0.0), torch.optim.SGD, {"momentum": 0.0, "nesterov": False}),
    ],
)
def test_settings_reach_class_and_groups(settings, kind, expected):
    optimizer = OPTIMIZERS[settings.kind](settings, one_weight(), 0.125)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert group["lr"] == 0.125
    assert {key: group[key] for key in expected} == expected


def test_adams_penalty_is_in_the_gradient_and_adamws_beside_it():
    """With gradient 0, Adam normalises the penalty to a full step; AdamW shrinks the weight."""
    after = {}
    for settings in (Adam(weight_decay=0.01), AdamW(weight_decay=0.01)):
        (weight,) = weights = one_weight()
        weight.grad = torch.zeros_like(weight)
        OPTIMIZERS[settings.kind](settings, weights, 0.1).step()
        after[settings.kind] = weight.item()
    assert after["adam"] == pytest.approx(1 - 0.1, rel=1e-5)
    assert after["adamw"] == pytest.approx(1 - 0.1 * 0.01, rel=1e-12)


def test_a_complex_weight_is_optimised_like_its_two_real_parts():
    parts = torch.tensor([0.3, -0.4], dtype=torch.float64)
    together, apart = (
        nn.Parameter(torch.view_as_complex(parts.clone())),
        nn.Parameter(parts.clone()),
    )
    for weight in (together, apart):
        optimizer = OPTIMIZERS["adam"](Adam(), [weight], 0.1)
        for _ in range(3):
            values = torch.view_as_real(weight) if weight.is_complex() else weight
            optimizer.zero_grad()
            ((values - 1) ** 2).sum().backward()
            optimizer.step()
    assert torch.allclose(torch.view_as_real(together.detach()), apart.detach())
