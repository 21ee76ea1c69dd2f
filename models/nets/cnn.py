"""``cnn``: a plain U-Net, the baseline that shows what the Fourier blocks are worth.

It is ``hybrid`` with each Fourier block replaced by two convolutions and no block beyond the last
halving's. Convolutions take fewer parameters than Fourier modes, so the default is one halving
more: at h = 32 five blocks have 10.0 M parameters, the four of ``hybrid`` (and its bottleneck)
9.4 M live ones.
"""

from __future__ import annotations

from torch import Tensor, nn

from models.config import Model, block_levels, level_widths
from models.nets.ushaped import UShaped


class ConvolutionBlock(nn.Module):
    """Conv3×3, GELU, Conv3×3, GELU, all of one width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv2d(width, width, 3, padding=1)
        self.activation_1 = nn.GELU()
        self.convolution_2 = nn.Conv2d(width, width, 3, padding=1)
        self.activation_2 = nn.GELU()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The shape stays."""
        inner = self.activation_1(self.convolution_1(x_BCHW))
        out: Tensor = self.activation_2(self.convolution_2(inner))
        return out


class Cnn(UShaped):
    """n convolution blocks with halvings between them; the last one is the bottleneck."""

    def __init__(self, model: Model, *, channels: int) -> None:
        widths = level_widths(model)
        *encoder, bottleneck = [ConvolutionBlock(widths[level]) for level in block_levels(model)]
        super().__init__(model, channels=channels, encoder=encoder, bottleneck=bottleneck)


def cnn(model: Model, *, side: int, channels: int) -> Cnn:  # noqa: ARG001  convolutions fit any
    """The plain U-Net, for maps of any side that can be halved often enough."""
    return Cnn(model, channels=channels)
