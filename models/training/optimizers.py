"""The optimizers by name; one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

from models.config import Adam, AdamW, Sgd

Parameters = Iterable[nn.Parameter]


def adam(settings: Adam, parameters: Parameters, rate: float) -> torch.optim.Adam:
    """Adam (Kingma and Ba 2015); the penalty is added to the gradient."""
    return torch.optim.Adam(
        parameters, lr=rate, betas=settings.betas, weight_decay=settings.weight_decay
    )


def adamw(settings: AdamW, parameters: Parameters, rate: float) -> torch.optim.AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""
    return torch.optim.AdamW(
        parameters, lr=rate, betas=settings.betas, weight_decay=settings.weight_decay
    )


def sgd(settings: Sgd, parameters: Parameters, rate: float) -> torch.optim.SGD:
    """Stochastic gradient descent; Nesterov's form whenever there is momentum."""
    return torch.optim.SGD(
        parameters,
        lr=rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        weight_decay=settings.weight_decay,
    )


OPTIMIZERS: dict[str, Callable[[Any, Parameters, float], torch.optim.Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "sgd": sgd,
}
"""``optimizer.kind`` → builder from its settings, the parameters and the base learning rate."""
