"""No measurement sees the global phase, so no score of the aligned phase depends on it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.evaluation.alignment import aligned_phase, global_phase
from models.evaluation.metrics import METRICS, Scores, score
from models.evaluation.reconstruct import Reconstruction, reconstruct


def scored(case, patches) -> tuple[Reconstruction, Scores]:
    found = reconstruct(patches.astype(np.complex64), case.test, case.dataset)
    return found, score(found)


@pytest.fixture(scope="module")
def noisy(small) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=small.exact.shape) + 1j * rng.normal(size=small.exact.shape)
    return small.exact + 0.02 * noise


@pytest.mark.parametrize("step", range(24))
def test_a_perfect_reconstruction_is_perfect_at_every_global_phase(small, step):
    found, scores = scored(small, small.exact * np.exp(2j * np.pi * step / 24))
    assert math.remainder(found.phase_offset - math.pi * step / 12, 2 * math.pi) == pytest.approx(
        0, abs=1e-6
    )
    assert scores.phase_aligned["ssim"] == pytest.approx(1, abs=1e-6)
    assert scores.phase_aligned["mae"] < 1e-6


def test_scored_as_it_is_a_perfect_phase_falls_below_a_constant_where_its_angle_wraps(study):
    turned, flat = study.exact * np.exp(1j * np.pi), np.ones_like(study.exact)
    found, constant = (scored(study, patches)[1] for patches in (turned, flat))
    assert found.metrics["ssim"][1] < 0.5 < 0.8 < constant.metrics["ssim"][1]
    assert found.phase_aligned["ssim"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("turn", [0.7, 2.4, 3.1, -2.9])
def test_no_aligned_score_depends_on_the_global_phase(small, noisy, turn):
    _, before = scored(small, noisy)
    _, after = scored(small, noisy * np.exp(1j * turn))
    for name, value in before.phase_aligned.items():
        expected = None if value is None else pytest.approx(value, rel=1e-4)
        assert after.phase_aligned[name] == expected, name
    assert before.phase_aligned["ssim"] == pytest.approx(before.metrics["ssim"][1], rel=1e-6)


def test_the_global_phase_is_that_of_the_least_squares(small, noisy):
    """No other angle brings the images closer, whatever the prediction's scale."""
    z, t = noisy.ravel() * 3, small.exact.ravel()
    best = global_phase(z, t)

    def apart(angle: float) -> float:
        return float(np.sum(np.abs(z * np.exp(-1j * angle) - t) ** 2))

    others = np.linspace(-np.pi, np.pi, 721)
    assert apart(best) <= min(map(apart, others))


def test_pixels_count_by_their_amplitudes():
    """Rounding in the dark does not turn the object."""
    target = np.ones((8, 8), complex)
    predicted = target * np.exp(0.3j)
    predicted[:4] = 1e-7 * np.exp(2.5j)
    assert global_phase(predicted, target) == pytest.approx(0.3, abs=1e-6)


def test_no_pixel_wraps_because_the_truth_lies_near_the_cut():
    true = np.linspace(-3.1, 3.1, 64)[None, :]
    error = 0.2 * (-1.0) ** np.arange(64)[None, :]
    target, predicted = np.exp(1j * true), np.exp(1j * (true + error + 1.7))
    offset = global_phase(predicted, target)
    assert offset == pytest.approx(1.7, abs=1e-6)
    np.testing.assert_allclose(aligned_phase(predicted, target, offset), true + error, atol=1e-9)


def test_the_twin_is_not_turned_into_the_object(small):
    """conj O has another diffraction pattern; what is ambiguous is a constant phase alone."""
    _, scores = scored(small, small.exact.conj())
    assert scores.phase_aligned["ssim"] < 0.9
    assert scores.phase_aligned["mae"] > 0.1


def test_what_is_flat_has_no_aligned_score_however_good_it_would_be(small):
    for patches in (np.full_like(small.exact, 0.7), np.full_like(small.exact, 0.7 * np.exp(3j))):
        _, scores = scored(small, patches)
        assert scores.metrics["ssim"][1] > 0.8
        assert set(scores.phase_aligned.values()) == {None}
        reasons = {scores.null_reasons[f"phase_aligned_{name}"] for name in METRICS}
        assert reasons == {"the reconstruction is flat: a constant has no phase to align"}


def test_a_constant_phase_under_a_living_amplitude_has_none_either(small):
    found, scores = scored(small, np.abs(small.exact) * np.exp(2j))
    assert scores.metrics["ssim"][0] == pytest.approx(1, abs=1e-6)
    assert set(scores.phase_aligned.values()) == {None}
    assert found.phase_contrast < 1e-6
    reason = scores.null_reasons["phase_aligned_ssim"]
    assert reason == "the predicted phase is constant: there is nothing to align"
    faint = np.abs(small.exact) * np.exp(1j * (0.05 * np.angle(small.exact) + 2))
    assert scored(small, faint)[1].phase_aligned["ssim"] is not None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_global_phase(small, bad):
    patches = small.exact.copy()
    patches[7, 0, 16, 16] = bad
    with np.errstate(invalid="ignore"):
        found, scores = scored(small, patches)
    assert found.phase_offset is None
    assert set(scores.phase_aligned.values()) == {None}
    assert set(scores.phase_aligned) == set(METRICS)


def test_darkness_has_no_phase_to_align(small):
    found, scores = scored(small, 0 * small.exact)
    assert found.phase_offset is None
    reason = scores.null_reasons["phase_aligned_ssim"]
    assert reason == "prediction and truth have no phase in common to align by"


def test_without_a_true_phase_there_is_no_aligned_score(small):
    silent = replace(small.test, yy_ground_truth=np.abs(small.test.yy_ground_truth) + 0j)
    found = reconstruct(np.abs(small.exact) + 0j, silent, small.dataset)
    scores = score(found)
    assert set(scores.phase_aligned.values()) == {None}
    assert scores.null_reasons["phase_aligned_mae"] == "the target phase has no variance"
    assert found.phase_contrast is None
