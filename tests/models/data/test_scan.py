"""The scan visits every window at its stride, and normalises by the mean of their maxima."""

from __future__ import annotations

import numpy as np
import pytest

from models.config import Dataset
from models.data.objects import make_objects
from models.data.scan import make_scan, raster


@pytest.mark.parametrize(
    ("side", "split", "count"),
    [(64, "train", 6889), (64, "test", 1089), (128, "train", 4489), (128, "test", 729)],
)
def test_the_study_has_its_published_numbers_of_patches(side, split, count):
    assert len(make_scan(Dataset(patch_size=side), split).positions) == count


@pytest.mark.parametrize(("split", "norm"), [("train", 4.16308), ("test", 4.22960)])
def test_the_study_has_its_published_normalisation(split, norm):
    assert make_scan(Dataset(), split).norm == pytest.approx(norm, abs=5e-6)


@pytest.mark.parametrize(
    ("size", "side", "stride"), [(256, 32, 5), (75, 16, 7), (40, 40, 3), (41, 16, 25), (41, 16, 26)]
)
def test_the_raster_is_every_window_that_lies_inside(size, side, stride):
    expected = []
    for number in range(2):
        row = 0
        while row + side <= size:
            column = 0
            while column + side <= size:
                expected.append([number, row, column])
                column += stride
            row += stride
    np.testing.assert_array_equal(raster(2, size, side, stride), expected)
    assert len(expected) == 2 * ((size - side) // stride + 1) ** 2


def odd_dataset(**changes: object) -> Dataset:
    parameters = {
        "object_size": 75,
        "patch_size": 16,
        "train_stride": 7,
        "test_stride": 6,
        "num_train_objects": 2,
        "probe_defocus": 0.3,
    }
    return Dataset(**(parameters | changes))


def test_patches_are_windows_of_the_objects_over_the_mean_of_their_maxima():
    scan = make_scan(odd_dataset(), "train")
    objects = make_objects(1, 2, 75, set_phi=True)
    cuts = [objects[k, r : r + 16, c : c + 16] for k, r, c in scan.positions]
    norm = np.mean([np.abs(cut).max() for cut in cuts])
    assert scan.norm == pytest.approx(norm, rel=1e-12)
    np.testing.assert_allclose(scan.patches(0, len(cuts)), np.stack(cuts) / norm, rtol=1e-12)
    np.testing.assert_allclose(scan.patches(3, 8), np.stack(cuts[3:8]) / norm, rtol=1e-12)


def test_each_split_has_its_own_objects_stride_and_seed():
    dataset = odd_dataset(train_object_seed=11, test_object_seed=12, num_test_objects=3)
    train, test = make_scan(dataset, "train"), make_scan(dataset, "test")
    np.testing.assert_array_equal(train.objects, make_objects(11, 2, 75, set_phi=True))
    np.testing.assert_array_equal(test.objects, make_objects(12, 3, 75, set_phi=True))
    assert set(np.diff(np.unique(train.positions[:, 1]))) == {7}
    assert set(np.diff(np.unique(test.positions[:, 2]))) == {6}


def test_a_centre_is_the_middle_of_its_window_in_pixels():
    scan = make_scan(odd_dataset(), "train")
    centres = scan.centres()
    assert centres.shape == (len(scan.positions), 1, 2, 1)
    assert centres.dtype == np.float32
    _, row, column = scan.positions[12]
    assert centres[12, 0, :, 0].tolist() == [row + 7.5, column + 7.5]


def test_reordering_moves_patches_and_centres_together():
    scan = make_scan(odd_dataset(), "train")
    order = np.arange(len(scan.positions))[::-1]
    turned = scan.in_order(order)
    np.testing.assert_array_equal(turned.patches(0, 1)[0], scan.patches(len(order) - 1, 9999)[0])
    np.testing.assert_array_equal(turned.centres(), scan.centres()[::-1])
    assert turned.norm == scan.norm
