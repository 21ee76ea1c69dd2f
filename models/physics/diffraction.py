"""The forward model: what the detector would measure of a complex object patch.

Shapes: B batch, C channels, H = W = N pixels of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.physics.fourier import fft2c


def aperture(side: int, device: torch.device | None = None) -> Tensor:
    """Binary disk M of radius ``side``/4 px about the half-pixel centre, float64 (side, side)."""
    axis = torch.arange(side, dtype=torch.float64, device=device) - (side - 1) / 2
    inside = axis[:, None] ** 2 + axis[None, :] ** 2 < (side / 4) ** 2
    return inside.to(torch.float64)


def normalise_probe(probe_HW: Tensor) -> Tensor:
    """P_norm = P / (4·mean|M·P|), so that mean|M·P_norm| = 0.25; complex64.

    M is the ``aperture``; the mean runs over all N×N pixels and is taken in float64. Raises
    ``ValueError`` for a probe that is not square or has no light inside the aperture.
    """
    if probe_HW.ndim != 2 or probe_HW.shape[0] != probe_HW.shape[1]:
        raise ValueError(f"a probe is one square image, not {tuple(probe_HW.shape)}")
    probe = probe_HW.to(torch.complex128)
    mean = (aperture(probe.shape[0], probe.device) * probe.abs()).mean()
    if not (mean > 0 and torch.isfinite(mean)):
        raise ValueError(f"the probe's mean amplitude inside the aperture is {mean.item()}")
    return (probe / (4 * mean)).to(torch.complex64)


def predict_amplitude(object_BCHW: Tensor, probe_HW: Tensor, gain: float) -> Tensor:
    """X̂ = g·fftshift|F(Ô·P)|, real, of the object's shape and precision.

    ``probe_HW`` is the normalised probe and ``gain`` the constant g: nothing here depends on the
    batch. |z| has no derivative at z = 0; autograd takes its subgradient 0 there, and elsewhere the
    derivative z/|z| has length 1, so the gradient is finite everywhere with no smoothing constant
    in the value.
    """
    return gain * fft2c(object_BCHW * probe_HW).abs()
