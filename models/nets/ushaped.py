"""The shape that ``hybrid``, ``stable_hybrid`` and ``cnn`` share: down, through, and up again."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise, zip_longest

from torch import Tensor, nn

from models.config import Model, level_widths
from models.nets.blocks import DecoderLevel, Lifter
from models.nets.generator import Generator, encoder_layers, made_channels, parts, with_parts
from models.nets.heads import HEADS


class UShaped(Generator):
    """Lifter, encoder with halvings behind its first blocks, bottleneck, decoder, head.

    What is taken before each halving is given to the decoder level of the same side.

    Arguments:
        model: widths, halvings, decoder norm, input and output.
        channels: channels C of the measured amplitudes and of the patches.
        encoder: blocks, in their order; those behind the last halving stay at the bottom.
        bottleneck: one more block at the bottom.
    """

    def __init__(
        self, model: Model, *, channels: int, encoder: Iterable[nn.Module], bottleneck: nn.Module
    ) -> None:
        super().__init__(activation_checkpointing=model.activation_checkpointing)
        widths = level_widths(model)
        self.max_hidden_channels, self.max_levels = model.max_hidden_channels, model.max_levels
        self.lifter = Lifter(channels, widths[0], model.input_transform)
        self.encoder = nn.ModuleList(encoder)
        self.downsamplers = nn.ModuleList(
            nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in pairwise(widths)
        )
        self.bottleneck = bottleneck
        self.decoder = nn.ModuleList(
            DecoderLevel(deep, wide, model.decoder_norm or "none")
            for wide, deep in reversed(list(pairwise(widths)))
        )
        self.head = HEADS[model.output_mode](widths[0], channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map real (B, C, N, N) to complex (B, C, N, N)."""
        maps, skips = self.through(self.lifter, x_BCHW), []
        for block, downsampler in zip_longest(self.encoder, self.downsamplers):
            maps = self.through(block, maps)
            if downsampler is not None:
                skips.append(maps)
                maps = downsampler(maps)
        maps = self.through(self.bottleneck, maps)
        for level in self.decoder:
            maps = self.through(level, maps, skips.pop())
        patches: Tensor = self.head(maps)
        return patches

    def checkpointed(self) -> list[nn.Module]:
        """Lifter, encoder, bottleneck, decoder."""
        return [self.lifter, *self.encoder, self.bottleneck, *self.decoder]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level of the encoder, top first, as the weights have them."""
        return made_channels(self.lifter.convolution_2, *self.downsamplers)

    def layers(self) -> dict[str, nn.Module]:
        """Lifter; each block with its parts and its downsampler; decoder, part by part; head."""
        found: dict[str, nn.Module] = {"lifter": self.lifter}
        found |= encoder_layers(list(self.encoder), list(self.downsamplers))
        found |= with_parts("bottleneck", self.bottleneck)
        for index, level in enumerate(self.decoder):
            found |= parts(f"decoder.{index}", level)
        return found | parts("head", self.head)

    def decoder_activations(self) -> dict[str, nn.Module]:
        """One for each level of the decoder, deepest first; none without halvings."""
        return {
            f"decoder.{index}.activation": level.get_submodule("activation")
            for index, level in enumerate(self.decoder)
        }
