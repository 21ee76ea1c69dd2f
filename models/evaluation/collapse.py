"""Whether a network has collapsed, judged by its reconstruction and not by its loss."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

FLAT_RELATIVE_STD: Final = 1e-3
"""Relative standard deviation of the stitched amplitude below which it counts as constant."""

UNLIKE_SSIM: Final = 0.5
"""``amp_ssim`` below which the reconstruction does not count as the object."""


def relative_std(amplitude: NDArray[np.floating[Any]]) -> float:
    """std/mean of an amplitude; 0 where it is zero everywhere, NaN where it is not finite."""
    wide = amplitude.astype(np.float64)
    if not np.isfinite(wide).all():
        return math.nan
    mean = float(wide.mean())
    return 0.0 if mean == 0 else float(wide.std()) / mean


def collapse(recon_amp_rel_std: float, amp_ssim: float | None, has_nan: bool) -> str | None:
    """Why the network counts as collapsed, or ``None`` when it does not.

    Collapse is a value that is not finite, a relative amplitude std below 1e-3, or an amplitude
    SSIM below 0.5; the first that holds is named. ``amp_ssim`` is ``None`` where it was not
    measured, and then decides nothing.
    """
    if has_nan or not math.isfinite(recon_amp_rel_std):
        return "not finite: a loss, a weight or the reconstruction holds NaN or infinity"
    if recon_amp_rel_std < FLAT_RELATIVE_STD:
        return (
            f"flat: the amplitude's relative std {recon_amp_rel_std:.3g} "
            f"is below {FLAT_RELATIVE_STD:g}"
        )
    if amp_ssim is not None and amp_ssim < UNLIKE_SSIM:
        return f"unlike the object: amp_ssim {amp_ssim:.3f} is below {UNLIKE_SSIM:g}"
    return None
