"""A dataset file is read with care: what is wrong with it is named, and nothing in it is run."""

from __future__ import annotations

import numpy as np
import pytest

from models.data.npz import DatasetError, load_split, save_split


@pytest.fixture
def arrays(small) -> dict[str, np.ndarray]:
    with np.load(small.folder / "test.npz") as stored:
        return dict(stored)


def test_a_split_survives_writing_and_reading(small, tmp_path):
    save_split(small.test, tmp_path / "copy.npz")
    copy = load_split(tmp_path / "copy.npz")
    for name in vars(small.test):
        np.testing.assert_array_equal(getattr(copy, name), getattr(small.test, name))
    assert (tmp_path / "copy.npz").read_bytes() == (small.folder / "test.npz").read_bytes()


def test_a_training_split_has_no_ground_truth(small):
    assert small.train.yy_ground_truth is None
    assert small.train.norm_y_i is None


def test_foreign_keys_are_ignored(arrays, tmp_path):
    np.savez(tmp_path / "more.npz", **arrays, note=np.array("hello"))
    assert load_split(tmp_path / "more.npz").diffraction.shape == arrays["diffraction"].shape


def test_a_missing_key_is_named(arrays, tmp_path):
    del arrays["probeGuess"]
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DatasetError, match=r"x\.npz lacks probeGuess; it has YY_full, YY_ground"):
        load_split(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("key", "change", "mistake"),
    [
        ("diffraction", lambda a: a[:, :, :-1], r"diffraction has shape \(200, 16, 15, 1\)"),
        ("diffraction", lambda a: a[:0], r"diffraction has shape \(0, 16, 16, 1\)"),
        ("diffraction", lambda a: a[..., 0], r"must be \(n, N, N, C\) with C = 1 or 4"),
        ("diffraction", lambda a: a.repeat(2, axis=3), r"shape \(200, 16, 16, 2\), but must be"),
        ("Y_I", lambda a: a[:-1], r"Y_I has shape \(199, 16, 16, 1\), but must be \(200, 16"),
        ("coords_true", lambda a: a[:, 0], r"coords_true has shape .* must be \(200, 1, 2, 1\)"),
        ("YY_full", lambda a: a[..., 0], r"YY_full has shape .* must be \(any, any, any, 1\)"),
        ("probeGuess", lambda a: a[:8, :8], r"probeGuess has shape \(8, 8\), .* \(16, 16\)"),
        ("Y_phi", lambda a: a.astype(np.float64), "Y_phi is float64, but must be float32"),
        ("probeGuess", lambda a: a.real, "probeGuess is float32, but must be complex64"),
        ("diffraction", lambda a: a * np.float32(np.nan), "diffraction holds values that are not"),
        ("YY_full", lambda a: a + np.complex64(np.inf), "YY_full holds values that are not finite"),
        ("norm_Y_I", lambda a: -a, "norm_Y_I must be one positive number"),
        ("norm_Y_I", lambda a: a * np.nan, "norm_Y_I must be one positive number"),
        ("norm_Y_I", lambda a: a[None], "norm_Y_I must be one positive number"),
    ],
)
def test_a_wrong_array_is_named_with_what_is_wrong(arrays, tmp_path, key, change, mistake):
    with np.errstate(invalid="ignore"):
        arrays[key] = change(arrays[key])
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(DatasetError, match=mistake):
        load_split(tmp_path / "x.npz")


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


def test_a_pickled_object_is_refused_and_not_run(arrays, tmp_path):
    arrays["probeGuess"] = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "x.npz", allow_pickle=True, **arrays)
    with pytest.raises(DatasetError, match=r"cannot be read as a dataset: Object arrays"):
        load_split(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY"])
def test_a_file_that_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x\.npz cannot be read as a dataset"):
        load_split(tmp_path / "x.npz")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(small, tmp_path, share):
    content = (small.folder / "test.npz").read_bytes()
    (tmp_path / "x.npz").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DatasetError, match="cannot be read"):
        load_split(tmp_path / "x.npz")


def test_a_flipped_bit_in_an_array_is_noticed(small, tmp_path):
    content = bytearray((small.folder / "test.npz").read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_split(tmp_path / "x.npz")


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_split(tmp_path / "nowhere.npz")
