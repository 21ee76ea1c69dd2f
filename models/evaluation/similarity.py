"""Structural similarity at one scale and at five."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

Image = NDArray[np.float64]

WINDOW: Final = 7
"""Side of the uniform window in px."""

WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of the five scales, finest first (Wang, Simoncelli and Bovik 2003)."""

NO_LUMINANCE: Final = 1e8
"""K₁ so large that the luminance term (2μ_x μ_y + C₁)/(μ_x² + μ_y² + C₁) is 1 to rounding."""


class UndefinedMetricError(ValueError):
    """A metric that means nothing for the images at hand; the message says why."""


def ssim(prediction: Image, target: Image, data_range: float) -> float:
    """Mean SSIM of scikit-image with its defaults: 7×7 uniform window, sample covariance.

    Raises ``UndefinedMetricError`` for images smaller than the window.
    """
    _fit(target.shape, WINDOW, "the 7×7 window of SSIM")
    return _mean_ssim(prediction, target, data_range)


def ms_ssim(prediction: Image, target: Image, data_range: float) -> float:
    """Multi-scale SSIM: Π_j mean(cs_j)^w_j over scales 1 to 4, times mean(SSIM)^w_5 at scale 5.

    As in Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality
    assessment" (2003), with the window of ``ssim``: cs is its contrast-structure part, and each
    scale halves the former by means over 2×2 px, an odd last row or column dropped. A mean below
    0, of which no real power exists, counts as 0.

    Raises ``UndefinedMetricError`` when the coarsest scale is smaller than the window.
    """
    _fit(target.shape, WINDOW << (len(WEIGHTS) - 1), "five scales of a 7×7 window")
    score = 1.0
    for weight in WEIGHTS[:-1]:
        score *= max(_contrast_structure(prediction, target, data_range), 0.0) ** weight
        prediction, target = _halved(prediction), _halved(target)
    return float(score * max(ssim(prediction, target, data_range), 0.0) ** WEIGHTS[-1])


def _contrast_structure(prediction: Image, target: Image, data_range: float) -> float:
    """Mean of (2σ_xy + C₂)/(σ_x² + σ_y² + C₂): SSIM with its luminance term switched off."""
    return _mean_ssim(prediction, target, data_range, K1=NO_LUMINANCE)


def _mean_ssim(prediction: Image, target: Image, data_range: float, **constants: float) -> float:
    return float(
        structural_similarity(  # type: ignore[no-untyped-call]
            target, prediction, win_size=WINDOW, data_range=data_range, **constants
        )
    )


def _halved(image: Image) -> Image:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    blocks = image[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float64)


def _fit(shape: tuple[int, ...], smallest: int, what: str) -> None:
    if min(shape) < smallest:
        size = "×".join(str(side) for side in shape)
        raise UndefinedMetricError(
            f"an image of {size} px is too small for {what}: {smallest} px are needed"
        )
