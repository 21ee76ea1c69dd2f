"""SSIM is scikit-image's; the multi-scale one agrees with a direct evaluation of its formula."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from models.evaluation.similarity import UndefinedMetricError, ms_ssim, ssim


def images(side: int, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(side)
    target = np.cumsum(np.cumsum(generator.normal(size=(side, side)), axis=0), axis=1) / side
    return target + noise * generator.normal(size=(side, side)), target


def direct_terms(x: np.ndarray, y: np.ndarray, data_range: float) -> tuple[float, float]:
    """Means of SSIM and of its contrast-structure part, window by window."""
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    luminance, structure = [], []
    for row in range(x.shape[0] - 6):
        for column in range(x.shape[1] - 6):
            a = x[row : row + 7, column : column + 7].ravel()
            b = y[row : row + 7, column : column + 7].ravel()
            (var_a, cov), (_, var_b) = np.cov(a, b)
            structure.append((2 * cov + c2) / (var_a + var_b + c2))
            mean = 2 * a.mean() * b.mean() + c1
            luminance.append(mean / (a.mean() ** 2 + b.mean() ** 2 + c1))
    structure = np.array(structure)
    return float(np.mean(structure * luminance)), float(structure.mean())


def halved(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[0] // 2, image.shape[1] // 2
    result = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            result[row, column] = image[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].mean()
    return result


def test_ssim_is_that_of_scikit_image_with_its_defaults():
    prediction, target = images(40)
    expected = structural_similarity(target, prediction, data_range=3.0)
    assert ssim(prediction, target, 3.0) == expected
    assert ssim(prediction, target, 3.0) == pytest.approx(direct_terms(prediction, target, 3.0)[0])


def test_ms_ssim_agrees_with_a_direct_evaluation_at_an_odd_size():
    prediction, target = images(117)
    data_range = float(np.ptp(target))
    expected, x, y = 1.0, prediction, target
    for weight in (0.0448, 0.2856, 0.3001, 0.2363):
        expected *= direct_terms(x, y, data_range)[1] ** weight
        x, y = halved(x), halved(y)
    expected *= direct_terms(x, y, data_range)[0] ** 0.1333
    assert 0.2 < expected < 0.99
    assert ms_ssim(prediction, target, data_range) == pytest.approx(expected, rel=1e-9)


def test_an_image_is_entirely_similar_to_itself():
    _, target = images(120)
    assert ssim(target, target, 1.0) == pytest.approx(1)
    assert ms_ssim(target, target, 1.0) == pytest.approx(1)


def test_an_inverted_image_has_no_multi_scale_similarity():
    target = np.random.default_rng(0).normal(size=(120, 120))
    assert ssim(2 - target, 2 + target, 1.0) < -0.5
    assert ms_ssim(2 - target, 2 + target, 1.0) == 0


def test_the_smallest_images_are_one_window_at_the_coarsest_scale():
    assert 0 < ssim(*images(7), 1.0) < 1
    with pytest.raises(UndefinedMetricError, match=r"6×6 px is too small .* 7 px are needed"):
        ssim(*images(6), 1.0)
    assert 0 < ms_ssim(*images(112), 1.0) < 1
    with pytest.raises(UndefinedMetricError, match=r"111×111 px is too small .* 112 px are needed"):
        ms_ssim(*images(111), 1.0)
