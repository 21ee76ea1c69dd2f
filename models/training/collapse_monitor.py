"""Cheap monitor for collapse: what the network makes of a few patches after every epoch.

Shapes: n patches, C channels, H = W = N pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn

from models.evaluation.collapse import FLAT_RELATIVE_STD, relative_std
from models.nets.generator import Generator
from models.physics.overlap import ALONE, Offsets
from models.training.inference import infer, spread

NUM_WATCHED = 16


@dataclass
class Signs:
    """How many of the values that went into an activation were not above zero."""

    not_positive: int = 0
    total: int = 0
    finite: bool = True

    def add(self, values: Tensor) -> None:
        """Count a batch of values of any shape."""
        self.not_positive += int((values <= 0).sum())
        self.total += values.numel()
        self.finite = self.finite and bool(values.isfinite().all())

    @property
    def share(self) -> float:
        """Share of values ≤ 0; NaN when one is not finite, or without any."""
        return self.not_positive / self.total if self.finite and self.total else math.nan


@dataclass(frozen=True, kw_only=True)
class CollapseSample:
    """What the watched patches showed once."""

    recon_amp_rel_std: float
    """std/mean of the amplitude; NaN when the network's output is not finite."""
    decoder: Mapping[str, Signs]
    """Signs of the decoder's pre-activations by activation, in the order of the data's way."""

    @property
    def decoder_share_not_positive(self) -> float:
        """Share of all decoder pre-activations that are ≤ 0; NaN without a decoder."""
        signs = self.decoder.values()
        return Signs(
            not_positive=sum(s.not_positive for s in signs),
            total=sum(s.total for s in signs),
            finite=all(s.finite for s in signs),
        ).share


class CollapseMonitor:
    """Takes a sample of a few fixed patches.

    The patches are spread evenly over the validation patches. Of the amplitude of each the central
    half of the rows and columns counts, which holds the probe's disk of radius N/4; of the
    pre-activations everything counts.
    """

    def __init__(
        self, net: Generator, validation_nCHW: Tensor, batch_size: int, offsets: Offsets = ALONE
    ) -> None:
        self._patches_nCHW = spread(validation_nCHW, NUM_WATCHED)
        self._net, self._batch_size, self._offsets = net, batch_size, offsets

    def sample(self) -> CollapseSample:
        """What the patches show with the weights of now."""
        with counting_signs(self._net.decoder_activations()) as decoder:
            patches = infer(self._net, self._patches_nCHW, self._batch_size, self._offsets)
        amplitude = np.abs(patches)
        quarter = amplitude.shape[-1] // 4
        central = amplitude[..., quarter:-quarter, quarter:-quarter]
        return CollapseSample(recon_amp_rel_std=relative_std(central), decoder=decoder)


@contextmanager
def counting_signs(activations: Mapping[str, nn.Module]) -> Iterator[dict[str, Signs]]:
    """Count the signs of what goes into activations while the context lasts."""
    signs = {name: Signs() for name in activations}
    hooks = [
        module.register_forward_pre_hook(
            lambda _module, inputs, name=name: signs[name].add(inputs[0].detach())
        )
        for name, module in activations.items()
    ]
    try:
        yield signs
    finally:
        for hook in hooks:
            hook.remove()


def is_flat(recon_amp_rel_std: float) -> bool:
    """Whether an amplitude is constant, or not finite."""
    return not recon_amp_rel_std >= FLAT_RELATIVE_STD


def flat_since(relative_stds: Sequence[float]) -> int | None:
    """First epoch from which on the amplitude is flat, or not finite, until the end."""
    since = None
    for epoch in reversed(range(len(relative_stds))):
        if not is_flat(relative_stds[epoch]):
            break
        since = epoch
    return since
