"""Collapse is read from the reconstruction: flat, unlike the object, or not finite."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.evaluation.collapse import collapse, relative_std
from models.evaluation.metrics import score
from models.evaluation.reconstruct import reconstruct


def test_relative_std_is_std_over_mean_and_knows_no_unit():
    amplitude = np.array([[1.0, 3.0]])
    assert relative_std(amplitude) == 0.5
    assert relative_std(1e6 * amplitude) == pytest.approx(0.5)


def test_a_small_ripple_on_float32_is_measured_in_double_precision():
    ripple = np.float32(1) + np.float32(1e-4) * np.sin(np.arange(10_000, dtype=np.float32))
    assert relative_std(ripple) == pytest.approx(1e-4 / math.sqrt(2), rel=1e-2)


def test_darkness_is_flat_and_nan_stays_nan():
    assert relative_std(np.zeros((4, 4))) == 0
    assert math.isnan(relative_std(np.array([1.0, np.nan])))
    assert math.isnan(relative_std(np.array([1.0, np.inf])))


@pytest.mark.parametrize(
    ("rel_std", "amp_ssim", "has_nan", "reason"),
    [
        (0.2, 0.9, False, None),
        (1e-3, 0.5, False, None),
        (0.2, None, False, None),
        (
            0.2,
            0.9,
            True,
            "not finite: a loss, a weight or the reconstruction holds NaN or infinity",
        ),
        (math.nan, 0.9, False, "not finite: a loss, a weight or the reconstruction holds NaN"),
        (9.99e-4, 0.9, False, "flat: the amplitude's relative std 0.000999 is below 0.001"),
        (0.0, None, False, "flat: the amplitude's relative std 0 is below 0.001"),
        (0.2, 0.4999, False, "unlike the object: amp_ssim 0.500 is below 0.5"),
        (0.2, 0.277, False, "unlike the object: amp_ssim 0.277 is below 0.5"),
    ],
)
def test_the_first_sign_of_collapse_is_named(rel_std, amp_ssim, has_nan, reason):
    found = collapse(rel_std, amp_ssim, has_nan)
    assert (found is None) == (reason is None)
    assert found is None or found.startswith(reason)


def test_the_exact_object_has_not_collapsed_and_a_constant_one_has(small):
    for patches, word in ((small.exact, None), (np.ones_like(small.exact), "flat")):
        r = reconstruct(patches, small.test, small.dataset)
        found = collapse(relative_std(r.amplitude), score(r).metrics["ssim"][0], has_nan=False)
        assert (found and found.split(":")[0]) == word
