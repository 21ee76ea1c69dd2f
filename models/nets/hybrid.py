"""``hybrid`` and ``stable_hybrid``: a U-shaped network with Fourier blocks in its encoder."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise, zip_longest

from torch import Tensor, nn

from models.config import Model, level_widths
from models.nets.blocks import (
    DecoderLevel,
    LayerScaleBlock,
    Lifter,
    PtychoBlock,
    ZeroGammaBlock,
)
from models.nets.generator import Generator
from models.nets.heads import HEADS

BlockBuilder = Callable[..., PtychoBlock]


class Hybrid(Generator):
    """Lifter, n encoder blocks with halvings between them, bottleneck block, decoder, head.

    Encoder block i works at level min(i, L), where L is the number of halvings; level l has a side
    of N/2ˡ and width wₗ. Blocks beyond L stay at the bottom. The bottleneck keeps M/2 modes.
    """

    def __init__(self, model: Model, *, side: int, channels: int, block: BlockBuilder) -> None:
        super().__init__()
        widths, bottom = level_widths(model), model.num_halvings
        self.max_hidden_channels, self.max_levels = model.max_hidden_channels, model.max_levels
        self.lifter = Lifter(channels, widths[0], model.input_transform)
        levels = [min(index, bottom) for index in range(model.fno_blocks)]
        self.encoder = nn.ModuleList(
            block(widths[level], modes=model.modes, corners=model.corners, side=side >> level)
            for level in levels
        )
        self.downsamplers = nn.ModuleList(
            nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in pairwise(widths)
        )
        self.bottleneck = block(
            widths[bottom], modes=model.modes // 2, corners=model.corners, side=side >> bottom
        )
        self.decoder = nn.ModuleList(
            DecoderLevel(deep, wide, model.decoder_norm)
            for wide, deep in reversed(list(pairwise(widths)))
        )
        self.head = HEADS[model.output_mode](widths[0], channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map real (B, C, N, N) to complex (B, C, N, N)."""
        maps, skips = self.lifter(x_BCHW), []
        for block, downsampler in zip_longest(self.encoder, self.downsamplers):
            maps = block(maps)
            if downsampler is not None:
                skips.append(maps)
                maps = downsampler(maps)
        maps = self.bottleneck(maps)
        for level in self.decoder:
            maps = level(maps, skips.pop())
        patches: Tensor = self.head(maps)
        return patches

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level of the encoder, top first, as the weights have them."""
        makers = [self.lifter.convolution_2, *self.downsamplers]
        return tuple(len(convolution.get_parameter("weight")) for convolution in makers)

    def layers(self) -> dict[str, nn.Module]:
        """Lifter; each block with its branches and its downsampler; decoder, part by part; head."""
        found: dict[str, nn.Module] = {"lifter": self.lifter}
        for index, block in enumerate(self.encoder):
            found |= _block_layers(f"encoder.{index}", block)
            if index < len(self.downsamplers):
                found[f"downsamplers.{index}"] = self.downsamplers[index]
        found |= _block_layers("bottleneck", self.bottleneck)
        for index, level in enumerate(self.decoder):
            found |= {f"decoder.{index}.{name}": part for name, part in level.named_children()}
        return found | {f"head.{name}": part for name, part in self.head.named_children()}

    def decoder_activations(self) -> dict[str, nn.Module]:
        """One for each level of the decoder, deepest first; none without halvings."""
        return {
            f"decoder.{index}.activation": level.get_submodule("activation")
            for index, level in enumerate(self.decoder)
        }


def _block_layers(name: str, block: nn.Module) -> dict[str, nn.Module]:
    return {name: block} | {f"{name}.{part}": module for part, module in block.named_children()}


def hybrid(model: Model, *, side: int, channels: int) -> Hybrid:
    """The U-shaped network with plain blocks."""
    return Hybrid(model, side=side, channels=channels, block=PtychoBlock)


def stable_hybrid(model: Model, *, side: int, channels: int) -> Hybrid:
    """The same network with blocks that start as the identity, or nearly so."""
    block: BlockBuilder = ZeroGammaBlock
    if model.layerscale_init is not None:
        block = partial(LayerScaleBlock, initial=model.layerscale_init)
    return Hybrid(model, side=side, channels=channels, block=block)
