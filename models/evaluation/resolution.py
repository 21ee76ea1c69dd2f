"""Fourier ring correlation: up to which spatial frequency two images agree."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]

NOTHING: Final = 1e-24
"""Share of an image's spectral power that is indistinguishable from rounding in float64."""


def ring_correlation(prediction: Image, target: Image) -> list[float | None]:
    """FRC(q) = Re Σ F·G* / √(Σ|F|²·Σ|G|²), sums over the pixels of ring q.

    F and G are the centred spectra; a pixel belongs to ring q when its distance from zero frequency
    rounds to q, out to the corners. A ring in which the target has no power is ``None``: there is
    nothing to agree with (its mean, ring 0, once a phase has lost its plane). Where only the
    prediction has none, the correlation is 0.
    """
    spectra = [np.fft.fftshift(np.fft.fft2(image)) for image in (prediction, target)]
    rings = _rings(target.shape)
    cross = np.bincount(rings, (spectra[0] * spectra[1].conj()).real.ravel())
    power = [np.bincount(rings, np.abs(spectrum).ravel() ** 2) for spectrum in spectra]
    empty = [p <= NOTHING * p.sum() for p in power]
    norm = np.sqrt(power[0] * power[1])
    curve = np.divide(cross, norm, out=np.zeros_like(cross), where=~(empty[0] | empty[1]))
    return [
        None if nothing else float(value) for nothing, value in zip(empty[1], curve, strict=True)
    ]


def half_resolution(curve: list[float | None]) -> float:
    """Number of the first ring whose correlation is below 0.5, or the number of rings."""
    below = (q for q, value in enumerate(curve) if value is not None and value < 0.5)
    return float(next(below, len(curve)))


def _rings(shape: tuple[int, ...]) -> NDArray[np.int64]:
    rows, columns = (np.arange(side) - side // 2 for side in shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    return np.rint(radius).astype(np.int64).ravel()
