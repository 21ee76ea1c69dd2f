"""A measured probe: read from an NPZ file with care, then brought to the side of the patches.

Shapes: M pixels a side in the file, N pixels a side of a patch.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from skimage.restoration import unwrap_phase

from models.data.npz import DatasetError

KEY: Final = "probeGuess"
SMOOTHING: Final = 0.5
"""Standard deviation of the Gaussian filter on amplitude and phase, px of the patch."""
SMALLEST: Final = 4
"""Side of the smallest probe, px: what cubic splines need."""


def measured_probe(path: Path, side: int) -> NDArray[np.complex128]:
    """The probe in a file as the patches of ``side`` px have it; not normalised.

    Raises ``DatasetError`` as ``read_probe`` does.
    """
    return smoothed(resized(read_probe(path), side))


def read_probe(path: Path) -> NDArray[np.complex128]:
    """The array ``probeGuess`` of an NPZ file, (M, M). Nothing in the file is executed.

    Raises ``DatasetError`` when the file is no NPZ, lacks the key, or holds under it anything but
    one square image of finite numbers with light in it.
    """
    array = _stored(path)
    if array.dtype.kind not in "iufc":
        raise DatasetError(f"{path.name}: {KEY} is {array.dtype}, but must be numbers")
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise DatasetError(
            f"{path.name}: {KEY} has shape {array.shape}, but must be one square image (M, M)"
        )
    if len(array) < SMALLEST:
        raise DatasetError(f"{path.name}: {KEY} has {len(array)} px a side; give at least 4")
    wide = array.astype(np.complex128)
    if not np.isfinite(wide).all():
        raise DatasetError(f"{path.name}: {KEY} holds values that are not finite (NaN or infinite)")
    if not wide.any():
        raise DatasetError(f"{path.name}: {KEY} is 0 everywhere; a probe needs light")
    return wide


def digest_of(path: Path) -> str:
    """SHA-256 of the bytes of the file, by which a dataset knows its probe."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stored(path: Path) -> NDArray[Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            keys = sorted(name.removesuffix(".npy") for name in archive.namelist())
        if KEY in keys:
            with np.load(path, allow_pickle=False) as stored:
                array: NDArray[Any] = stored[KEY]
                return array
    except zipfile.BadZipFile:
        raise DatasetError(f"{path.name} is no NPZ file; write it with numpy.savez") from None
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path.name}: {KEY} cannot be read: {error}") from error
    raise DatasetError(f"{path.name} has no {KEY}; its keys are {', '.join(keys) or 'none'}")


def resized(probe_MM: NDArray[np.complex128], side: int) -> NDArray[np.complex128]:
    """The same field of view on ``side`` px, by cubic splines on real and imaginary part.

    Pixels are areas and the border is mirrored, so the centre of the image stays its centre.
    """
    if len(probe_MM) == side:
        return probe_MM
    # Of a complex array as a whole, zoom takes the pixels for points, whatever its arguments.
    real, imaginary = (
        zoom(part, side / len(probe_MM), order=3, mode="reflect", grid_mode=True)
        for part in (probe_MM.real, probe_MM.imag)
    )
    return np.asarray(real + 1j * imaginary, np.complex128)


def smoothed(probe_NN: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Gaussian filter of σ = 0.5 px on |P| and on the unwrapped phase, each by itself."""
    phase = unwrap_phase(np.angle(probe_NN), rng=0)  # type: ignore[no-untyped-call]
    amplitude = gaussian_filter(np.abs(probe_NN), SMOOTHING)
    return np.asarray(amplitude * np.exp(1j * gaussian_filter(phase, SMOOTHING)), np.complex128)
