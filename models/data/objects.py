"""The synthetic objects of ``grid_lines``: random lines behind Gaussian filters.

Symbols: A amplitude, φ phase in rad, O = A·exp(iφ).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.draw import line

NUM_LINES: Final = 400


def draw_amplitudes(seed: int, count: int, size: int) -> NDArray[np.float64]:
    """``count`` amplitudes (count, size, size) from one legacy generator of ``seed``.

    The objects are drawn one after another, so the first one does not depend on ``count``.
    """
    generator = np.random.RandomState(seed)
    return np.stack([draw_amplitude(generator, size) for _ in range(count)])


def draw_amplitude(generator: np.random.RandomState, size: int) -> NDArray[np.float64]:
    """Centre (size, size) of A = G₁(L) + 2·G₅(L) + 5·G₁₀(L), about 0.6 to 4.9.

    L is a canvas of twice the side with 400 one-pixel Bresenham lines of value 1; G_s is a Gaussian
    filter of standard deviation s px with reflecting borders, cut at 4 s.
    """
    canvas = draw_lines(generator, 2 * size)
    blurred = sum(
        weight * gaussian_filter(canvas, sigma) for weight, sigma in ((1, 1), (2, 5), (5, 10))
    )
    start = size // 2
    return np.asarray(blurred)[start : start + size, start : start + size]


def draw_lines(generator: np.random.RandomState, side: int) -> NDArray[np.float64]:
    """Canvas (side, side) of 400 lines between uniform end points.

    Row and column of the first and of the second end of a line are ``floor(side·U)``, drawn in this
    order, line after line.
    """
    canvas = np.zeros((side, side))
    for _ in range(NUM_LINES):
        ends = np.floor(side * generator.uniform(size=4)).astype(int)
        canvas[line(*ends)] = 1  # type: ignore[no-untyped-call]
    return canvas


def phase_of(amplitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """φ = π·tanh[(A − max(A)/2) / (3·mean(A))] in rad; max and mean over the whole stack."""
    centred = amplitudes - amplitudes.max() / 2
    return np.asarray(np.pi * np.tanh(centred / (3 * amplitudes.mean())), np.float64)


def make_objects(seed: int, count: int, size: int, *, set_phi: bool) -> NDArray[np.complex128]:
    """Stack of complex objects (count, size, size); real when ``set_phi`` is false."""
    amplitudes = draw_amplitudes(seed, count, size)
    if not set_phi:
        return amplitudes.astype(np.complex128)
    return np.asarray(amplitudes * np.exp(1j * phase_of(amplitudes)), np.complex128)
