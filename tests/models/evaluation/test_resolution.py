"""Fourier ring correlation agrees with its sums, and never flatters an empty image."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.resolution import half_resolution, ring_correlation


def image(side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(side, side)) + 3


@pytest.mark.parametrize("side", [12, 13])
def test_it_agrees_with_the_direct_sums(side):
    one, two = image(side, 1), image(side, 1) + 0.7 * image(side, 2)
    curve = ring_correlation(one, two)
    spectra = [np.fft.fftshift(np.fft.fft2(i)) for i in (one, two)]
    sums = {}
    for row in range(side):
        for column in range(side):
            ring = round(np.hypot(row - side // 2, column - side // 2))
            f, g = spectra[0][row, column], spectra[1][row, column]
            cross, power_f, power_g = sums.get(ring, (0, 0, 0))
            sums[ring] = (cross + f * np.conj(g), power_f + abs(f) ** 2, power_g + abs(g) ** 2)
    expected = [sums[q][0].real / np.sqrt(sums[q][1] * sums[q][2]) for q in range(len(sums))]
    np.testing.assert_allclose(curve, expected, rtol=1e-10)
    assert min(expected) < 0.9


def test_equal_images_correlate_in_every_ring():
    curve = ring_correlation(image(), image())
    np.testing.assert_allclose(curve, 1, rtol=1e-12)
    assert len(curve) == round(np.hypot(8, 8)) + 1
    assert half_resolution(curve) == len(curve)


def test_brightness_does_not_matter_but_sign_does():
    np.testing.assert_allclose(ring_correlation(7 * image(), image()), 1, rtol=1e-12)
    np.testing.assert_allclose(ring_correlation(-image(), image()), -1, rtol=1e-12)


def test_an_image_without_fine_detail_resolves_up_to_the_cut():
    spectrum = np.fft.fftshift(np.fft.fft2(image(32)))
    rows, columns = np.indices((32, 32)) - 16
    spectrum[np.rint(np.hypot(rows, columns)) > 9] = 0
    blurred = np.fft.ifft2(np.fft.ifftshift(spectrum)).real
    curve = ring_correlation(blurred, image(32))
    np.testing.assert_allclose(curve[:10], 1, rtol=1e-9)
    np.testing.assert_array_equal(curve[10:], 0)
    assert half_resolution(curve) == 10


def test_a_constant_prediction_resolves_nothing():
    curve = ring_correlation(np.full((16, 16), 0.7), image())
    assert curve[0] == pytest.approx(1)
    assert set(curve[1:]) == {0.0}
    assert half_resolution(curve) == 1


def test_a_ring_in_which_the_target_is_empty_is_no_evidence():
    target = image() - image().mean()
    curve = ring_correlation(target + 0.1, target)
    assert curve[0] is None
    np.testing.assert_allclose(curve[1:], 1, rtol=1e-12)
    assert half_resolution(curve) == len(curve)


def test_the_first_ring_below_a_half_counts():
    assert half_resolution([1.0, 0.5, 0.49, 0.9, 0.1]) == 2
    assert half_resolution([None, 0.9, None]) == 3
