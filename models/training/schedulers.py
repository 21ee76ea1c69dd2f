"""The learning-rate schedules by name; one function each. All are stepped once an epoch.

Every schedule remembers the base rate in the optimizer's groups as ``initial_lr``. The rates are
those of ``Train.learning_rate_after``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

from models.config import (
    LEAST_CUT,
    WARMUP_START,
    Constant,
    Exponential,
    Plateau,
    WarmupCosine,
)

MONITORED = "val_loss"
"""Name under which Lightning hands a plateau the validation loss of the epoch."""


def constant(_settings: Constant, optimizer: Optimizer, _epochs: int) -> ConstantLR:
    """The base rate throughout."""
    return ConstantLR(optimizer, factor=1.0, total_iters=0)


def warmup_cosine(
    settings: WarmupCosine, optimizer: Optimizer, epochs: int
) -> SequentialLR | CosineAnnealingLR:
    """Linear warm-up over W epochs, then a half cosine to ``min_ratio`` of the base rate.

    W = 0 is a plain cosine.
    """
    base, warmup = optimizer.param_groups[0]["lr"], settings.warmup_epochs
    linear = LinearLR(optimizer, start_factor=WARMUP_START, total_iters=warmup) if warmup else None
    cosine = CosineAnnealingLR(optimizer, T_max=epochs - warmup, eta_min=base * settings.min_ratio)
    if linear is None:
        return cosine
    return SequentialLR(optimizer, [linear, cosine], milestones=[warmup])


def exponential(settings: Exponential, optimizer: Optimizer, _epochs: int) -> ExponentialLR:
    """Times γ after each epoch."""
    return ExponentialLR(optimizer, gamma=settings.gamma)


def plateau(settings: Plateau, optimizer: Optimizer, _epochs: int) -> ReduceLROnPlateau:
    """Cut after ``patience`` + 1 epochs in a row without a better validation loss."""
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]  # the other schedules do this by themselves
    return ReduceLROnPlateau(
        optimizer,
        mode="min",
        factor=settings.factor,
        patience=settings.patience,
        threshold=settings.threshold,
        threshold_mode="rel",
        min_lr=settings.min_lr,
        eps=LEAST_CUT,
    )


SCHEDULERS: dict[str, Callable[[Any, Optimizer, int], LRScheduler]] = {
    "constant": constant,
    "exponential": exponential,
    "plateau": plateau,
    "warmup_cosine": warmup_cosine,
}
"""``scheduler.kind`` → builder from its settings, the optimizer and the number of epochs."""
