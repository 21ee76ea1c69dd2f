"""Fourier ring correlation: up to which spatial frequency two images agree."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float64]

HALF: Final = 0.5
"""Threshold of a correlation with a reference that has no noise (Rosenthal and Henderson 2003)."""
SEVENTH: Final = 1 / 7
"""Threshold of two halves of the data. Rosenthal and Henderson, "Optimal determination of particle
orientation, absolute hand, and contrast loss in single-particle electron cryomicroscopy",
J. Mol. Biol. 333 (2003) 721-745: halves with correlation F give together a map whose correlation
with the truth is √(2F/(1 + F)), which is .5 at F = 1/7."""
HALF_BIT_SNR: Final = 0.2071
"""(√2 - 1)/2: the signal-to-noise ratio of each half where both together have half a bit of
information in every pixel, as log₂(1 + 2·SNR) = 1/2."""

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
    below = (q for q, value in enumerate(curve) if value is not None and value < HALF)
    return float(next(below, len(curve)))


def half_bit(pixels: NDArray[np.int64]) -> Image:
    """The half-bit threshold of rings with so many pixels each.

    T(n) = (S + 2·√S/√n + 1/√n) / (S + 2·√S/√n + 1) with S = ``HALF_BIT_SNR``: equation 17 of van
    Heel and Schatz, "Fourier shell correlation threshold criteria", J. Struct. Biol. 151 (2005)
    250-262, there with the numbers (0.2071 + 1.9102/√n) / (1.2071 + 0.9102/√n). It is meant for two
    halves of the data, and stands in plots so that curves can be set beside published ones: with
    the truth itself, a correlation of .5 is the counterpart.
    """
    root = 1 / np.sqrt(np.maximum(pixels, 1))
    both = HALF_BIT_SNR + 2 * np.sqrt(HALF_BIT_SNR) * root
    threshold: Image = (both + root) / (both + 1)
    return threshold


def pixels_per_ring(side: int) -> NDArray[np.int64]:
    """How many pixels each ring of the spectrum of a square image has."""
    return np.bincount(_rings((side, side)))


def _rings(shape: tuple[int, ...]) -> NDArray[np.int64]:
    rows, columns = (np.arange(side) - side // 2 for side in shape)
    radius = np.hypot(rows[:, None], columns[None, :])
    return np.rint(radius).astype(np.int64).ravel()
