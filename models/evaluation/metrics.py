"""The scores of one reconstruction: every metric for amplitude and phase, or why it has none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.evaluation.reconstruct import Reconstruction
from models.evaluation.resolution import half_resolution, ring_correlation
from models.evaluation.similarity import UndefinedMetricError, ms_ssim, ssim

NO_VARIANCE: Final = 1e-6
"""Range of a target, in units of its largest magnitude or of 1, up to which it counts as constant;
the files hold float32, which is good to 1e-7."""

EIGHT_BIT_RANGE: Final = 255.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """What a reconstruction scored."""

    metrics: dict[str, list[float | None]]
    """Metric → [amplitude, phase]; ``None`` where the metric means nothing."""
    phase_aligned: dict[str, float | None]
    """Metric → phase, once the global phase is aligned."""
    null_reasons: dict[str, str]
    """``amp_<metric>``, ``phase_<metric>`` or ``phase_aligned_<metric>`` → why it is ``None``, for
    each ``None``."""
    frc: list[list[float | None] | None]
    """Fourier ring correlation by ring, [amplitude, phase]."""
    frc_phase_aligned: list[float | None] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Prediction and target of one part, and what stands against comparing them."""

    name: str
    prediction: NDArray[np.float64]
    target: NDArray[np.float64]
    obstacle: str | None
    """Why no metric of this part means anything; ``None`` when they do."""
    factor: float = 1.0
    offset: float = 0.0
    """SSIM compares ``factor``·image + ``offset``."""
    ssim_range: float | None = None
    """Data range of SSIM; ``None`` takes the target's."""

    @property
    def range(self) -> float:
        """Maximum minus minimum of the target."""
        return float(np.ptp(self.target))

    @property
    def mse(self) -> float:
        """Mean squared error."""
        return float(np.mean((self.prediction - self.target) ** 2))

    def similarity(
        self, measure: Callable[[NDArray[np.float64], NDArray[np.float64], float], float]
    ) -> float:
        """``measure`` of both images on the scale of SSIM."""
        prediction, target = (
            self.factor * image + self.offset for image in (self.prediction, self.target)
        )
        return measure(
            prediction, target, self.range if self.ssim_range is None else self.ssim_range
        )


def psnr(pair: Pair, data_range: float) -> float:
    """10·log₁₀(range²/mse) in dB. Raises ``UndefinedMetricError`` when the images are equal."""
    if pair.mse == 0:
        raise UndefinedMetricError("prediction and target are equal, so the ratio is infinite")
    return 10 * math.log10(data_range**2 / pair.mse)


METRICS: Final[dict[str, Callable[[Pair], float]]] = {
    "mae": lambda pair: float(np.mean(np.abs(pair.prediction - pair.target))),
    "mse": lambda pair: pair.mse,
    "psnr": lambda pair: psnr(pair, pair.range),
    "psnr_255": lambda pair: psnr(pair, EIGHT_BIT_RANGE),
    "ssim": lambda pair: pair.similarity(ssim),
    "ms_ssim": lambda pair: pair.similarity(ms_ssim),
    "frc50": lambda pair: half_resolution(ring_correlation(pair.prediction, pair.target)),
}
"""mae, mse in object units or rad (and squares); psnr in dB; frc50 in rings (cycles per image)."""


def score(reconstruction: Reconstruction) -> Scores:
    """All metrics of amplitude, of phase as it is, and of phase with its global phase aligned.

    A metric is ``None``, with its reason, when the target has no variance (with ``set_phi = false``
    every phase metric), when the prediction is not finite or has no scale, or when the metric
    itself does not exist for these images. Those of the aligned phase are so, too, for a constant
    phase or a flat amplitude.
    """
    pairs = [_amplitudes(reconstruction), _phases(reconstruction)]
    aligned = _aligned(reconstruction)
    reasons: dict[str, str] = {}
    metrics = {
        name: [_measured(name, measure, pair, reasons) for pair in pairs]
        for name, measure in METRICS.items()
    }
    return Scores(
        metrics=metrics,
        phase_aligned={
            name: _measured(name, measure, aligned, reasons) for name, measure in METRICS.items()
        },
        null_reasons=reasons,
        frc=[_curve(pair) for pair in pairs],
        frc_phase_aligned=_curve(aligned),
    )


def _curve(pair: Pair) -> list[float | None] | None:
    return None if pair.obstacle else ring_correlation(pair.prediction, pair.target)


def _amplitudes(r: Reconstruction) -> Pair:
    obstacle = _obstacle("amplitude", r.amplitude, r.target_amplitude)
    if obstacle is None and r.amplitude_scale is None:
        obstacle = "the predicted amplitude is zero everywhere and cannot be scaled to the target"
    return Pair(name="amp", prediction=r.amplitude, target=r.target_amplitude, obstacle=obstacle)


def _phases(r: Reconstruction) -> Pair:
    """SSIM sees a phase as (φ + π)/2π, with range 1."""
    return Pair(
        name="phase",
        prediction=r.phase,
        target=r.target_phase,
        obstacle=_obstacle("phase", r.phase, r.target_phase),
        factor=1 / (2 * math.pi),
        offset=0.5,
        ssim_range=1.0,
    )


def _aligned(r: Reconstruction) -> Pair:
    """The phase on the scale of ``_phases``, its global phase aligned."""
    plain = _phases(r)
    if r.phase_aligned is None:
        reason = plain.obstacle or "prediction and truth have no phase in common to align by"
        return replace(plain, name="phase_aligned", obstacle=reason)
    flatness = None if r.is_constant else r.flatness
    return replace(
        plain,
        name="phase_aligned",
        prediction=r.phase_aligned,
        obstacle=plain.obstacle or flatness,
    )


def _obstacle(
    word: str, prediction: NDArray[np.float64], target: NDArray[np.float64]
) -> str | None:
    if np.ptp(target) <= NO_VARIANCE * max(1.0, float(np.abs(target).max())):
        return f"the target {word} has no variance"
    return None if np.isfinite(prediction).all() else f"the predicted {word} is not finite"


def _measured(
    name: str, measure: Callable[[Pair], float], pair: Pair, reasons: dict[str, str]
) -> float | None:
    reason = pair.obstacle
    if reason is None:
        try:
            return measure(pair)
        except UndefinedMetricError as error:
            reason = str(error)
    reasons[f"{pair.name}_{name}"] = reason
    return None
