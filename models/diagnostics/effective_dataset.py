"""The ``dataset`` knobs as the loaded arrays show them.

Read from the arrays alone: ``object_size``, ``patch_size``, ``gridsize``, both strides, both
numbers of objects, ``set_phi``, ``probe`` and ``probe_defocus``. ``photons`` is measured on the
arrays with the intensity scale S of ``metadata.json``. The seeds of the objects stand in the
metadata and are believed only if objects drawn from them are those of the arrays. The digest of a
measured probe is the one that the simulation took of the file that it read, and is believed if the
probe of the arrays is none of the disks. A seed of the dataset's own is shown where one is stated,
and believed only if the training samples lie in the order that it draws. ``kind`` is the
metadata's word, and so is a stride in which an object has room for one patch only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.data.npz import Split
from models.data.objects import draw_amplitudes
from models.data.probe import ideal_disk
from models.diagnostics.readings import agreed
from models.seeding import numpy_generator

DRAWN_ALIKE = 1e-6
"""Relative difference up to which a drawn object is the stored one, which is float32."""
DISK_ALIKE = 1e-6
"""Difference up to which the modulus of a stored probe, which is float32, is the ideal disk's."""


def dataset_leaves(train: Split, test: Split, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Every knob of ``Dataset``, read from the two splits; see the module's docstring."""
    splits, stated = (train, test), metadata["dataset"]
    probe, defocus = agreed(_probe(split.probe_guess) for split in splits), None
    if isinstance(probe, tuple):
        probe, defocus = probe
    return {
        **_own_seed(train, stated),
        "kind": stated["kind"],
        "object_size": agreed(split.yy_full.shape[1] for split in splits),
        "patch_size": agreed(split.diffraction.shape[1] for split in splits),
        "gridsize": agreed(math.isqrt(split.diffraction.shape[3]) for split in splits),
        "train_stride": _stride(train, stated["train_stride"]),
        "test_stride": _stride(test, stated["test_stride"]),
        "num_train_objects": len(train.yy_full),
        "num_test_objects": len(test.yy_full),
        "train_object_seed": _object_seed(train, stated["train_object_seed"]),
        "test_object_seed": _object_seed(test, stated["test_object_seed"]),
        "photons": _photons(train, metadata["intensity_scale"]),
        "set_phi": agreed(bool(np.angle(split.yy_full).any()) for split in splits),
        "probe": probe,
        "probe_defocus": defocus,
        "probe_sha256": metadata["probe_sha256"] if probe == "file" else None,
    }


def _stride(split: Split, stated: int) -> int:
    """Smallest step between the rows and columns of patches."""
    positions = np.unique(split.coords_nominal)
    return stated if len(positions) == 1 else round(float(np.diff(positions).min()))


def _own_seed(train: Split, stated: Mapping[str, Any]) -> dict[str, int | None]:
    """The seed of the dataset's own, if it has one: that of the stream ``scan_order``.

    Before they were put into that order, the samples of each object stood row by row.
    """
    if "seed" not in stated:
        return {}
    number, seed = len(train.coords_nominal), int(stated["seed"])
    order = numpy_generator(seed, "scan_order").permutation(number)
    in_scan = np.empty(number, dtype=np.intp)
    in_scan[order] = np.arange(number)
    first_nC = train.coords_nominal[in_scan][:, 0, :, 0].reshape(len(train.yy_full), -1, 2)
    rows = [[tuple(corner) for corner in one] for one in first_nC.tolist()]
    return {"seed": seed if all(one == sorted(one) for one in rows) else None}


def _object_seed(split: Split, stated: int) -> int | None:
    count, size = split.yy_full.shape[:2]
    drawn = draw_amplitudes(stated, count, size)
    stored = np.abs(split.yy_full[..., 0])
    return stated if np.allclose(drawn, stored, rtol=DRAWN_ALIKE, atol=0) else None


def _photons(train: Split, scale: float) -> float:
    """Mean over positions of S²·Σ|O·P_norm|²: the photons that a pattern expects.

    A position counts once, in however many samples it is.
    """
    light_nC = [np.sum(np.square(y, dtype=np.float64), axis=(0, 1)) for y in train.y_i]
    centres = train.coords_nominal[:, 0].swapaxes(1, 2).reshape(-1, 2)
    _, number, count = np.unique(centres, axis=0, return_inverse=True, return_counts=True)
    return scale**2 * float(np.average(np.ravel(light_nC), weights=1 / count[number.ravel()]))


def _probe(probe_HW: NDArray[np.complex64]) -> tuple[str, float | None]:
    """Kind and curvature. Without an imaginary part there is no defocus.

    Only the disks are as bright as the disk: a measured probe was smoothed.
    """
    if not np.allclose(np.abs(probe_HW), ideal_disk(len(probe_HW)), rtol=0, atol=DISK_ALIKE):
        return "file", None
    if not probe_HW.imag.any():
        return "ideal_disk", None
    return "defocused_disk", _curvature(probe_HW.astype(np.complex128))


def _curvature(probe_HW: NDArray[np.complex128]) -> float:
    """Q of a phase q·r², r from the half-pixel centre.

    Two neighbours at the centre, with r² = 1/2 and 5/2, give q without ambiguity for |q| < π/2;
    with it the phase of all pixels is unwrapped, and fitted with their intensities as weights.
    """
    side = len(probe_HW)
    axis = np.arange(side) - (side - 1) / 2
    radius_squared = axis[:, None] ** 2 + axis[None, :] ** 2
    centre = side // 2
    inner, outer = probe_HW[centre, centre], probe_HW[centre, centre + 1]
    rough = float(np.angle(outer * inner.conj())) / 2
    rest = np.angle(probe_HW * np.exp(-1j * rough * radius_squared))
    weights = np.abs(probe_HW) ** 2 * radius_squared
    return rough + float(np.sum(weights * rest) / np.sum(weights * radius_squared))
