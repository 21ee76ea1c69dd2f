"""The learning-rate schedules by name; one function each. All are stepped once an epoch.

Every schedule remembers the base rate in the optimizer's groups as ``initial_lr``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    SequentialLR,
)

from models.config import Constant, WarmupCosine

WARMUP_START = 0.1
"""Share of the base rate that a warm-up starts from."""


def constant(_settings: Constant, optimizer: Optimizer, _epochs: int) -> ConstantLR:
    """The base rate throughout."""
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def warmup_cosine(
    settings: WarmupCosine, optimizer: Optimizer, epochs: int
) -> SequentialLR | CosineAnnealingLR:
    """Linear warm-up over W epochs, then a half cosine to ``min_ratio`` of the base rate.

    W = 0 is a plain cosine. The rates are those of ``Train.learning_rate_at``.
    """
    base, warmup = optimizer.param_groups[0]["lr"], settings.warmup_epochs
    linear = LinearLR(optimizer, start_factor=WARMUP_START, total_iters=warmup) if warmup else None
    cosine = CosineAnnealingLR(optimizer, T_max=epochs - warmup, eta_min=base * settings.min_ratio)
    if linear is None:
        return cosine
    return SequentialLR(optimizer, [linear, cosine], milestones=[warmup])


SCHEDULERS: dict[str, Callable[[Any, Optimizer, int], LRScheduler]] = {
    "constant": constant,
    "warmup_cosine": warmup_cosine,
}
"""``scheduler.kind`` → builder from its settings, the optimizer and the number of epochs."""
