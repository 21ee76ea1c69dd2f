"""``fno``: Fourier blocks at constant size, then convolutions that sharpen what they leave."""

from __future__ import annotations

from torch import Tensor, nn

from models.config import Model
from models.nets.blocks import Lifter, PtychoBlock
from models.nets.generator import Generator, made_channels, parts, with_parts
from models.nets.heads import HEADS


class Refinement(nn.Module):
    """Conv3×3, GELU; the width stays."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.GELU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The shape stays."""
        out: Tensor = self.activation(self.convolution(x_BCHW))
        return out


class Fno(Generator):
    """Lifter, n Fourier blocks, 1×1 projection, ``cnn_blocks`` refinements, head."""

    def __init__(self, model: Model, *, side: int, channels: int) -> None:
        super().__init__(activation_checkpointing=model.activation_checkpointing)
        width, (modes, corners) = model.hidden_channels, model.spectral
        assert model.cnn_blocks is not None
        self.lifter = Lifter(channels, width, model.input_transform)
        self.blocks = nn.ModuleList(
            PtychoBlock(width, modes=modes, corners=corners, side=side)
            for _ in range(model.num_blocks)
        )
        self.projection = nn.Conv2d(width, width, 1)
        self.refinements = nn.ModuleList(Refinement(width) for _ in range(model.cnn_blocks))
        self.head = HEADS[model.output_mode](width, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map real (B, C, N, N) to complex (B, C, N, N)."""
        maps = self.through(self.lifter, x_BCHW)
        for block in self.blocks:
            maps = self.through(block, maps)
        maps = self.projection(maps)
        for refinement in self.refinements:
            maps = self.through(refinement, maps)
        patches: Tensor = self.head(maps)
        return patches

    def checkpointed(self) -> list[nn.Module]:
        """Lifter, Fourier blocks, refinements."""
        return [self.lifter, *self.blocks, *self.refinements]

    @property
    def widths(self) -> tuple[int, ...]:
        """One width, as the lifter's weights have it."""
        return made_channels(self.lifter.convolution_2)

    def layers(self) -> dict[str, nn.Module]:
        """Lifter; each block with its parts; projection; refinements, part by part; head."""
        found: dict[str, nn.Module] = {"lifter": self.lifter}
        for index, block in enumerate(self.blocks):
            found |= with_parts(f"blocks.{index}", block)
        found["projection"] = self.projection
        for index, refinement in enumerate(self.refinements):
            found |= parts(f"refinements.{index}", refinement)
        return found | parts("head", self.head)

    def decoder_activations(self) -> dict[str, nn.Module]:
        """Those of the refinements, which do what a decoder does elsewhere."""
        return {
            f"refinements.{index}.activation": refinement.get_submodule("activation")
            for index, refinement in enumerate(self.refinements)
        }


def fno(model: Model, *, side: int, channels: int) -> Fno:
    """The network of constant size."""
    return Fno(model, side=side, channels=channels)
