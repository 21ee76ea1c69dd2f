"""Looks at what the network reconstructs after every epoch: a cheap watch for collapse.

Shapes: n patches, C channels, H = W = N pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor, nn

from models.evaluation.collapse import FLAT_RELATIVE_STD, relative_std
from models.training.inference import infer, spread

NUM_WATCHED = 16


class AmplitudeWatch:
    """Relative std of the amplitude of a few fixed patches, in the middle, where the light is.

    The patches are spread evenly over the validation patches; of each the central half of the rows
    and columns counts, which holds the probe's disk of radius N/4.
    """

    def __init__(self, net: nn.Module, validation_nCHW: Tensor, batch_size: int) -> None:
        self._patches_nCHW = spread(validation_nCHW, NUM_WATCHED)
        self._net, self._batch_size = net, batch_size

    def relative_std(self) -> float:
        """std/mean now; NaN when the network's output is not finite."""
        amplitude = np.abs(infer(self._net, self._patches_nCHW, self._batch_size))
        quarter = amplitude.shape[-1] // 4
        return relative_std(amplitude[..., quarter:-quarter, quarter:-quarter])


def flat_since(relative_stds: Sequence[float]) -> int | None:
    """First epoch from which on the amplitude is flat, or not finite, until the end."""
    since = None
    for epoch in reversed(range(len(relative_stds))):
        value = relative_stds[epoch]
        if math.isfinite(value) and value >= FLAT_RELATIVE_STD:
            break
        since = epoch
    return since
