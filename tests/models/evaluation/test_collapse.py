"""What became of a network: flat (a collapse), unlike the object, not finite, or unfinished."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.evaluation.collapse import (
    LOW_CONTRAST,
    Outcome,
    is_still_falling,
    judge,
    recovery,
    relative_std,
)
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
    ("rel_std", "amp_ssim", "finite", "kind", "reason"),
    [
        (0.2, 0.9, True, None, None),
        (1e-3, 0.5, True, None, None),
        (0.2, None, True, None, None),
        (0.2, 0.9, False, "not_finite", "not finite: the last epoch's loss or the reconstruction"),
        (math.nan, 0.9, True, "not_finite", "not finite: the last epoch's loss or the recon"),
        (9.99e-4, 0.9, True, "flat", "flat: the amplitude's relative std 0.000999 is below 0.001"),
        (0.0, None, True, "flat", "flat: the amplitude's relative std 0 is below 0.001"),
        (0.2, 0.4999, True, "unlike_object", "unlike the object: amp_ssim 0.500 is below 0.5"),
        (0.2, 0.277, True, "unlike_object", "unlike the object: amp_ssim 0.277 is below 0.5"),
    ],
)
def test_the_first_word_that_holds_is_said(rel_std, amp_ssim, finite, kind, reason):
    found = judge(rel_std, amp_ssim, finite_losses=finite)
    assert found.kind == kind
    assert found.unfinished is False
    assert (found.reason is None) == (reason is None)
    assert found.reason is None or found.reason.startswith(reason)


def test_the_exact_object_has_not_collapsed_and_a_constant_one_has(small):
    for patches, word in ((small.exact, None), (np.ones_like(small.exact), "flat")):
        r = reconstruct(patches, small.test, small.dataset)
        found = judge(relative_std(r.amplitude), score(r).metrics["ssim"][0])
        assert found.kind == word
        assert r.amp_contrast == pytest.approx(0 if word else 1, abs=1e-6)


def test_another_object_is_unlike_and_not_collapsed(small):
    r = reconstruct(small.exact[::-1], small.test, small.dataset)
    assert judge(relative_std(r.amplitude), score(r).metrics["ssim"][0]).kind == "unlike_object"


@pytest.mark.parametrize("share", [0.2, 0.25, 0.3])
def test_an_image_of_little_contrast_is_measured(small, share):
    """Its structure is right, so no word is said of it, and its SSIM passes."""
    size = np.abs(small.exact)
    faint = (size.mean() + share * (size - size.mean())) * np.exp(1j * np.angle(small.exact))
    r = reconstruct(faint.astype(np.complex64), small.test, small.dataset)
    assert judge(relative_std(r.amplitude), score(r).metrics["ssim"][0]).kind is None
    assert share - 0.05 < r.amp_contrast < share + 0.05 < LOW_CONTRAST


# --- a loss that still falls ---------------------------------------------------------------------

NAN = math.nan


@pytest.mark.parametrize(
    ("losses", "falling"),
    [
        ([0.4, 0.3], True),
        ([0.4, 0.39], True),
        ([0.4, 0.395], False),  # by less than 2 %
        ([0.4, 0.5], False),
        ([0.19, 0.191, 0.189, 0.19, 0.1905, 0.1895, 0.19, 0.1885], False),  # scatter
        ([0.4, 0.3, 0.25, 0.24, 0.2, 0.19, 0.3, 0.18], True),  # the last two of eight count
        ([0.4, 0.1, 0.3, 0.2], False),  # it falls again, and was lower before
        ([NAN, 0.4, 0.3, 0.2], True),
        ([0.3], None),
        ([NAN, 0.3], None),
        ([0.3, NAN], None),
        ([0.3, -0.1], None),
    ],
)
def test_a_loss_falls_as_long_as_its_last_quarter_lowers_the_best(losses, falling):
    assert is_still_falling(losses) is falling


def test_what_was_stopped_while_its_loss_fell_is_unfinished_and_nothing_else():
    assert judge(0.2, 0.3, still_falling=True) == Outcome(kind=None, reason=None, unfinished=True)
    assert judge(0.2, 0.8, still_falling=True).unfinished is False
    assert judge(1e-5, 0.3, still_falling=True).kind == "flat"
    assert judge(0.2, 0.3, finite_losses=False, still_falling=True).kind == "not_finite"


def test_where_the_losses_cannot_tell_it_is_unlike_and_perhaps_unfinished():
    found = judge(0.2, 0.3, still_falling=None)
    assert (found.kind, found.unfinished) == ("unlike_object", None)


@pytest.mark.parametrize(
    ("finite", "epochs"),
    [
        ([True, True], (None, None)),
        ([True, False, True, True], (1, 2)),
        ([False, True, False, True], (0, 3)),
        ([True, False, False], (1, None)),
        ([False], (0, None)),
    ],
)
def test_nan_has_the_epoch_when_it_came_and_the_one_when_it_had_gone(finite, epochs):
    assert recovery(finite) == epochs
