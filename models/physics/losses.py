"""Losses in the detector plane, between predicted and measured amplitudes.

Shapes: B batch, C channels, H = W = N pixels. Both arguments are amplitudes X, not counts X².
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

TINY: Final = 1e-8
"""Added to the mean amplitude that divides a loss, and to the rate as a background per pixel."""


def mae(predicted_BCHW: Tensor, measured_BCHW: Tensor) -> Tensor:
    """mean|X̂ − X| / (mean(X) + 1e-8), both means over the whole batch."""
    return (predicted_BCHW - measured_BCHW).abs().mean() / (measured_BCHW.mean() + TINY)


def poisson(predicted_BCHW: Tensor, measured_BCHW: Tensor) -> Tensor:
    """Negative log-likelihood of counts k = X² at rate λ = X̂², per pattern, over mean(X).

    −ln p = λ − k·ln λ + ln Γ(k + 1), summed over pixels, averaged over all patterns, divided by
    mean(X) + 1e-8. λ carries a background of 1e-8 so that a dark prediction has a finite loss and
    gradient where light was measured.
    """
    rate, counts = predicted_BCHW.square() + TINY, measured_BCHW.square()
    surprise = rate - counts * rate.log() + torch.lgamma(counts + 1)
    return surprise.flatten(2).sum(dim=2).mean() / (measured_BCHW.mean() + TINY)


LOSSES: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {"mae": mae, "poisson": poisson}
