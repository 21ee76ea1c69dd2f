"""Exact patches give the exact object; phase offset, plane and scale are taken out and recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.data.scan import make_scan
from models.evaluation.reconstruct import reconstruct, remove_plane, save


def test_exact_patches_give_the_exact_object(small):
    r = reconstruct(small.exact, small.test, small.dataset)
    assert r.amplitude.shape == r.phase.shape == (98, 98)
    np.testing.assert_allclose(r.amplitude, r.target_amplitude, rtol=1e-6)
    np.testing.assert_allclose(r.phase, r.target_phase, atol=1e-6)
    assert r.amplitude_scale == pytest.approx(1, rel=1e-6)


def test_the_target_is_the_object_without_border_and_plane(small):
    r = reconstruct(small.exact, small.test, small.dataset)
    # 131 px hold 17 steps of 6 px: 3 px are dropped, 13 px cropped and 2 px trimmed on each side.
    truth = small.test.yy_full[0, :128, :128, 0][15:-15, 15:-15].astype(np.complex128)
    np.testing.assert_allclose(r.target_amplitude, np.abs(truth), rtol=1e-12)
    np.testing.assert_allclose(r.target_phase, least_squares(np.angle(truth)), atol=1e-10)


def least_squares(image: np.ndarray) -> np.ndarray:
    rows, columns = np.indices(image.shape)
    design = np.column_stack([rows.ravel(), columns.ravel(), np.ones(image.size)])
    plane, *_ = np.linalg.lstsq(design, image.ravel(), rcond=None)
    return image - (design @ plane).reshape(image.shape)


def test_the_study_compares_326_pixels_of_the_published_statistics(study):
    r = reconstruct(study.exact, study.test, study.dataset)
    target = r.target_amplitude
    assert target.shape == (326, 326)
    assert target.mean() == pytest.approx(2.8895, abs=5e-5)
    assert target.std() == pytest.approx(0.6412, abs=5e-5)
    assert np.ptp(target) == pytest.approx(4.0899, abs=5e-5)


def test_the_brightness_of_the_network_is_scaled_away_and_recorded(small):
    plain = reconstruct(small.exact, small.test, small.dataset)
    bright = reconstruct(4 * small.exact, small.test, small.dataset)
    np.testing.assert_allclose(bright.amplitude, plain.amplitude, rtol=1e-6)
    assert bright.amplitude_scale == pytest.approx(plain.amplitude_scale / 4)
    assert bright.amplitude.mean() == pytest.approx(bright.target_amplitude.mean(), rel=1e-12)


def test_a_global_phase_that_does_not_wrap_is_taken_out(small):
    turned = small.exact * np.complex64(np.exp(0.5j))
    r = reconstruct(turned, small.test, small.dataset)
    np.testing.assert_allclose(r.phase, r.target_phase, atol=1e-6)


def test_only_the_patches_of_the_first_object_count(small):
    per_object = len(small.exact) // 2
    both = reconstruct(small.exact, small.test, small.dataset)
    first = reconstruct(small.exact[:per_object], small.test, small.dataset)
    np.testing.assert_array_equal(both.amplitude, first.amplitude)
    np.testing.assert_array_equal(both.phase, first.phase)


@pytest.mark.parametrize("count", [0, 1, 288, 290, 577])
def test_another_number_of_patches_is_refused(small, count):
    patches = np.ones((count, 1, 32, 32), np.complex64)
    with pytest.raises(ValueError, match=rf"{count} samples, but a test object has 289"):
        reconstruct(patches, small.test, small.dataset)


def test_patches_of_another_size_are_refused(small):
    wide = small.dataset.model_copy(update={"test_stride": 4, "object_size": 99})
    with pytest.raises(ValueError, match=r"\(64, 64\) pixels but the ground truth \(98, 98\)"):
        reconstruct(np.ones((289, 1, 32, 32), np.complex64), small.test, wide)


def test_a_split_without_ground_truth_is_refused(small):
    blind = replace(small.test, yy_ground_truth=None)
    with pytest.raises(ValueError, match="no ground truth; reconstruct from the test split"):
        reconstruct(small.exact, blind, small.dataset)


def test_an_image_that_cannot_be_trimmed_is_refused(small):
    tiny = small.dataset.model_copy(update={"object_size": 32, "test_stride": 4})
    with pytest.raises(ValueError, match="cannot lose 2 on every side"):
        reconstruct(np.ones((1, 1, 32, 32), np.complex64), small.test, tiny)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_an_amplitude_without_scale_is_left_as_it_is(small, value):
    patches = np.full_like(small.exact, value)
    with np.errstate(invalid="ignore"):
        r = reconstruct(patches, small.test, small.dataset)
    assert r.amplitude_scale is None
    assert np.isfinite(r.target_phase).all()
    if value == 0:
        np.testing.assert_array_equal(r.amplitude, 0)


# --- the plane -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 7), (6, 9), (1, 5)])
def test_the_plane_is_the_one_of_least_squares(shape):
    image = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_allclose(remove_plane(image), least_squares(image), atol=1e-12)


def test_a_plane_leaves_nothing_and_nothing_leaves_exactly_nothing():
    rows, columns = np.indices((20, 30))
    plane = 0.3 + 0.01 * rows - 0.02 * columns
    np.testing.assert_allclose(remove_plane(plane), 0, atol=1e-14)
    np.testing.assert_array_equal(remove_plane(np.zeros((20, 30))), 0)


# --- the file ------------------------------------------------------------------------------------


def test_the_file_holds_images_errors_and_scale_and_repeats(small, tmp_path):
    r = reconstruct(2 * small.exact, small.test, small.dataset)
    save(r, tmp_path / "a.npz")
    save(r, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with np.load(tmp_path / "a.npz", allow_pickle=False) as stored:
        assert stored["amplitude_scale"] == r.amplitude_scale
        assert stored["phase_offset"] == r.phase_offset
        for name in ("amplitude", "phase", "phase_aligned", "target_amplitude", "target_phase"):
            np.testing.assert_array_equal(stored[name], getattr(r, name).astype(np.float32))
        error = stored["phase"].astype(float) - stored["target_phase"]
        np.testing.assert_allclose(stored["phase_error"], error, atol=1e-6)
        error = stored["amplitude"].astype(float) - stored["target_amplitude"]
        np.testing.assert_allclose(stored["amplitude_error"], error, atol=1e-6)


def test_a_scale_that_does_not_exist_is_stored_as_nan(small, tmp_path):
    save(reconstruct(0 * small.exact, small.test, small.dataset), tmp_path / "r.npz")
    with np.load(tmp_path / "r.npz", allow_pickle=False) as stored:
        assert np.isnan(stored["amplitude_scale"])
        assert np.isnan(stored["phase_offset"])
        assert np.isnan(stored["phase_aligned"]).all()


# --- samples of four -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def grouped(small):
    """The small dataset in samples of 2×2 neighbours, and what a perfect network would return."""
    dataset = small.dataset.model_copy(update={"gridsize": 2})
    scan = make_scan(dataset, "test")
    return replace(small, dataset=dataset, exact=small.exact[:, 0][scan.groups])


def test_exact_samples_of_four_give_what_exact_patches_give_bit_by_bit(small, grouped):
    assert grouped.exact.shape == (2 * 16**2, 4, 32, 32)
    alone = reconstruct(small.exact, small.test, small.dataset)
    together = reconstruct(grouped.exact, grouped.test, grouped.dataset)
    np.testing.assert_array_equal(together.amplitude, alone.amplitude)
    np.testing.assert_array_equal(together.phase, alone.phase)


def test_predictions_of_a_position_that_differ_are_averaged(small, grouped):
    """Opposite errors in the two channels of a position cancel; inside, each has four of them."""
    errors = np.array([1, -1, -1, 1], np.float32)[:, None, None]
    spoilt = grouped.exact + np.complex64(0.05) * errors
    r = reconstruct(spoilt, grouped.test, grouped.dataset)
    inside = np.s_[8:-8, 8:-8]
    difference = np.abs(r.amplitude / r.amplitude_scale - r.target_amplitude)
    assert difference[inside].max() < 1e-5
    assert difference.max() > 0.1, "at the rim a position has one or two predictions"


def test_samples_of_another_gridsize_are_refused(small, grouped):
    with pytest.raises(ValueError, match=r"^578 samples, but a test object has 256 and there"):
        reconstruct(small.exact, small.test, grouped.dataset)
    with pytest.raises(ValueError, match=r"^256 samples, but a test object has 289 and there"):
        reconstruct(grouped.exact[:256], small.test, small.dataset)
