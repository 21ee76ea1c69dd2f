"""Illuminations: the ideal disk, the defocused disk, a measured probe, and what tells them apart.

A probe P is a complex N×N image; the simulation and the forward model use it normalised.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal.windows import gaussian

from models.config import Dataset
from models.data.probe_file import measured_probe
from models.physics.diffraction import normalise_probe

AMBIGUOUS_SYMMETRY: Final = 0.9999
"""``twin_symmetry`` from which on a dataset warns that an object and its twin look alike."""


def make_probe(dataset: Dataset, probe_file: Path | None = None) -> NDArray[np.complex64]:
    """The probe that ``dataset`` names, un-normalised, complex64 (N, N).

    Raises ``DatasetError`` for a measured probe that ``probe_file`` does not hold.
    """
    if dataset.probe == "file":
        if probe_file is None:
            raise ValueError("a measured probe needs its file")
        return measured_probe(probe_file, dataset.patch_size).astype(np.complex64)
    disk = ideal_disk(dataset.patch_size)
    if dataset.probe == "ideal_disk":
        return disk.astype(np.complex64)
    if dataset.probe_defocus is None:
        raise ValueError("a defocused disk needs probe_defocus")
    return defocused_disk(dataset.patch_size, dataset.probe_defocus).astype(np.complex64)


def binary_disk(side: int) -> NDArray[np.bool_]:
    """Where the outer product of a symmetric Gaussian window with itself exceeds 1/2.

    The window has ``side`` samples and a standard deviation of side/(0.7·π²) px.
    """
    window = gaussian(side, side / (0.7 * np.pi**2), sym=True)
    return np.outer(window, window) > 0.5


def ideal_disk(side: int) -> NDArray[np.float64]:
    """The binary disk behind a Gaussian filter of σ = 1 px, plus 1e-9; real and centrosymmetric."""
    return gaussian_filter(binary_disk(side).astype(np.float64), 1) + 1e-9


def defocused_disk(side: int, defocus: float) -> NDArray[np.complex128]:
    """The ideal disk × exp(i·q·r²): q = ``defocus`` in rad/px², r from the half-pixel centre."""
    axis = np.arange(side) - (side - 1) / 2
    radius_squared = axis[:, None] ** 2 + axis[None, :] ** 2
    return np.asarray(ideal_disk(side) * np.exp(1j * defocus * radius_squared), np.complex128)


def normalised(probe: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """P_norm as the forward model of the training has it, bit for bit."""
    return normalise_probe(torch.from_numpy(probe)).numpy()


def twin_symmetry(probe: NDArray[np.complexfloating]) -> float:
    """How far P(r) equals conj P(−r) up to a constant phase: |Σ P(r)·P(−r)| / Σ|P|², 0 to 1.

    −r mirrors about the half-pixel centre. At 1 the objects O(r) and conj O(−r) have the same
    diffraction pattern, and one pattern cannot tell which of the two it shows.
    """
    wide = probe.astype(np.complex128)
    overlap = np.abs(np.sum(wide * wide[::-1, ::-1]))
    return float(overlap / np.sum(np.abs(wide) ** 2))
