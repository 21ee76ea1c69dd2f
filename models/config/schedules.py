"""The learning-rate schedules: their knobs, and the rate that each uses in an epoch.

The rates are written down here a second time, without the library that trains, so that those of a
run can be held against its plan. Epochs are counted from 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from models.config.tables import BelowOne, Fraction, Table

WARMUP_START = 0.1
"""Share of the base rate that a warm-up starts from."""
LEAST_CUT = 1e-8
"""A plateau leaves the rate as it is where it would take less than this off."""


Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Constant(Table):
    """The base learning rate throughout."""

    kind: Literal["constant"] = Field("constant", description="The base learning rate throughout.")

    def rate(self, base: float, _epochs: int, _val_losses: Sequence[float | None]) -> float:
        """The base rate."""
        return base


class Exponential(Table):
    """The base rate times a power of ``gamma``."""

    kind: Literal["exponential"] = Field(
        "exponential", description="Times `gamma` after each epoch."
    )
    gamma: Share = Field(0.95, description="Rate of an epoch over that of the epoch before.")

    def rate(self, base: float, _epochs: int, val_losses: Sequence[float | None]) -> float:
        """lr·γᵉ in epoch e."""
        return base * self.gamma ** len(val_losses)


class WarmupCosine(Table):
    """Linear warm-up from a tenth of the rate, then a half cosine down to ``min_ratio`` of it."""

    kind: Literal["warmup_cosine"] = Field(
        "warmup_cosine", description="Linear warm-up from a tenth of the rate, then a half cosine."
    )
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(
        5, description="Epochs of warm-up, fewer than `epochs`; 0 is a plain cosine."
    )
    min_ratio: Fraction = Field(0.05, description="Share of the base rate that the cosine ends at.")

    def rate(self, base: float, epochs: int, val_losses: Sequence[float | None]) -> float:
        """lr·(0.1 + 0.9·e/W) for e < W, then lr·[m + (1 − m)·(1 + cos(π·(e − W)/(E − W)))/2].

        W is ``warmup_epochs``, m is ``min_ratio``, E the number of epochs.
        """
        epoch, warmup, floor = len(val_losses), self.warmup_epochs, self.min_ratio
        if epoch < warmup:
            return base * (WARMUP_START + (1 - WARMUP_START) * epoch / warmup)
        progress = (epoch - warmup) / (epochs - warmup)
        return base * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)


class Plateau(Table):
    """Cut the rate when the validation loss has not improved for a while."""

    kind: Literal["plateau"] = Field(
        "plateau", description="Cut when the validation loss has stopped falling."
    )
    factor: Share = Field(0.5, description="What a cut multiplies the rate by.")
    patience: Annotated[int, Field(ge=0)] = Field(
        2,
        description="Epochs in a row without a better validation loss that are let pass; the "
        "next such epoch cuts.",
    )
    min_lr: Annotated[float, Field(ge=0.0)] = Field(
        1e-4, description="Rate below which no cut goes; below `learning_rate`."
    )
    threshold: BelowOne = Field(
        0.0, description="Share of the best loss by which a better one must lie below it."
    )

    def rate(self, base: float, _epochs: int, val_losses: Sequence[float | None]) -> float:
        """The base rate after the cuts that the losses of the epochs before brought about.

        The rule is that of torch's ``ReduceLROnPlateau`` with mode ``min`` and a relative
        threshold: a loss is better if it is below best·(1 − threshold), and one that is not finite
        (``None``) never is.
        """
        rate, best, bad = base, math.inf, 0
        for loss in val_losses:
            if loss is not None and loss < best * (1 - self.threshold):
                best, bad = loss, 0
            else:
                bad += 1
            if bad > self.patience:
                rate, bad = self.cut(rate), 0
        return rate

    def cut(self, rate: float) -> float:
        """The rate after a cut; the same if the cut would be below ``LEAST_CUT``."""
        lower = max(rate * self.factor, self.min_lr)
        return lower if rate - lower > LEAST_CUT else rate


Scheduler = Annotated[Constant | Exponential | WarmupCosine | Plateau, Field(discriminator="kind")]
