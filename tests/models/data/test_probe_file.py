"""A measured probe is read with care, resized and smoothed as the physics says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from models.config import Dataset
from models.data.grid_lines import simulate
from models.data.npz import DatasetError, load_split
from models.data.probe import defocused_disk, ideal_disk, make_probe, twin_symmetry
from models.data.probe_file import digest_of, measured_probe, read_probe, resized, smoothed


@pytest.fixture
def write(tmp_path):
    """A file ``probe.npz`` with these arrays."""

    def write(**arrays):
        np.savez(tmp_path / "probe.npz", **arrays)
        return tmp_path / "probe.npz"

    return write


def gaussian_beam(side: int, width: float = 0.15, curvature: float = 30.0) -> np.ndarray:
    """A smooth beam with a curved phase that passes ±π, the same field of view at any ``side``."""
    axis = (np.arange(side) - (side - 1) / 2) / side
    square = axis[:, None] ** 2 + (axis[None, :] - 0.04) ** 2
    return np.exp(-square / (2 * width**2) + 1j * curvature * square)


# --- reading -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [np.complex64, np.complex128, np.float32, np.float64, np.int16])
def test_an_array_of_any_numbers_is_read_as_it_is(write, kind):
    array = (10 * gaussian_beam(16)).astype(kind) if kind(0).dtype.kind == "c" else (
        10 * np.abs(gaussian_beam(16))
    ).astype(kind)  # fmt: skip
    found = read_probe(write(probeGuess=array, objectGuess=np.zeros(3)))
    assert found.dtype == np.complex128
    np.testing.assert_array_equal(found, array)


def spoilt(value):
    probe = gaussian_beam(16)
    probe[3, 4] = value
    return probe


BAD = {
    "NaN": (spoilt(np.nan), "holds values that are not finite (NaN or infinite)"),
    "infinity": (spoilt(1j * np.inf), "holds values that are not finite (NaN or infinite)"),
    "not square": (np.ones((16, 12)), "has shape (16, 12), but must be one square image (M, M)"),
    "several": (np.ones((2, 16, 16)), "has shape (2, 16, 16), but must be one square image (M, M)"),
    "a number": (np.float64(1), "has shape (), but must be one square image (M, M)"),
    "tiny": (np.ones((3, 3)), "has 3 px a side; give at least 4"),
    "empty": (np.ones((0, 0)), "has 0 px a side; give at least 4"),
    "text": (np.full((16, 16), "a"), "is <U1, but must be numbers"),
    "flags": (np.ones((16, 16), bool), "is bool, but must be numbers"),
    "dark": (np.zeros((16, 16)), "is 0 everywhere; a probe needs light"),
    "objects": (
        np.full((4, 4), None),
        "cannot be read: Object arrays cannot be loaded when allow_pickle=False",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_probe_is_named(write, name):
    array, told = BAD[name]
    with pytest.raises(DatasetError) as error:
        read_probe(write(probeGuess=array))
    parts = str(error.value).split("probeGuess ")
    assert parts == ["probe.npz: ", told]


def test_a_file_without_the_key_names_its_keys(write):
    with pytest.raises(DatasetError) as error:
        read_probe(write(probe=np.ones((16, 16)), objectGuess=np.ones(3)))
    assert str(error.value) == "probe.npz has no probeGuess; its keys are objectGuess, probe"


def test_a_pickled_array_is_not_executed(write, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    trap = np.empty((4, 4), object)
    trap[:] = Trap()
    with pytest.raises(DatasetError, match="allow_pickle=False"):
        read_probe(write(probeGuess=trap))
    assert not (tmp_path / "trapped").exists()


def test_a_lone_array_is_refused(tmp_path):
    with (tmp_path / "probe.npz").open("wb") as file:
        np.save(file, np.ones((16, 16)))
    with pytest.raises(DatasetError) as error:
        read_probe(tmp_path / "probe.npz")
    assert str(error.value) == "probe.npz is no NPZ file; write it with numpy.savez"


# --- resizing ------------------------------------------------------------------------------------


def test_a_probe_of_the_right_side_is_not_resampled():
    probe = gaussian_beam(32)
    assert resized(probe, 32) is probe


@pytest.mark.parametrize(("given", "wanted"), [(32, 64), (48, 64), (96, 64), (128, 64), (65, 32)])
def test_a_smooth_beam_is_the_same_beam_on_another_grid(given, wanted):
    np.testing.assert_allclose(
        resized(gaussian_beam(given), wanted), gaussian_beam(wanted), atol=3e-3
    )


def test_resizing_keeps_the_symmetry_about_the_centre():
    disk = ideal_disk(64).astype(np.complex128)
    small = resized(disk, 32)
    np.testing.assert_allclose(small, small[::-1, ::-1], atol=1e-12)
    assert twin_symmetry(small) == pytest.approx(1)


# --- smoothing -----------------------------------------------------------------------------------


def test_amplitude_and_phase_are_smoothed_each_by_itself():
    beam = gaussian_beam(64)
    square = np.log(np.abs(beam)) * -2 * 0.15**2
    expected = gaussian_filter(np.abs(beam), 0.5) * np.exp(1j * gaussian_filter(30 * square, 0.5))
    assert np.ptp(np.angle(beam)) > 6, "the phase does not wrap, and the test says nothing"
    np.testing.assert_allclose(smoothed(beam), expected, atol=1e-12)


def test_a_wrapped_phase_leaves_no_seam():
    """Smoothing a phase that jumps by 2π would turn it about in the pixels beside the jump."""
    beam = gaussian_beam(64)
    difference = np.abs(np.angle(smoothed(beam) / beam))[2:-2, 2:-2]
    assert difference.max() < 0.05
    naive = np.exp(1j * gaussian_filter(np.angle(beam), 0.5))
    assert np.abs(np.angle(naive / beam))[2:-2, 2:-2].max() > 1


def test_a_real_probe_stays_real_and_a_centrosymmetric_one_symmetric():
    probe = smoothed(ideal_disk(64).astype(np.complex128))
    np.testing.assert_array_equal(probe.imag, 0)
    np.testing.assert_allclose(probe.real, gaussian_filter(ideal_disk(64), 0.5), rtol=1e-12)
    assert twin_symmetry(probe) == pytest.approx(1)


# --- in a dataset --------------------------------------------------------------------------------

SMALL = {"object_size": 24, "patch_size": 16, "test_stride": 4, "probe": "file"}


def dataset_of(path, **changed):
    return Dataset(**(SMALL | changed), probe_sha256=digest_of(path))


def test_the_dataset_stores_the_probe_as_processed(write, tmp_path):
    path = write(probeGuess=gaussian_beam(24).astype(np.complex64))
    simulate(dataset_of(path), 1, tmp_path / "out", probe_file=path)
    for name in ("train", "test"):
        stored = load_split(tmp_path / "out" / f"{name}.npz").probe_guess
        assert stored.dtype == np.complex64
        np.testing.assert_array_equal(stored, measured_probe(path, 16).astype(np.complex64))
    facts = json.loads((tmp_path / "out" / "metadata.json").read_text())
    assert facts["probe_sha256"] == facts["dataset"]["probe_sha256"] == digest_of(path)


def test_the_same_file_gives_the_same_bytes(write, tmp_path):
    path = write(probeGuess=defocused_disk(20, 0.3) + 1e-3 * gaussian_beam(20))
    for name in ("a", "b"):
        simulate(dataset_of(path), 1, tmp_path / name, probe_file=path)
    for name in ("train.npz", "test.npz", "metadata.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(("probe", "warned"), [("disk", True), ("beam", False)])
def test_a_measured_probe_with_the_symmetry_of_the_twin_is_warned_about(
    write, tmp_path, probe, warned
):
    path = write(probeGuess=ideal_disk(16) if probe == "disk" else gaussian_beam(16))
    simulate(dataset_of(path), 1, tmp_path / "out", probe_file=path)
    assert json.loads((tmp_path / "out" / "metadata.json").read_text())["twin_ambiguity"] is warned


def test_nothing_is_simulated_of_a_bad_probe(write, tmp_path):
    path = write(probeGuess=spoilt(np.nan))
    with pytest.raises(DatasetError):
        simulate(dataset_of(path), 1, tmp_path / "out", probe_file=path)
    assert not (tmp_path / "out").exists()


def test_a_measured_probe_is_not_made_up():
    with pytest.raises(ValueError, match="a measured probe needs its file"):
        make_probe(Dataset(probe="file", probe_sha256="0" * 64))
