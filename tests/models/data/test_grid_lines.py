"""The simulated dataset: what is stored, that its light obeys physics, that it repeats."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.config import Dataset
from models.data import grid_lines
from models.data.grid_lines import expected_photons, expose, intensity_scale, simulate
from models.data.npz import Split, load_split
from models.data.objects import make_objects
from models.data.probe import make_probe, normalised
from models.data.scan import make_scan, raster
from models.physics.diffraction import predict_amplitude

FILES = ("metadata.json", "test.npz", "train.npz")


def digests(folder: Path) -> dict[str, str]:
    assert sorted(path.name for path in folder.iterdir()) == list(FILES)
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def metadata(folder: Path) -> dict:
    return json.loads((folder / "metadata.json").read_text())


# --- the light -----------------------------------------------------------------------------------


def test_the_study_has_its_published_intensity_scale():
    dataset = Dataset(probe="ideal_disk")
    scale = intensity_scale(dataset, make_scan(dataset, "train"), normalised(make_probe(dataset)))
    assert scale == pytest.approx(928.2, abs=0.05)


def test_the_scale_makes_the_mean_expected_count_of_a_training_pattern_the_asked_one(small):
    scan = make_scan(small.dataset, "train")
    probe = normalised(make_probe(small.dataset))
    scale = intensity_scale(small.dataset, scan, probe)
    photons = expected_photons(scan.patches(0, 10**6), probe, scale).sum(axis=(1, 2))
    assert photons.mean() == pytest.approx(small.dataset.photons, rel=1e-9)


def test_a_pattern_holds_the_energy_of_its_exit_wave(small):
    patches = make_scan(small.dataset, "test").patches(0, 20)
    probe = normalised(make_probe(small.dataset))
    photons = expected_photons(patches, probe, 31.0).sum(axis=(1, 2))
    energy = (np.abs(31.0 * patches * probe) ** 2).sum(axis=(1, 2))
    np.testing.assert_allclose(photons, energy, rtol=1e-12)


def test_simulation_and_forward_model_agree_without_noise(small):
    patches = make_scan(small.dataset, "test").patches(0, 20)
    probe = normalised(make_probe(small.dataset))
    amplitude = np.sqrt(expected_photons(patches, probe, 928.0)) / 928.0
    predicted = predict_amplitude(torch.from_numpy(patches)[:, None], torch.from_numpy(probe), 1.0)
    np.testing.assert_allclose(predicted[:, 0].numpy(), amplitude, rtol=1e-6, atol=1e-9)


def counted(small, photons: float) -> tuple[np.ndarray, np.ndarray]:
    """Counts and expectations of the small test scan at another brightness."""
    scan = make_scan(small.dataset, "test")
    probe = make_probe(small.dataset)
    train = make_scan(small.dataset, "train")
    bright = small.dataset.model_copy(update={"photons": photons})
    scale = intensity_scale(bright, train, normalised(probe))
    exposures = expose(scan, probe, scale, np.random.default_rng(4))
    counts = np.square(exposures.measured.astype(np.float64)) * scale**2
    return counts, expected_photons(scan.patches(0, 10**6), normalised(probe), scale)


def test_counts_have_the_mean_and_the_variance_of_poisson_statistics(small):
    counts, rate = counted(small, 1e8)
    bright = rate > 100
    assert bright.sum() > 10_000
    residual = (counts[bright] - rate[bright]) / np.sqrt(rate[bright])
    five_sigma = 5 / np.sqrt(bright.sum())
    assert abs(residual.mean()) < five_sigma
    assert abs(residual.var() - 1) < np.sqrt(2) * five_sigma


def test_few_photons_are_whole_numbers_and_dark_pixels_as_frequent_as_poisson_says(small):
    counts, rate = counted(small, 200.0)
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    dark = np.rint(counts) == 0
    chance = np.exp(-rate)
    assert 0.05 < chance.mean() < 0.95
    five_sigma = 5 * np.sqrt((chance * (1 - chance)).sum()) / chance.size
    assert abs(dark.mean() - chance.mean()) < five_sigma


def test_the_noise_of_the_splits_is_not_the_same(tmp_path):
    one_patch = Dataset(
        object_size=16, patch_size=16, test_stride=8, probe_defocus=0.3, test_object_seed=1
    )
    simulate(one_patch, 5, tmp_path)
    train, test = load_split(tmp_path / "train.npz"), load_split(tmp_path / "test.npz")
    np.testing.assert_array_equal(train.y_i, test.y_i)
    assert not np.array_equal(train.diffraction, test.diffraction)


# --- what is stored ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["train", "test"])
def test_every_stored_patch_is_its_window_of_the_stored_object(small, name):
    split = getattr(small, name)
    norm = metadata(small.folder)["norm_Y_I"][name]
    scale = metadata(small.folder)["intensity_scale"]
    probe = normalised(split.probe_guess)
    for number, (row, column) in enumerate(split.coords_nominal[:, 0, :, 0]):
        top, left = int(row - 7.5), int(column - 7.5)
        object_HW = split.yy_full[origin(split, number), ..., 0]
        window = object_HW[top : top + 16, left : left + 16] / norm
        np.testing.assert_allclose(split.y_i[number, ..., 0], np.abs(window * probe), rtol=1e-5)
        np.testing.assert_allclose(split.y_phi[number, ..., 0], np.angle(window), atol=1e-5)
        expected = np.sqrt(expected_photons(window, probe, scale)) / scale
        # A count's square root has a standard deviation of at most about 1/2.
        assert np.abs(split.diffraction[number, ..., 0] - expected).max() < 6 * 0.5 / scale
    assert len(split.diffraction) == metadata(small.folder)["num_patches"][name]
    np.testing.assert_array_equal(split.coords_true, split.coords_nominal)


def test_arrays_have_their_stored_shapes_and_types(small):
    count = 2 * ((75 - 16) // 7 + 1) ** 2
    with np.load(small.folder / "train.npz", allow_pickle=False) as stored:
        found = {key: (stored[key].shape, stored[key].dtype.name) for key in stored.files}
    assert found == {
        "diffraction": ((count, 16, 16, 1), "float32"),
        "Y_I": ((count, 16, 16, 1), "float32"),
        "Y_phi": ((count, 16, 16, 1), "float32"),
        "coords_nominal": ((count, 1, 2, 1), "float32"),
        "coords_true": ((count, 1, 2, 1), "float32"),
        "YY_full": ((2, 75, 75, 1), "complex64"),
        "probeGuess": ((16, 16), "complex64"),
    }
    with np.load(small.folder / "test.npz", allow_pickle=False) as stored:
        assert stored["YY_ground_truth"].shape == (60, 60, 1)
        assert stored["norm_Y_I"].shape == ()
        assert set(stored.files) == {*found, "YY_ground_truth", "norm_Y_I"}


def test_whole_objects_are_stored_as_drawn(small):
    objects = make_objects(2, 2, 75, set_phi=True).astype(np.complex64)
    np.testing.assert_array_equal(small.test.yy_full[..., 0], objects)
    np.testing.assert_array_equal(small.test.yy_ground_truth[..., 0], objects[0, 5:65, 5:65])


def test_the_probe_is_stored_before_normalisation(small):
    np.testing.assert_array_equal(small.train.probe_guess, make_probe(small.dataset))


def test_the_test_patches_are_in_scan_order(small):
    expected = raster(2, 75, 16, 6)[:, 1:] + 7.5
    np.testing.assert_array_equal(small.test.coords_nominal[:, 0, :, 0], expected)


def test_the_training_patches_are_a_permutation_of_the_scan_across_all_objects(small):
    found = [(origin(small.train, k), *small.train.coords_nominal[k, 0, :, 0]) for k in range(162)]
    expected = [(k, row + 7.5, column + 7.5) for k, row, column in raster(2, 75, 16, 7)]
    assert found != expected
    assert sorted(found) == expected
    held_out = np.array(found[-20:])
    assert set(held_out[:, 0]) == {0, 1}
    assert np.ptp(held_out[:, 1:], axis=0).min() > 30


def origin(split: Split, number: int) -> int:
    """Which of the stored objects the patch was cut from: the one it is proportional to."""
    top, left = (split.coords_nominal[number, 0, :, 0] - 7.5).astype(int)
    windows = np.abs(split.yy_full[:, top : top + 16, left : left + 16, 0])
    patch = split.y_i[number, ..., 0] / np.abs(normalised(split.probe_guess))
    spread = (windows / patch).std(axis=(1, 2)) / (windows / patch).mean(axis=(1, 2))
    assert spread.min() < 1e-5
    return int(spread.argmin())


def test_without_a_phase_the_stored_phase_is_zero(tmp_path):
    dataset = Dataset(
        object_size=24, patch_size=16, test_stride=4, set_phi=False, probe_defocus=0.3
    )
    simulate(dataset, 1, tmp_path)
    test = load_split(tmp_path / "test.npz")
    np.testing.assert_array_equal(test.y_phi, 0)
    np.testing.assert_array_equal(test.yy_full.imag, 0)


def test_the_metadata_tells_every_parameter_and_what_was_measured(small):
    facts = metadata(small.folder)
    assert Dataset(**facts["dataset"]) == small.dataset
    # A dataset without a seed of its own does not speak of one.
    assert set(facts["dataset"]) == set(Dataset.model_fields) - {"seed"}
    assert facts["seed"] == 20260128
    assert facts["norm_Y_I"]["test"] == small.test.norm_y_i
    assert facts["num_patches"] == {"train": 162, "test": 200}
    assert facts["mean_photons"]["train"] == pytest.approx(1e6, rel=1e-3)
    photons = (small.test.diffraction.astype(np.float64) ** 2).sum(axis=(1, 2, 3)).mean()
    expected = photons * facts["intensity_scale"] ** 2
    assert facts["mean_photons"]["test"] == pytest.approx(expected, rel=1e-9)
    amplitude = np.abs(small.train.yy_full[1])
    assert facts["object_amplitude"]["train"][1]["std"] == pytest.approx(amplitude.std(), rel=1e-5)


@pytest.mark.parametrize(("probe", "warned"), [("ideal_disk", True), ("defocused_disk", False)])
def test_a_probe_with_the_symmetry_of_the_twin_is_warned_about(tmp_path, probe, warned):
    defocus = None if warned else 0.3
    dataset = Dataset(
        object_size=20, patch_size=16, test_stride=4, probe=probe, probe_defocus=defocus
    )
    simulate(dataset, 1, tmp_path)
    assert metadata(tmp_path)["twin_ambiguity"] is warned


def test_progress_is_told_stage_by_stage(small, tmp_path):
    stages = []
    simulate(small.dataset, 1, tmp_path, stages.append)
    assert stages == ["objects", "diffraction", "write", "diffraction", "write"]


# --- repetition ----------------------------------------------------------------------------------

SIMULATE = """
import sys
from pathlib import Path
from models.config import Dataset
from models.data.grid_lines import simulate
simulate(Dataset.model_validate_json(sys.argv[1]), 20260128, Path(sys.argv[2]))
"""


def test_another_process_writes_the_same_bytes(small, tmp_path):
    environment = os.environ | {"PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "TZ": "Asia/Tokyo"}
    root = Path(grid_lines.__file__).parents[2]
    subprocess.run(
        [sys.executable, "-c", SIMULATE, small.dataset.model_dump_json(), str(tmp_path)],
        check=True,
        cwd=root,
        env=environment | {"PYTHONPATH": str(root)},
    )
    assert digests(tmp_path) == digests(small.folder)


def test_the_size_of_a_batch_changes_no_byte(small, tmp_path, monkeypatch):
    monkeypatch.setattr(grid_lines, "BATCH", 7)
    simulate(small.dataset, 20260128, tmp_path)
    assert digests(tmp_path) == digests(small.folder)


def test_another_seed_changes_noise_and_order_but_neither_objects_nor_scale(small, tmp_path):
    simulate(small.dataset, 20260129, tmp_path)
    train, test = load_split(tmp_path / "train.npz"), load_split(tmp_path / "test.npz")
    assert not np.array_equal(test.diffraction, small.test.diffraction)
    assert not np.array_equal(train.coords_nominal, small.train.coords_nominal)
    np.testing.assert_array_equal(test.y_i, small.test.y_i)
    np.testing.assert_array_equal(train.yy_full, small.train.yy_full)
    assert metadata(tmp_path)["intensity_scale"] == metadata(small.folder)["intensity_scale"]


@pytest.mark.parametrize(
    "change",
    [
        {"object_size": 76},
        {"patch_size": 18},
        {"train_stride": 8},
        {"test_stride": 8},
        {"num_train_objects": 1},
        {"num_test_objects": 1},
        {"train_object_seed": 8},
        {"test_object_seed": 8},
        {"photons": 2e6},
        {"set_phi": False},
        {"probe_defocus": 0.31},
        {"probe": "ideal_disk", "probe_defocus": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_parameter_changes_the_data(small, tmp_path, change):
    simulate(Dataset(**(small.dataset.model_dump() | change)), 20260128, tmp_path)
    here, there = digests(tmp_path), digests(small.folder)
    assert here["metadata.json"] != there["metadata.json"]
    assert (here["train.npz"], here["test.npz"]) != (there["train.npz"], there["test.npz"])
