"""The probes have their published shapes, and their symmetry is measured."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.config import Dataset
from models.data.probe import (
    AMBIGUOUS_SYMMETRY,
    binary_disk,
    defocused_disk,
    ideal_disk,
    make_probe,
    normalised,
    twin_symmetry,
)
from models.physics.diffraction import normalise_probe


def test_the_binary_disk_has_376_pixels_and_a_radius_of_about_11():
    disk = binary_disk(64)
    assert disk.sum() == 376
    assert np.sqrt(disk.sum() / np.pi) == pytest.approx(10.9, abs=0.05)


@pytest.mark.parametrize("side", [32, 64, 128])
def test_the_ideal_disk_is_real_positive_and_looks_the_same_from_all_four_sides(side):
    disk = ideal_disk(side)
    assert disk.dtype == np.float64
    assert disk.min() >= 1e-9
    np.testing.assert_allclose(disk, disk[::-1, ::-1], rtol=1e-12)
    np.testing.assert_allclose(disk, disk.T, rtol=1e-12)


def test_smoothing_keeps_the_light_of_the_binary_disk():
    assert ideal_disk(64).sum() == pytest.approx(376 + 64 * 64 * 1e-9, rel=1e-9)


def test_the_defocused_disk_is_the_ideal_one_with_a_quadratic_phase():
    probe = defocused_disk(64, 0.1)
    np.testing.assert_allclose(np.abs(probe), ideal_disk(64), rtol=1e-12)
    for row, column in [(31, 31), (20, 33), (40, 25)]:
        radius_squared = (row - 31.5) ** 2 + (column - 31.5) ** 2
        expected = np.exp(1j * 0.1 * radius_squared)
        assert probe[row, column] / abs(probe[row, column]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["ideal_disk", "defocused_disk"])
def test_a_dataset_gets_the_probe_that_it_names(name):
    probe = make_probe(Dataset(probe=name))
    assert probe.dtype == np.complex64
    assert probe.shape == (64, 64)
    expected = ideal_disk(64) if name == "ideal_disk" else defocused_disk(64, 0.1)
    np.testing.assert_array_equal(probe, expected.astype(np.complex64))


def test_the_defocus_of_the_dataset_is_used():
    probe = make_probe(Dataset(probe_defocus=0.05))
    np.testing.assert_array_equal(probe, defocused_disk(64, 0.05).astype(np.complex64))


def test_simulation_and_training_have_the_same_normalised_probe():
    probe = make_probe(Dataset())
    np.testing.assert_array_equal(normalised(probe), normalise_probe(torch.from_numpy(probe)))


def test_only_the_ideal_disk_has_the_symmetry_of_the_twin():
    assert twin_symmetry(make_probe(Dataset(probe="ideal_disk"))) == pytest.approx(1, abs=1e-6)
    assert twin_symmetry(make_probe(Dataset())) < 0.1


def test_a_constant_phase_does_not_break_the_symmetry():
    assert twin_symmetry(ideal_disk(32) * np.exp(0.7j)) == pytest.approx(1)


def test_a_symmetric_probe_counts_as_ambiguous_until_its_defocus_is_visible():
    assert twin_symmetry(defocused_disk(64, 1e-6)) > AMBIGUOUS_SYMMETRY
    assert twin_symmetry(defocused_disk(64, 1e-3)) < AMBIGUOUS_SYMMETRY


def test_the_mirror_is_that_of_both_axes():
    probe = np.random.default_rng(0).normal(size=(16, 16)) + 3j
    symmetric = probe + probe[::-1, ::-1].conj()
    assert twin_symmetry(symmetric) == pytest.approx(1)
    assert twin_symmetry(symmetric[:, :8]) < 0.9


def test_an_odd_probe_is_symmetric_and_a_displaced_one_is_not():
    axis = np.arange(16) - 7.5
    odd = np.broadcast_to(axis[:, None], (16, 16)).astype(np.complex128)
    assert twin_symmetry(odd) == pytest.approx(1)
    assert twin_symmetry(np.roll(ideal_disk(32), 6, axis=0).astype(np.complex128)) < 0.8
