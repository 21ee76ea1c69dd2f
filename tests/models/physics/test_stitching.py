"""Stitching the exact patches of a scan gives back the object, whatever remainder it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.physics.stitching import (
    crop_ground_truth,
    group_positions,
    margin,
    merge_groups,
    stitch,
)


def numbered(size: int) -> np.ndarray:
    return np.arange(size * size, dtype=np.float64).reshape(size, size)


def scan(image: np.ndarray, side: int, stride: int) -> tuple[np.ndarray, int]:
    """Windows cut one by one, row by row."""
    starts = range(0, image.shape[0] - side + 1, stride)
    patches = [image[r : r + side, c : c + side] for r in starts for c in starts]
    return np.stack(patches), len(starts)


@given(half=st.integers(1, 6), stride=st.integers(1, 12), extra=st.integers(0, 30), data=st.data())
def test_exact_patches_stitch_to_the_exact_object(half, stride, extra, data):
    side = 2 * half
    stride = min(stride, side)
    image = numbered(side + extra)
    patches, steps = scan(image, side, stride)
    stitched = stitch(patches, stride, steps, steps)
    assert stitched.shape == (steps * stride, steps * stride)
    np.testing.assert_array_equal(stitched, crop_ground_truth(image, side, stride))


def test_the_study_keeps_27_to_minus_27_and_ends_at_330_pixels():
    image = numbered(392)
    literal = image[: 392 - (392 - 64) % 10, : 392 - (392 - 64) % 10][27:-27, 27:-27]
    assert literal.shape == (330, 330)
    np.testing.assert_array_equal(crop_ground_truth(image, 64, 10), literal)
    assert margin(64, 10) == 27


def test_patches_run_along_the_rows_first():
    patches = np.stack([np.full((2, 2), number) for number in range(6)])
    stitched = stitch(patches, 2, 2, 3)
    np.testing.assert_array_equal(stitched[::2, ::2], [[0, 1, 2], [3, 4, 5]])


def test_a_shifted_object_gives_a_shifted_image():
    image, side, stride = numbered(40), 8, 4
    shifted = np.roll(image, (stride, 0), (0, 1))
    plain, moved = (stitch(*scan_and_steps(i, side, stride)) for i in (image, shifted))
    np.testing.assert_array_equal(moved[stride:], plain[:-stride])


def scan_and_steps(image, side, stride):
    patches, steps = scan(image, side, stride)
    return patches, stride, steps, steps


def test_complex_patches_stay_complex():
    patches = np.ones((4, 4, 4), np.complex64) * 1j
    assert stitch(patches, 2, 2, 2).dtype == np.complex64


@pytest.mark.parametrize(
    ("shape", "stride", "mistake"),
    [
        ((5, 4, 4), 2, r"2×2 square patches were expected"),
        ((4, 4, 6), 2, r"2×2 square patches were expected"),
        ((4, 4, 4), 6, "a tile of 6 px does not fit a patch of 4 px"),
        ((4, 4, 4), 0, "a tile of 0 px does not fit a patch of 4 px"),
    ],
)
def test_patches_that_do_not_make_the_image_are_refused(shape, stride, mistake):
    with pytest.raises(ValueError, match=mistake):
        stitch(np.zeros(shape), stride, 2, 2)


# --- groups --------------------------------------------------------------------------------------


def test_a_group_is_a_position_and_its_neighbours_to_the_right_and_below():
    assert group_positions(3, 4, 2).tolist() == [
        [0, 1, 4, 5],
        [1, 2, 5, 6],
        [2, 3, 6, 7],
        [4, 5, 8, 9],
        [5, 6, 9, 10],
        [6, 7, 10, 11],
    ]
    assert group_positions(2, 3, 1).tolist() == [[0], [1], [2], [3], [4], [5]]


def test_a_position_has_the_mean_of_all_its_predictions():
    positions = group_positions(3, 3, 2)
    generator = np.random.default_rng(0)
    patches = generator.normal(size=(4, 4, 5, 5)) + 1j * generator.normal(size=(4, 4, 5, 5))
    merged = merge_groups(patches, 3, 3)
    predictions = [int((positions == position).sum()) for position in range(9)]
    assert predictions == [1, 2, 1, 2, 4, 2, 1, 2, 1]
    for position in range(9):
        expected = patches[positions == position].mean(axis=0)
        np.testing.assert_allclose(merged[position], expected, rtol=1e-14)


@given(rows=st.integers(2, 5), cols=st.integers(2, 5))
def test_equal_predictions_are_kept_bit_by_bit(rows, cols):
    patches = np.random.default_rng(1).normal(size=(rows * cols, 3, 3)).astype(np.complex64)
    merged = merge_groups(patches[group_positions(rows, cols, 2)], rows, cols)
    assert merged.dtype == np.complex64
    np.testing.assert_array_equal(merged, patches)


def test_patches_that_are_alone_are_passed_on():
    patches = np.random.default_rng(1).normal(size=(6, 1, 3, 3))
    assert np.shares_memory(merge_groups(patches, 2, 3), patches)


def test_samples_that_are_not_all_groups_are_refused():
    told = r"^4 samples of a raster of 3×3 positions were expected, not 9 of 4 patches$"
    with pytest.raises(ValueError, match=told):
        merge_groups(np.zeros((9, 4, 3, 3)), 3, 3)
