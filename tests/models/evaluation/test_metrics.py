"""Scores have their published values, and a metric that means nothing is null with its reason."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from models.config import STATS
from models.evaluation.metrics import METRICS, Scores, score
from models.evaluation.reconstruct import Reconstruction, reconstruct


def noisy(case) -> Reconstruction:
    generator = np.random.default_rng(0)
    noise = generator.normal(size=case.exact.shape) + 1j * generator.normal(size=case.exact.shape)
    patches = (case.exact + 0.02 * noise).astype(np.complex64)
    return reconstruct(patches, case.test, case.dataset)


@pytest.fixture(scope="module")
def flat(study) -> Scores:
    return score(reconstruct(np.full_like(study.exact, 0.7), study.test, study.dataset))


def test_a_constant_prediction_scores_as_published(flat):
    amplitude, phase = 0, 1
    assert flat.metrics["mae"][amplitude] == pytest.approx(0.51306, abs=5e-6)
    assert flat.metrics["ssim"][amplitude] == pytest.approx(0.27711, abs=5e-6)
    assert flat.metrics["mae"][phase] == pytest.approx(0.192, abs=5e-4)
    assert flat.metrics["ssim"][phase] == pytest.approx(0.843, abs=5e-4)


def test_a_constant_prediction_resolves_nothing(flat):
    assert flat.metrics["frc50"] == [1, 1]
    assert set(flat.null_reasons) == {f"phase_aligned_{name}" for name in METRICS}


def test_exact_patches_score_as_perfect(study):
    scores = score(reconstruct(study.exact, study.test, study.dataset))
    assert max(scores.metrics["mae"]) < 1e-6
    assert min(scores.metrics["psnr"]) > 120
    for name in ("ssim", "ms_ssim"):
        assert scores.metrics[name] == pytest.approx([1, 1], abs=1e-6)
    assert scores.metrics["frc50"] == [232, 232]
    assert [len(curve) for curve in scores.frc] == [232, 232]


def test_errors_and_ratios_agree_with_their_definitions(small):
    r = noisy(small)
    metrics = score(r).metrics
    parts = [(r.amplitude, r.target_amplitude), (r.phase, r.target_phase)]
    for part, (prediction, target) in enumerate(parts):
        mse = np.mean((prediction - target) ** 2)
        span = target.max() - target.min()
        assert metrics["mae"][part] == pytest.approx(np.mean(np.abs(prediction - target)))
        assert metrics["mse"][part] == pytest.approx(mse)
        assert metrics["psnr"][part] == pytest.approx(10 * np.log10(span**2 / mse))
        assert metrics["psnr_255"][part] == pytest.approx(10 * np.log10(255**2 / mse))


def test_ssim_sees_amplitude_at_its_range_and_phase_as_a_share_of_the_circle(small):
    r = noisy(small)
    amplitude, phase = score(r).metrics["ssim"]
    span = r.target_amplitude.max() - r.target_amplitude.min()
    assert amplitude == structural_similarity(r.target_amplitude, r.amplitude, data_range=span)
    turns = [(image + np.pi) / (2 * np.pi) for image in (r.target_phase, r.phase)]
    assert phase == pytest.approx(structural_similarity(*turns, data_range=1.0), rel=1e-12)
    assert 0.3 < amplitude < 0.99


def test_every_metric_has_its_two_numbers_in_the_flat_summary():
    assert {f"{part}_{metric}" for part in ("amp", "phase") for metric in METRICS} <= set(STATS)
    assert {f"phase_aligned_{metric}" for metric in METRICS} <= set(STATS)


def test_scores_are_plain_numbers_that_json_can_hold(small):
    scores = score(noisy(small))
    aligned = (scores.phase_aligned.values(), scores.frc_phase_aligned)
    for values in (*scores.metrics.values(), *scores.frc, *aligned):
        assert {type(value) for value in values} <= {float, type(None)}
    json.dumps([scores.metrics, scores.null_reasons, scores.frc], allow_nan=False)


# --- metrics that mean nothing -------------------------------------------------------------------


def reasons_of(scores: Scores, part: str) -> set[str]:
    index = {"amp": 0, "phase": 1}[part]
    for name, values in scores.metrics.items():
        assert (values[index] is None) == (f"{part}_{name}" in scores.null_reasons)
    return {scores.null_reasons.get(f"{part}_{name}", "none") for name in METRICS}


def test_without_a_phase_every_phase_metric_is_null_and_not_perfect(small):
    silent = replace(small.test, yy_ground_truth=np.abs(small.test.yy_ground_truth) + 0j)
    scores = score(reconstruct(np.abs(small.exact) + 0j, silent, small.dataset))
    assert reasons_of(scores, "phase") == {"the target phase has no variance"}
    assert scores.frc[1] is None
    assert scores.metrics["ssim"][0] == pytest.approx(1)


def test_a_ramp_of_phase_has_no_variance_either(small):
    truth = np.abs(small.test.yy_ground_truth)
    ramp = np.exp(0.01j * np.arange(truth.shape[0]))[:, None, None]
    tilted = replace(small.test, yy_ground_truth=(truth * ramp).astype(np.complex64))
    scores = score(reconstruct(small.exact, tilted, small.dataset))
    assert reasons_of(scores, "phase") == {"the target phase has no variance"}


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_that_is_not_finite_makes_every_metric_null(small, value):
    patches = small.exact.copy()
    patches[7, 0, 16, 16] = value
    with np.errstate(invalid="ignore"):
        scores = score(reconstruct(patches, small.test, small.dataset))
    assert reasons_of(scores, "amp") == {"the predicted amplitude is not finite"}
    if np.isnan(value):
        assert reasons_of(scores, "phase") == {"the predicted phase is not finite"}
    json.dumps([scores.metrics, scores.frc], allow_nan=False)


def test_a_dark_prediction_has_no_amplitude_metric(small):
    scores = score(reconstruct(0 * small.exact, small.test, small.dataset))
    assert reasons_of(scores, "amp") == {
        "the predicted amplitude is zero everywhere and cannot be scaled to the target"
    }
    assert scores.frc[0] is None
    assert scores.metrics["frc50"][1] == 1


def test_an_image_too_small_for_five_scales_has_no_ms_ssim_but_the_rest(small):
    scores = score(noisy(small))
    too_small = (
        "an image of 98×98 px is too small for five scales of a 7×7 window: 112 px are needed"
    )
    assert scores.null_reasons == dict.fromkeys(
        ("amp_ms_ssim", "phase_ms_ssim", "phase_aligned_ms_ssim"), too_small
    )
    assert scores.metrics["ms_ssim"] == [None, None]


def test_equal_images_have_no_ratio_of_signal_to_noise(small):
    r = noisy(small)
    scores = score(replace(r, phase=r.target_phase))
    assert scores.metrics["psnr"][1] is None
    assert scores.null_reasons["phase_psnr"].startswith("prediction and target are equal")
    assert scores.metrics["ssim"][1] == pytest.approx(1)
