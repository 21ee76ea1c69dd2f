"""The unitary two-dimensional Fourier transform of far-field diffraction.

Shapes: H, W pixels of a patch; leading dimensions are free.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fft2c(wave_HW: Tensor) -> Tensor:
    """Far field of an exit wave: ``fftshift(F ψ)``, zero frequency at pixel (H//2, W//2).

    F is unitary (``norm="ortho"``), so Σ|F ψ|² = Σ|ψ|². Acts on the last two dimensions. The input
    is not shifted: its origin is pixel (0, 0), which only changes phases in the far field.
    """
    far_field = torch.fft.fft2(wave_HW, norm="ortho")
    centred: Tensor = torch.fft.fftshift(far_field, dim=(-2, -1))
    return centred
