"""``hybrid`` and ``stable_hybrid``: a U-shaped network with Fourier blocks in its encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from models.config import Model, block_levels, level_widths
from models.nets.blocks import LayerScaleBlock, PtychoBlock, ZeroGammaBlock
from models.nets.ushaped import UShaped

BlockBuilder = Callable[..., PtychoBlock]


class Hybrid(UShaped):
    """n Fourier blocks with halvings between them, and one more at the bottom with M/2 modes.

    Encoder block i works at level min(i, L), where L is the number of halvings; level l has a side
    of N/2ˡ and width wₗ. Blocks beyond L stay at the bottom.
    """

    def __init__(self, model: Model, *, side: int, channels: int, block: BlockBuilder) -> None:
        widths, bottom = level_widths(model), model.num_halvings
        modes, corners = model.spectral

        def at(level: int, modes: int) -> PtychoBlock:
            return block(widths[level], modes=modes, corners=corners, side=side >> level)

        super().__init__(
            model,
            channels=channels,
            encoder=[at(level, modes) for level in block_levels(model)],
            bottleneck=at(bottom, modes // 2),
        )


def hybrid(model: Model, *, side: int, channels: int) -> Hybrid:
    """The U-shaped network with plain blocks."""
    return Hybrid(model, side=side, channels=channels, block=PtychoBlock)


def stable_hybrid(model: Model, *, side: int, channels: int) -> Hybrid:
    """The same network with blocks that start as the identity, or nearly so."""
    block: BlockBuilder = ZeroGammaBlock
    if model.layerscale_init is not None:
        block = partial(LayerScaleBlock, initial=model.layerscale_init)
    return Hybrid(model, side=side, channels=channels, block=block)
