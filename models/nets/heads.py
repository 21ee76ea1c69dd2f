"""From feature maps to a complex object patch: one module for each ``output_mode``."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def from_amplitude_and_phase(amplitude_logits: Tensor, phase_logits: Tensor) -> Tensor:
    """Patch σ(a)·exp(i·π·tanh(p)), complex, of the common shape of a and p."""
    amplitude, phase = amplitude_logits.sigmoid(), math.pi * phase_logits.tanh()
    return torch.complex(amplitude * phase.cos(), amplitude * phase.sin())


class RealImagHead(nn.Module):
    """z = re + i·im from one linear 1×1 convolution; the C real parts come first."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, 2 * channels, 1)

    def forward(self, x_BWHW: Tensor) -> Tensor:
        """Map (B, w, H, W) real to (B, C, H, W) complex."""
        real, imaginary = self.linear(x_BWHW).chunk(2, dim=1)
        return torch.complex(real, imaginary)


class AmpPhaseHead(nn.Module):
    """Amplitude in (0, 1) and phase in (−π, π), each from a 1×1 convolution of its own."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.amplitude = nn.Conv2d(width, channels, 1)
        self.phase = nn.Conv2d(width, channels, 1)

    def forward(self, x_BWHW: Tensor) -> Tensor:
        """Map (B, w, H, W) real to (B, C, H, W) complex."""
        return from_amplitude_and_phase(self.amplitude(x_BWHW), self.phase(x_BWHW))


class AmpPhaseLogitsHead(nn.Module):
    """Amplitude in (0, 1) and phase in (−π, π) from one 1×1 convolution; amplitudes come first."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, 2 * channels, 1)

    def forward(self, x_BWHW: Tensor) -> Tensor:
        """Map (B, w, H, W) real to (B, C, H, W) complex."""
        return from_amplitude_and_phase(*self.linear(x_BWHW).chunk(2, dim=1))


Head = RealImagHead | AmpPhaseHead | AmpPhaseLogitsHead

HEADS: dict[str, type[Head]] = {
    "real_imag": RealImagHead,
    "amp_phase": AmpPhaseHead,
    "amp_phase_logits": AmpPhaseLogitsHead,
}
"""``output_mode`` → head."""
