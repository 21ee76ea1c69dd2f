"""Samples of 2×2 neighbours: the same exposures as alone, four of them in each sample."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models.config import Dataset
from models.data.grid_lines import simulate
from models.data.npz import DatasetError, load_split, save_split
from models.data.scan import make_scan

SEED = 20260128
"""That of the small dataset, of which this one has the objects, the scan and the light."""


@pytest.fixture(scope="module")
def grouped(small, tmp_path_factory):
    """The small dataset in samples of four."""
    folder = tmp_path_factory.mktemp("grouped")
    dataset = small.dataset.model_copy(update={"gridsize": 2})
    simulate(dataset, SEED, folder)
    train, test = (load_split(folder / f"{name}.npz") for name in ("train", "test"))
    return replace(small, folder=folder, dataset=dataset, train=train, test=test)


def facts(case):
    return json.loads((case.folder / "metadata.json").read_text())


def channels(split):
    """Every patch of every sample: centre, and pattern, amplitude and phase."""
    for sample in range(len(split.diffraction)):
        for channel in range(split.diffraction.shape[3]):
            centre = tuple(split.coords_true[sample, 0, :, channel].tolist())
            arrays = (split.diffraction, split.y_i, split.y_phi)
            yield centre, tuple(array[sample, ..., channel] for array in arrays)


def test_a_split_has_all_groups_of_neighbours(grouped):
    # 9 and 10 positions a side, two objects each.
    assert grouped.train.diffraction.shape == (2 * 8**2, 16, 16, 4)
    assert grouped.test.diffraction.shape == (2 * 9**2, 16, 16, 4)
    assert grouped.test.y_i.shape == grouped.test.y_phi.shape == (162, 16, 16, 4)
    assert grouped.test.coords_nominal.shape == (162, 1, 2, 4)
    assert facts(grouped)["num_samples"] == {"train": 128, "test": 162}
    assert facts(grouped)["num_patches"] == {"train": 162, "test": 200}


@pytest.mark.parametrize(("name", "stride"), [("train", 7), ("test", 6)])
def test_channels_are_the_neighbours_row_by_row(grouped, name, stride):
    split = getattr(grouped, name)
    relative = split.coords_true[:, 0] - split.coords_true[:, 0, :, :1]
    expected = [[0, 0, stride, stride], [0, stride, 0, stride]]
    np.testing.assert_array_equal(relative, np.broadcast_to(expected, relative.shape))
    assert split.offsets == ((0, 0), (0, stride), (stride, 0), (stride, stride))


def test_alone_the_offset_is_none(small):
    assert small.train.offsets == small.test.offsets == ((0, 0),)


def test_normalisation_and_light_are_those_of_the_scan_and_not_of_the_groups(small, grouped):
    alone, together = facts(small), facts(grouped)
    for name in ("norm_Y_I", "intensity_scale", "object_amplitude", "num_patches"):
        assert alone[name] == together[name]
    assert together["mean_photons"]["test"] == alone["mean_photons"]["test"]
    assert together["mean_photons"]["train"] == pytest.approx(1e6, rel=1e-3)
    assert grouped.test.norm_y_i == small.test.norm_y_i
    np.testing.assert_array_equal(grouped.test.yy_ground_truth, small.test.yy_ground_truth)


def test_the_test_exposures_are_bit_by_bit_those_without_groups(small, grouped):
    first = dict(list(channels(small.test))[:100])
    for centre, arrays in list(channels(grouped.test))[: 81 * 4]:
        for mine, alone in zip(arrays, first[centre], strict=True):
            np.testing.assert_array_equal(mine, alone)


def test_a_position_is_exposed_once_however_many_samples_show_it(grouped):
    """The noise of a pattern is the same in all of them: a detector reads a position once."""
    patterns: dict[tuple, set[bytes]] = {}
    for centre, (pattern, _, _) in channels(grouped.train):
        patterns.setdefault(centre, set()).add(pattern.tobytes())
    assert len(patterns) == 81
    assert {len(found) for found in patterns.values()} == {2}, "one for each of two objects"


def test_training_samples_are_shuffled_across_objects_and_test_samples_are_not(grouped):
    scan = make_scan(grouped.dataset, "train")
    assert not np.array_equal(grouped.train.coords_true, scan.centres())
    found, planned = (
        sorted(map(tuple, centres[:, 0, :, 0].tolist()))
        for centres in (grouped.train.coords_true, scan.centres())
    )
    assert found == planned
    scan = make_scan(grouped.dataset, "test")
    np.testing.assert_array_equal(grouped.test.coords_true, scan.centres())
    assert np.diff(scan.groups[:, 0]).min() > 0


def test_reordering_keeps_every_sample_with_its_patches(grouped):
    scan = make_scan(grouped.dataset, "train")
    order = np.random.default_rng(2).permutation(len(scan.groups))
    turned = scan.in_order(order)
    np.testing.assert_array_equal(turned.centres(), scan.centres()[order])
    np.testing.assert_array_equal(
        turned.positions[turned.groups], scan.positions[scan.groups][order]
    )
    _, first = np.unique(turned.groups, return_index=True)
    assert np.diff(first).min() > 0, "patches are numbered as the samples first show them"


def test_the_same_bytes_are_written_again(grouped, tmp_path):
    simulate(grouped.dataset, SEED, tmp_path)
    for name in ("train.npz", "test.npz", "metadata.json"):
        assert (tmp_path / name).read_bytes() == (grouped.folder / name).read_bytes()


@pytest.mark.parametrize("change", [0.5, 1.0])
def test_samples_that_are_not_cut_from_one_image_are_refused(grouped, tmp_path, change):
    centres = grouped.train.coords_true.copy()
    centres[5, 0, 1, 2] += change
    save_split(replace(grouped.train, coords_true=centres), tmp_path / "odd.npz")
    with pytest.raises(DatasetError) as error:
        load_split(tmp_path / "odd.npz")
    assert str(error.value) == (
        f"{tmp_path / 'odd.npz'}: coords_true has patches of a sample at distances that are not "
        "whole pixels, or not the same in every sample"
    )


def test_a_scan_of_one_position_has_no_neighbours():
    told = (
        "test_stride 10 leaves one position a side in object_size 70, and gridsize 2 groups 2×2 "
        "of them; lower it"
    )
    with pytest.raises(ValueError, match=told):
        Dataset(object_size=70, patch_size=64, gridsize=2)
    assert Dataset(object_size=74, patch_size=64, gridsize=2).samples_per_object(10) == 1
