"""Simulation of the ``grid_lines`` dataset: objects, raster scan, photon noise, files.

Symbols: O normalised object patch, P_norm normalised probe, S intensity scale, I intensity in
photons, X measured amplitude. Arithmetic is float64; what is stored is float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import Dataset
from models.data.npz import Split, save_split
from models.data.probe import AMBIGUOUS_SYMMETRY, make_probe, normalised, twin_symmetry
from models.data.probe_file import digest_of
from models.data.scan import Scan, make_scan, windows
from models.physics.stitching import crop_ground_truth
from models.seeding import numpy_generator

BATCH: Final = 256
"""Patches that are simulated at a time: bounds memory, changes no number."""


def _silent(stage: str) -> None:
    """Report nothing."""


def simulate(
    dataset: Dataset,
    seed: int,
    out: Path,
    progress: Callable[[str], None] = _silent,
    *,
    probe_file: Path | None = None,
) -> None:
    """Write ``train.npz``, ``test.npz`` and ``metadata.json`` into the folder ``out``.

    Equal arguments give equal bytes. ``seed`` governs the photon noise (streams ``noise.train`` and
    ``noise.test``) and the order of the training samples (stream ``scan_order``, across all
    objects); the test samples stay in scan order, and the objects have seeds of their own in
    ``dataset``. ``progress`` is called with ``objects``, ``diffraction`` and ``write`` as they
    begin. ``probe_file`` is the file of a measured probe.

    Raises ``DatasetError`` when that file holds no probe, and ``ValueError`` when a pixel expects
    more photons than NumPy can draw (about 9·10¹⁸).
    """
    progress("objects")
    probe = make_probe(dataset, probe_file)
    scans = {"train": make_scan(dataset, "train"), "test": make_scan(dataset, "test")}
    order = numpy_generator(seed, "scan_order").permutation(len(scans["train"].groups))
    scans["train"] = scans["train"].in_order(order)
    scale = intensity_scale(dataset, scans["train"], normalised(probe))
    out.mkdir(parents=True, exist_ok=True)
    photons = {}
    for name, scan in scans.items():
        progress("diffraction")
        exposures = expose(scan, probe, scale, numpy_generator(seed, f"noise.{name}"))
        photons[name] = mean_photons(exposures, scale)
        split = as_samples(exposures, scan, probe)
        if name == "test":
            split = with_ground_truth(split, scan, dataset)
        progress("write")
        save_split(split, out / f"{name}.npz")
    facts = {
        "seed": seed,
        "intensity_scale": scale,
        "mean_photons": photons,
        "probe_sha256": probe_file and digest_of(probe_file),
    }
    _write_json(out / "metadata.json", facts | describe(dataset, probe, scans))


def intensity_scale(dataset: Dataset, train: Scan, probe_norm: NDArray[np.complex64]) -> float:
    """S = √(photons / mean over training patches of Σ_px (|O|·|P_norm|)²).

    The mean over patches is taken first, pixel by pixel: Σ_px |P_norm|² · mean|O|².
    """
    stride = dataset.train_stride
    squared = (np.abs(train.objects) / train.norm) ** 2
    mean_HW = windows(squared, train.patch_size)[:, ::stride, ::stride].mean(axis=(0, 1, 2))
    light = np.sum(mean_HW * np.abs(probe_norm.astype(np.complex128)) ** 2)
    return float(np.sqrt(dataset.photons / light))


def expected_photons(
    patches_nHW: NDArray[np.complex128], probe_norm: NDArray[np.complex64], scale: float
) -> NDArray[np.float64]:
    """I = fftshift|F(S·O·P_norm)|² for each patch, F unitary, so that ΣI = Σ|S·O·P_norm|²."""
    far_field = np.fft.fft2(scale * patches_nHW * probe_norm, norm="ortho")
    intensity: NDArray[np.float64] = np.fft.fftshift(np.abs(far_field) ** 2, axes=(-2, -1))
    return intensity


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposures:
    """What was measured at every position of a scan, once, and what is true there; (n, N, N)."""

    measured: NDArray[np.float32]
    amplitude: NDArray[np.float32]
    phase: NDArray[np.float32]


def expose(
    scan: Scan, probe: NDArray[np.complex64], scale: float, noise: np.random.Generator
) -> Exposures:
    """Illuminate every patch of ``scan``, count photons, I_obs ~ Poisson(I), X = √I_obs / S.

    ``noise`` is drawn from patch after patch in the order of the scan.
    """
    count, side = len(scan.positions), scan.patch_size
    measured, amplitude, phase = np.empty((3, count, side, side), np.float32)
    probe_norm = normalised(probe)
    for start in range(0, count, BATCH):
        batch = slice(start, start + BATCH)
        patches = scan.patches(start, start + BATCH)
        photons = noise.poisson(expected_photons(patches, probe_norm, scale))
        measured[batch] = np.sqrt(photons) / scale
        amplitude[batch] = np.abs(patches * probe_norm)
        phase[batch] = np.angle(patches)
    return Exposures(measured=measured, amplitude=amplitude, phase=phase)


def mean_photons(exposures: Exposures, scale: float) -> float:
    """Photons that were counted in a pattern, on average over the positions of a scan."""
    counts = (float(np.sum(np.square(x, dtype=np.float64))) for x in exposures.measured)
    return sum(counts) * scale**2 / len(exposures.measured)


def as_samples(exposures: Exposures, scan: Scan, probe: NDArray[np.complex64]) -> Split:
    """The exposures as the samples of ``scan``: those of a group are the channels of its sample."""

    def grouped(images_nHW: NDArray[np.float32]) -> NDArray[np.float32]:
        if scan.groups.shape[1] == 1:  # in the order of the samples already
            return images_nHW[..., None]
        return np.stack([images_nHW[numbers] for numbers in scan.groups.T], axis=-1)

    centres = scan.centres()
    return Split(
        diffraction=grouped(exposures.measured),
        y_i=grouped(exposures.amplitude),
        y_phi=grouped(exposures.phase),
        coords_nominal=centres,
        coords_true=centres,
        yy_full=scan.objects.astype(np.complex64)[..., None],
        probe_guess=probe,
    )


def with_ground_truth(test: Split, scan: Scan, dataset: Dataset) -> Split:
    """The test split with the truth that its first object's stitched image is held against."""
    first = test.yy_full[0, ..., 0]
    truth = crop_ground_truth(first, dataset.patch_size, dataset.test_stride)
    return replace(test, yy_ground_truth=truth[..., None], norm_y_i=scan.norm)


def describe(
    dataset: Dataset, probe: NDArray[np.complex64], scans: dict[str, Scan]
) -> dict[str, Any]:
    """What the metadata tells of parameters, objects and probe."""
    symmetry = twin_symmetry(probe)
    return {
        "schema_version": 1,
        "dataset": dataset.model_dump(mode="json"),
        "norm_Y_I": {name: scan.norm for name, scan in scans.items()},
        "num_patches": {name: len(scan.positions) for name, scan in scans.items()},
        "num_samples": {name: len(scan.groups) for name, scan in scans.items()},
        "object_amplitude": {name: _statistics(scan.objects) for name, scan in scans.items()},
        "twin_symmetry": symmetry,
        "twin_ambiguity": symmetry > AMBIGUOUS_SYMMETRY,
    }


def _statistics(objects: NDArray[np.complex128]) -> list[dict[str, float]]:
    return [
        {
            "min": float(amplitude.min()),
            "max": float(amplitude.max()),
            "mean": float(amplitude.mean()),
            "std": float(amplitude.std()),
        }
        for amplitude in np.abs(objects)
    ]


def _write_json(path: Path, content: dict[str, Any]) -> None:
    text = json.dumps(content, indent=2, sort_keys=True, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
