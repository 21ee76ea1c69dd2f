"""Stitching the exact patches of a scan gives back the object, whatever remainder it leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.physics.stitching import crop_ground_truth, margin, stitch


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
    ("shape", "stride", "complaint"),
    [
        ((5, 4, 4), 2, r"2×2 square patches were expected"),
        ((4, 4, 6), 2, r"2×2 square patches were expected"),
        ((4, 4, 4), 6, "a tile of 6 px does not fit a patch of 4 px"),
        ((4, 4, 4), 0, "a tile of 0 px does not fit a patch of 4 px"),
    ],
)
def test_patches_that_do_not_make_the_image_are_refused(shape, stride, complaint):
    with pytest.raises(ValueError, match=complaint):
        stitch(np.zeros(shape), stride, 2, 2)
