"""The NPZ file of one split: what is in it, how it is written, and how it is read with care.

Shapes: n samples of C = gridsize² patches, 1 or 4, of N×N pixels each. Reading never
executes what the file holds.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.physics.overlap import Offsets


class DatasetError(ValueError):
    """A dataset file that cannot be used; the message names the file, the key and the remedy."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """The arrays of one split. Objects are normalised unless it is said otherwise."""

    diffraction: NDArray[np.float32]
    """Measured amplitude X = √I_obs / S, (n, N, N, C)."""
    y_i: NDArray[np.float32]
    """|O·P_norm|, (n, N, N, C)."""
    y_phi: NDArray[np.float32]
    """Phase of O in rad, (n, N, N, C)."""
    coords_nominal: NDArray[np.float32]
    """Row and column of the patches' centres in px, (n, 1, 2, C)."""
    coords_true: NDArray[np.float32]
    """The same: the simulated scan has no position error."""
    yy_full: NDArray[np.complex64]
    """Whole objects, not normalised, (objects, size, size, 1)."""
    probe_guess: NDArray[np.complex64]
    """The probe, un-normalised, (N, N)."""
    yy_ground_truth: NDArray[np.complex64] | None = None
    """The part of the first test object that stitching covers, (height, width, 1); test only."""
    norm_y_i: float | None = None
    """What the test objects were divided by; test only."""

    @property
    def offsets(self) -> Offsets:
        """Where the patches of a sample lie relative to each other, the same in every sample."""
        corners_nAC = self.coords_true[:, 0] - self.coords_true[:, 0].min(axis=2, keepdims=True)
        return tuple((round(float(row)), round(float(col))) for row, col in corners_nAC[0].T)


STORED_NAMES: Final = {
    "diffraction": "diffraction",
    "y_i": "Y_I",
    "y_phi": "Y_phi",
    "coords_nominal": "coords_nominal",
    "coords_true": "coords_true",
    "yy_full": "YY_full",
    "probe_guess": "probeGuess",
    "yy_ground_truth": "YY_ground_truth",
    "norm_y_i": "norm_Y_I",
}
"""Field of ``Split`` → key of the file."""

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member: the earliest that the format has."""
CHANNELS: Final = (1, 4)
"""Patches in a sample: ``gridsize``²."""
TEST_ONLY: Final = ("yy_ground_truth", "norm_y_i")
COMPLEX: Final = ("yy_full", "probe_guess", "yy_ground_truth")


def save_split(split: Split, path: Path) -> None:
    """Write ``split`` as an uncompressed NPZ; equal arrays give equal bytes."""
    present = {name: getattr(split, name) for name in STORED_NAMES}
    write_npz(path, {STORED_NAMES[n]: a for n, a in present.items() if a is not None})


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write an uncompressed NPZ whose bytes follow from the arrays alone.

    ``numpy.savez`` leaves headers to the ``zipfile`` of the running Python, whose releases differ.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", EPOCH), content.getbuffer())


def load_split(path: Path) -> Split:
    """Read one split. Keys that are not ours are ignored.

    Raises ``DatasetError`` for a file that is no NPZ, a missing key, a wrong type or shape, and for
    values that are not finite; ``FileNotFoundError`` when there is no file.
    """
    arrays = _read(path)
    for name, array in arrays.items():
        _check_values(array, name, path)
    _check_shapes(arrays, path)
    _check_groups(arrays["coords_true"], path)
    norm = arrays.pop("norm_y_i", None)
    return Split(**arrays, norm_y_i=None if norm is None else float(norm))


def _read(path: Path) -> dict[str, NDArray[Any]]:
    keys = STORED_NAMES.values()
    try:
        with zipfile.ZipFile(path) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
        with np.load(path, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in keys if key in names}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read as a dataset: {error}") from error
    present = {name: arrays[key] for name, key in STORED_NAMES.items() if key in arrays}
    missing = [key for n, key in STORED_NAMES.items() if n not in (*present, *TEST_ONLY)]
    if missing:
        raise DatasetError(
            f"{path} lacks {', '.join(missing)}; it has {', '.join(sorted(names)) or 'nothing'}"
        )
    return present


def _check_values(array: NDArray[Any], name: str, path: Path) -> None:
    key = STORED_NAMES[name]
    if name == "norm_y_i":
        if array.shape != () or array.dtype.kind != "f" or not 0 < array < np.inf:
            raise DatasetError(f"{path}: {key} must be one positive number")
        return
    wanted = np.complex64 if name in COMPLEX else np.float32
    if array.dtype != wanted:
        raise DatasetError(f"{path}: {key} is {array.dtype}, but must be {np.dtype(wanted)}")
    if not np.isfinite(array).all():
        raise DatasetError(f"{path}: {key} holds values that are not finite (NaN or infinite)")


def _check_shapes(arrays: dict[str, NDArray[Any]], path: Path) -> None:
    """Every shape follows from that of the diffraction patterns and of the objects."""
    patterns = arrays["diffraction"].shape
    channels = patterns[-1] if patterns else 0
    square = len(patterns) == 4 and patterns[1] == patterns[2] and 0 not in patterns
    if not square or channels not in CHANNELS:
        raise DatasetError(
            f"{path}: diffraction has shape {patterns}, but must be (n, N, N, C) with C = 1 or 4"
        )
    count, side = patterns[:2]
    wanted: dict[str, tuple[int | None, ...]] = {
        "y_i": patterns,
        "y_phi": patterns,
        "coords_nominal": (count, 1, 2, channels),
        "coords_true": (count, 1, 2, channels),
        "yy_full": (None, None, None, 1),
        "probe_guess": (side, side),
        "yy_ground_truth": (None, None, 1),
    }
    for name in wanted.keys() & arrays.keys():
        shape = arrays[name].shape
        if len(shape) != len(wanted[name]) or any(
            want not in (None, got) for want, got in zip(wanted[name], shape, strict=True)
        ):
            text = ", ".join("any" if w is None else str(w) for w in wanted[name])
            raise DatasetError(
                f"{path}: {STORED_NAMES[name]} has shape {shape}, but must be ({text})"
            )


def _check_groups(coords_nAC: NDArray[np.float32], path: Path) -> None:
    """Patches of a sample are cut out of one image: by whole pixels, and in every sample alike."""
    relative = coords_nAC - coords_nAC[..., :1]
    if (relative != relative[:1]).any() or (relative != relative.round()).any():
        raise DatasetError(
            f"{path}: coords_true has patches of a sample at distances that are not whole pixels, "
            "or not the same in every sample"
        )
