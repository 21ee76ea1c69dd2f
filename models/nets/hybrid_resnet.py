"""``hybrid_resnet``: Fourier blocks down to a quarter of the side, residual blocks, upsamplers.

There are no skips, and every activation behind the encoder has a norm in front of it.
"""

from __future__ import annotations

from itertools import pairwise, zip_longest

import torch
from torch import Tensor, nn

from models.config import RESIDUAL_BLOCKS, Model, block_levels, level_widths
from models.nets.blocks import LayerScale, Lifter, PtychoBlock
from models.nets.generator import Generator, encoder_layers, made_channels, parts, with_parts
from models.nets.heads import HEADS
from models.nets.norm import InstanceNorm


def reflect(x_BCHW: Tensor) -> Tensor:
    """Pad by one pixel on each side with its mirror image: (B, C, H + 2, W + 2).

    Torch's own reflection padding has no deterministic backward pass on CUDA; slices have.
    """
    rows = torch.cat([x_BCHW[..., 1:2, :], x_BCHW, x_BCHW[..., -2:-1, :]], dim=-2)
    return torch.cat([rows[..., 1:2], rows, rows[..., -2:-1]], dim=-1)


class ResidualBlock(nn.Module):
    """x + λ·F(x) with F = pad, Conv3, IN, GELU, pad, Conv3, IN; the norms are affine."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(width, width, 3)
        self.norm_1 = InstanceNorm(width, affine=True)
        self.activation = nn.GELU()
        self.convolution_2 = nn.Conv2d(width, width, 3)
        self.norm_2 = InstanceNorm(width, affine=True)

    def forward(self, x_BCHW: Tensor, scale: LayerScale) -> Tensor:
        """Add the update, scaled by the network's λ, to x; the shape stays."""
        inner = self.activation(self.norm_1(self.convolution_1(reflect(x_BCHW))))
        update: Tensor = scale(self.norm_2(self.convolution_2(reflect(inner))))
        return x_BCHW + update


class Upsampler(nn.Module):
    """ConvTranspose k4 s2 p1, which doubles the side, affine IN, GELU."""

    def __init__(self, deep: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.ConvTranspose2d(deep, width, 4, stride=2, padding=1)
        self.norm = InstanceNorm(width, affine=True)
        self.activation = nn.GELU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, deep, H, W) to (B, width, 2H, 2W)."""
        out: Tensor = self.activation(self.norm(self.convolution(x_BCHW)))
        return out


class HybridResnet(Generator):
    """Lifter, Fourier blocks with two halvings, six residual blocks, two upsamplers, head.

    Fourier blocks beyond the second stay at a quarter of the side. The residual blocks share one
    scalar λ.
    """

    def __init__(self, model: Model, *, side: int, channels: int) -> None:
        super().__init__(activation_checkpointing=model.activation_checkpointing)
        widths, (modes, corners) = level_widths(model), model.spectral
        assert model.layerscale_init is not None
        self.max_hidden_channels = model.max_hidden_channels
        self.lifter = Lifter(channels, widths[0], model.input_transform)
        self.encoder = nn.ModuleList(
            PtychoBlock(widths[level], modes=modes, corners=corners, side=side >> level)
            for level in block_levels(model)
        )
        self.downsamplers = nn.ModuleList(
            nn.Conv2d(wide, deep, 2, stride=2) for wide, deep in pairwise(widths)
        )
        self.residual = nn.ModuleList(ResidualBlock(widths[-1]) for _ in range(RESIDUAL_BLOCKS))
        self.scale = LayerScale(1, model.layerscale_init)
        self.upsamplers = nn.ModuleList(
            Upsampler(deep, wide) for wide, deep in reversed(list(pairwise(widths)))
        )
        self.head = HEADS[model.output_mode](widths[0], channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map real (B, C, N, N) to complex (B, C, N, N)."""
        maps = self.through(self.lifter, x_BCHW)
        for block, downsampler in zip_longest(self.encoder, self.downsamplers):
            maps = self.through(block, maps)
            if downsampler is not None:
                maps = downsampler(maps)
        for block in self.residual:
            maps = self.through(block, maps, self.scale)
        for upsampler in self.upsamplers:
            maps = self.through(upsampler, maps)
        patches: Tensor = self.head(maps)
        return patches

    def checkpointed(self) -> list[nn.Module]:
        """Lifter, encoder, residual blocks, upsamplers."""
        return [self.lifter, *self.encoder, *self.residual, *self.upsamplers]

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels at each level of the encoder, top first, as the weights have them."""
        return made_channels(self.lifter.convolution_2, *self.downsamplers)

    def layers(self) -> dict[str, nn.Module]:
        """Lifter; encoder; residual blocks with their parts, λ; upsamplers, part by part; head."""
        found: dict[str, nn.Module] = {"lifter": self.lifter}
        found |= encoder_layers(list(self.encoder), list(self.downsamplers))
        for index, block in enumerate(self.residual):
            found |= with_parts(f"residual.{index}", block)
        found["scale"] = self.scale
        for index, upsampler in enumerate(self.upsamplers):
            found |= parts(f"upsamplers.{index}", upsampler)
        return found | parts("head", self.head)

    def decoder_activations(self) -> dict[str, nn.Module]:
        """Those of the upsamplers."""
        return {
            f"upsamplers.{index}.activation": upsampler.get_submodule("activation")
            for index, upsampler in enumerate(self.upsamplers)
        }


def hybrid_resnet(model: Model, *, side: int, channels: int) -> HybridResnet:
    """The network with residual blocks at a quarter of the side."""
    return HybridResnet(model, side=side, channels=channels)
