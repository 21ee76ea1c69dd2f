"""What the generators are built of. Maps are (B, C, H, W), real unless said otherwise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.nets.norm import InstanceNorm
from models.nets.spectral import SpectralConvolution


class SquareRoot(nn.Module):
    """√x: from amplitudes to their square roots, which evens out the dynamic range."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply to any shape; x ≥ 0."""
        return x_BCHW.sqrt()


class Log1p(nn.Module):
    """log(1 + x): compresses bright pixels and keeps dark ones."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply to any shape; x > −1."""
        return x_BCHW.log1p()


INPUT_TRANSFORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda _channels: nn.Identity(),
    "sqrt": lambda _channels: SquareRoot(),
    "log1p": lambda _channels: Log1p(),
    "instance_norm": lambda channels: InstanceNorm(channels),
}
"""Name of an input transform → its module for a number of channels."""


class Lifter(nn.Module):
    """Input transform, Conv3×3 (C→h), GELU, Conv3×3 (h→h)."""

    def __init__(self, channels: int, width: int, transform: str) -> None:
        super().__init__()
        self.transform = INPUT_TRANSFORMS[transform](channels)
        self.convolution_1 = nn.Conv2d(channels, width, 3, padding=1)
        self.activation = nn.GELU()
        self.convolution_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, h, H, W)."""
        lifted = self.activation(self.convolution_1(self.transform(x_BCHW)))
        out: Tensor = self.convolution_2(lifted)
        return out


class PtychoBlock(nn.Module):
    """y = x + GELU(S(x) + L(x)): spectral convolution S, Conv3×3 L."""

    def __init__(self, width: int, *, modes: int, corners: int, side: int) -> None:
        super().__init__()
        self.spectral = SpectralConvolution(width, width, modes=modes, corners=corners, side=side)
        self.local = nn.Conv2d(width, width, 3, padding=1)
        self.activation = nn.GELU()

    def update(self, x_BCHW: Tensor) -> Tensor:
        """GELU(S(x) + L(x)), of the shape of x."""
        out: Tensor = self.activation(self.spectral(x_BCHW) + self.local(x_BCHW))
        return out

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Add the update to x; the shape stays."""
        return x_BCHW + self.update(x_BCHW)


class ZeroGammaNorm(InstanceNorm):
    """Affine instance norm that starts with γ = β = 0, so with output 0."""

    def __init__(self, width: int) -> None:
        super().__init__(width, affine=True)


class ZeroGammaBlock(PtychoBlock):
    """y = x + IN(GELU(S(x) + L(x))), γ = β = 0 at first: then exactly the identity."""

    def __init__(self, width: int, *, modes: int, corners: int, side: int) -> None:
        super().__init__(width, modes=modes, corners=corners, side=side)
        self.norm = ZeroGammaNorm(width)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Add the normalised update to x; the shape stays."""
        update: Tensor = self.norm(self.update(x_BCHW))
        return x_BCHW + update


class LayerScale(nn.Module):
    """λ ⊙ x with one λ per channel, all ``initial`` at first (Touvron et al. 2021)."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.initial = initial
        self.weight = nn.Parameter(torch.empty(width))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Scale each channel; the shape stays."""
        return self.weight[:, None, None] * x_BCHW


class LayerScaleBlock(PtychoBlock):
    """y = x + λ ⊙ IN(GELU(S(x) + L(x))), γ = 1, β = 0, small λ at first: nearly the identity."""

    def __init__(self, width: int, *, modes: int, corners: int, side: int, initial: float) -> None:
        super().__init__(width, modes=modes, corners=corners, side=side)
        self.norm = InstanceNorm(width, affine=True)
        self.scale = LayerScale(width, initial)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Add the normalised and scaled update to x; the shape stays."""
        update: Tensor = self.scale(self.norm(self.update(x_BCHW)))
        return x_BCHW + update


DECODER_NORMS: dict[str, Callable[[int], nn.Module]] = {
    "none": lambda _width: nn.Identity(),
    "instance": lambda width: InstanceNorm(width),
}
"""Name of a decoder norm → its module for a width. The norm has no weights: with none, no weight
can push all pre-activations of a channel below zero, where GELU passes no gradient."""


class DecoderLevel(nn.Module):
    """ConvTranspose k2 s2, concatenate the skip, Conv3×3 (2w→w), norm, GELU, Conv3×3 (w→w)."""

    def __init__(self, deep: int, width: int, norm: str) -> None:
        super().__init__()
        self.upsampler = nn.ConvTranspose2d(deep, width, 2, stride=2)
        self.convolution_1 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.norm = DECODER_NORMS[norm](width)
        self.activation = nn.GELU()
        self.convolution_2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, deep_BCHW: Tensor, skip_BCHW: Tensor) -> Tensor:
        """Map (B, deep, H/2, W/2) and the skip (B, w, H, W) to (B, w, H, W)."""
        joined = torch.cat([self.upsampler(deep_BCHW), skip_BCHW], dim=1)
        active = self.activation(self.norm(self.convolution_1(joined)))
        out: Tensor = self.convolution_2(active)
        return out
