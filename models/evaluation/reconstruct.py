"""From the network's patches of the test object to amplitude and phase beside the truth.

Shapes: n samples of C = gridsize² patches of H = W = N pixels; images are (height, width) in
float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.config import Dataset
from models.data.npz import Split, write_npz
from models.evaluation.alignment import aligned_phase, global_phase
from models.evaluation.collapse import FLAT_PHASE, FLAT_RELATIVE_STD, relative_std
from models.physics.stitching import merge_groups, stitch

TRIM: Final = 2
"""Pixels that are dropped on every side of the stitched image."""

NO_PHASE: Final = 1e-6
"""Std of a phase up to which it is rounding, rad."""

Image = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Reconstruction:
    """The first test object as reconstructed, aligned with the truth; what the metrics compare."""

    amplitude: Image
    """Object units; scaled to the mean of the target unless ``amplitude_scale`` is ``None``."""
    phase: Image
    """Radians, not unwrapped, its least-squares plane removed."""
    target_amplitude: Image
    target_phase: Image
    amplitude_scale: float | None
    """mean(target)/mean(prediction), applied to the amplitude; ``None`` where it does not exist,
    because the predicted amplitude is zero or not finite."""
    phase_aligned: Image | None = None
    """Radians, the global phase taken off before the plane; ``None`` where there is none to take
    off: of a prediction that is zero, not finite, or has no phase in common with the truth."""
    phase_offset: float | None = None
    """The global phase that was taken off, rad."""
    is_constant: bool = False
    """Whether it is the constant image that others are weighed against."""

    @property
    def amp_contrast(self) -> float | None:
        """Relative std of the amplitude over that of the target; ``None`` where undefined."""
        found, true = relative_std(self.amplitude), relative_std(self.target_amplitude)
        return found / true if np.isfinite(found) and true > 0 else None

    @property
    def phase_contrast(self) -> float | None:
        """Std of the aligned phase over that of the target; ``None`` where undefined."""
        true = float(self.target_phase.std())
        if self.phase_aligned is None or true <= NO_PHASE:
            return None
        return float(self.phase_aligned.std()) / true

    @property
    def flatness(self) -> str | None:
        """Which part is constant, so that no score of an aligned phase means anything."""
        if relative_std(self.amplitude) < FLAT_RELATIVE_STD:
            return "the reconstruction is flat: a constant has no phase to align"
        contrast = self.phase_contrast
        if contrast is not None and contrast < FLAT_PHASE:
            return "the predicted phase is constant: there is nothing to align"
        return None


def constant(reconstruction: Reconstruction) -> Reconstruction:
    """What a network that knows nothing but the mean would have reconstructed of the same object.

    Its scores say how much a score is worth: the amplitude is the target's mean, the phase is 0.
    """
    return replace(
        reconstruction,
        amplitude=np.full_like(
            reconstruction.target_amplitude, reconstruction.target_amplitude.mean()
        ),
        phase=np.zeros_like(reconstruction.target_phase),
        amplitude_scale=1.0,
        phase_aligned=np.zeros_like(reconstruction.target_phase),
        phase_offset=0.0,
        is_constant=True,
    )


def reconstruct(
    patches_nCHW: NDArray[np.complex64], test: Split, dataset: Dataset
) -> Reconstruction:
    """Stitch the network's complex output on the test patches and align it with the truth.

    ``patches_nCHW`` are in scan order: those of the first test object, or of all of them, of which
    the first object's are used. A position that is in several samples has the mean of its patches.
    They are multiplied by the test ``norm_Y_I``, stitched, trimmed, split into amplitude (scaled to
    the target's mean) and angle (minus its plane), the latter also with the global phase aligned.

    Raises ``ValueError`` when the number or size of the samples is not that of the test scan, when
    ``test`` has no ground truth, or when the stitched image is too small to be trimmed. Values that
    are not finite pass through: the metrics name them.
    """
    if test.yy_ground_truth is None or test.norm_y_i is None:
        raise ValueError("the split has no ground truth; reconstruct from the test split")
    predicted = _trim(_stitched(patches_nCHW, dataset).astype(np.complex128) * test.norm_y_i)
    target = _trim(test.yy_ground_truth[..., 0].astype(np.complex128))
    if predicted.shape != target.shape:
        raise ValueError(
            f"the stitched image has {predicted.shape} pixels but the ground truth {target.shape}; "
            f"the test split belongs to other dataset parameters"
        )
    amplitude, target_amplitude = np.abs(predicted), np.abs(target)
    scale = _scale(amplitude, target_amplitude)
    offset = global_phase(predicted, target)
    return Reconstruction(
        amplitude=amplitude if scale is None else amplitude * scale,
        phase=remove_plane(np.angle(predicted)),
        target_amplitude=target_amplitude,
        target_phase=remove_plane(np.angle(target)),
        amplitude_scale=scale,
        phase_aligned=(
            None if offset is None else remove_plane(aligned_phase(predicted, target, offset))
        ),
        phase_offset=offset,
    )


def _stitched(patches_nCHW: NDArray[np.complex64], dataset: Dataset) -> NDArray[np.complex64]:
    per_object = dataset.samples_per_object(dataset.test_stride)
    if len(patches_nCHW) not in (per_object, per_object * dataset.num_test_objects):
        raise ValueError(
            f"{len(patches_nCHW)} samples, but a test object has {per_object} "
            f"and there are {dataset.num_test_objects}"
        )
    steps = dataset.scan_steps(dataset.test_stride)
    merged_nHW = merge_groups(patches_nCHW[:per_object], steps, steps)
    return stitch(merged_nHW, dataset.test_stride, steps, steps)


def _trim(image: NDArray[np.complex128]) -> NDArray[np.complex128]:
    if min(image.shape) <= 2 * TRIM:
        raise ValueError(f"an image of {image.shape} pixels cannot lose {TRIM} on every side")
    return image[TRIM:-TRIM, TRIM:-TRIM]


def _scale(amplitude: Image, target: Image) -> float | None:
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        scale = float(target.mean() / amplitude.mean())
    return scale if np.isfinite(scale) and scale > 0 else None


def remove_plane(image: Image) -> Image:
    """``image`` minus its least-squares plane a + b·row + c·column.

    On a full grid centred coordinates are orthogonal to each other and to the constant, so the
    three coefficients are three projections.
    """
    rows = np.arange(image.shape[0]) - (image.shape[0] - 1) / 2
    columns = np.arange(image.shape[1]) - (image.shape[1] - 1) / 2
    centred = image - image.mean()
    for axis in (rows[:, None], columns[None, :]):
        weights = np.broadcast_to(axis, image.shape)
        power = np.sum(weights**2)
        if power > 0:
            centred = centred - weights * (np.sum(weights * centred) / power)
    return np.asarray(centred, np.float64)


def save(reconstruction: Reconstruction, path: Path) -> None:
    """Write an uncompressed NPZ of the images, their differences, the scale and the global phase.

    Images are float32. ``phase_aligned``, ``phase_offset`` and ``amplitude_scale`` are NaN where
    there are none. Equal reconstructions give equal bytes.
    """
    r = reconstruction
    images = {
        "amplitude": r.amplitude,
        "phase": r.phase,
        "phase_aligned": (
            np.full_like(r.phase, np.nan) if r.phase_aligned is None else r.phase_aligned
        ),
        "target_amplitude": r.target_amplitude,
        "target_phase": r.target_phase,
        "amplitude_error": r.amplitude - r.target_amplitude,
        "phase_error": r.phase - r.target_phase,
    }
    arrays: dict[str, Any] = {name: image.astype(np.float32) for name, image in images.items()}
    arrays["amplitude_scale"] = np.float64(
        np.nan if r.amplitude_scale is None else r.amplitude_scale
    )
    arrays["phase_offset"] = np.float64(np.nan if r.phase_offset is None else r.phase_offset)
    write_npz(path, arrays)
