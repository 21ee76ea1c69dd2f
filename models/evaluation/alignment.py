"""The global phase that no measurement sees, taken off before phases are compared."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complexfloating[Any, Any]]
Image = NDArray[np.float64]

NO_COMMON_PHASE: Final = 1e-9
"""|Σ z·t*| / Σ|z·t| up to which the sum is rounding, and its angle means nothing."""


def global_phase(predicted: Complex, target: Complex) -> float | None:
    """Arg Σ z·t* over all pixels, rad: what ``predicted`` is ahead of ``target`` as a whole.

    It is the angle that minimises Σ|z·exp(−iα) − c·t|² for every c > 0. ``None`` where the sum is
    not finite, or zero but for rounding.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        products = predicted * target.conj()
        total, size = complex(products.sum()), float(np.abs(products).sum())
    if not np.isfinite(size) or abs(total) <= NO_COMMON_PHASE * size:
        return None
    return float(np.angle(total))


def aligned_phase(predicted: Complex, target: Complex, offset: float) -> Image:
    """The angle of ``predicted``·exp(−i·offset), on the turn that is nearest to the target's.

    So a pixel differs from the target's angle by no more than π, and none wraps because it lies
    near the cut of the angle.
    """
    true = np.angle(target)
    ahead = np.angle(predicted) - offset - true
    return np.asarray(true + np.remainder(ahead + np.pi, 2 * np.pi) - np.pi, np.float64)
