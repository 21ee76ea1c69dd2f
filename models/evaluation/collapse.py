"""What a reconstruction has come to, judged by its image and, where it must be, by its losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["flat", "not_finite", "unlike_object"]

FLAT_RELATIVE_STD: Final = 1e-3
"""Relative standard deviation of the stitched amplitude below which it counts as constant."""

FLAT_PHASE: Final = 1e-2
"""Share of the true phase's standard deviation below which a phase counts as constant. Dead phases
have 1e-7 of it, the least of the study's sound arms 7e-2, the quickstart's after an epoch 4e-2."""

UNLIKE_SSIM: Final = 0.5
"""``amp_ssim`` below which the reconstruction does not count as the object."""

LOW_CONTRAST: Final = 0.5
"""Share of the true relative std below which an amplitude that is not flat has lost its contrast.
The study's sound arms have 0.7 and more."""

STILL_FALLING: Final = 0.02
"""Share of the best validation loss before by which the last quarter of the epochs must have
lowered it, so that the loss was still falling. Losses that stand still scatter by less."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a network, in at most one of three words."""

    kind: Kind | None
    reason: str | None
    """The word with the number that it rests on; ``None`` without a word."""
    unfinished: bool | None = False
    """Whether it is unlike the object, with a loss that was still falling; ``None`` where it is
    unlike the object and the losses cannot tell."""


def relative_std(amplitude: NDArray[np.floating[Any]]) -> float:
    """std/mean of an amplitude; 0 where it is zero everywhere, NaN where it is not finite."""
    wide = amplitude.astype(np.float64)
    if not np.isfinite(wide).all():
        return math.nan
    mean = float(wide.mean())
    return 0.0 if mean == 0 else float(wide.std()) / mean


def judge(
    recon_amp_rel_std: float,
    amp_ssim: float | None,
    *,
    finite_losses: bool = True,
    still_falling: bool | None = False,
) -> Outcome:
    """The first that holds of: not finite, flat, unlike the object.

    Only ``flat`` is a collapse. ``finite_losses`` speaks of the last epoch: a fit that was not
    finite for a while and recovered is judged by what it came to. ``amp_ssim`` is ``None`` where it
    was not measured, and then decides nothing. A network that is unlike the object while its loss
    was ``still_falling`` is unfinished, and no word is said of it.
    """
    if not (finite_losses and math.isfinite(recon_amp_rel_std)):
        reason = "not finite: the last epoch's loss or the reconstruction holds NaN or infinity"
        return Outcome(kind="not_finite", reason=reason)
    if recon_amp_rel_std < FLAT_RELATIVE_STD:
        reason = (
            f"flat: the amplitude's relative std {recon_amp_rel_std:.3g} "
            f"is below {FLAT_RELATIVE_STD:g}"
        )
        return Outcome(kind="flat", reason=reason)
    if amp_ssim is None or amp_ssim >= UNLIKE_SSIM:
        return Outcome(kind=None, reason=None)
    if still_falling:
        return Outcome(kind=None, reason=None, unfinished=True)
    reason = f"unlike the object: amp_ssim {amp_ssim:.3f} is below {UNLIKE_SSIM:g}"
    unknown = None if still_falling is None else False
    return Outcome(kind="unlike_object", reason=reason, unfinished=unknown)


def is_still_falling(val_losses: Sequence[float]) -> bool | None:
    """Whether the last quarter of the epochs, at least one, lowered the best validation loss.

    It must have done so by ``STILL_FALLING`` of what was best before. Losses that are not finite do
    not count. ``None`` where there is nothing to compare, or where the best is zero or below, as a
    likelihood may be: shares of it mean nothing.
    """
    late = max(1, len(val_losses) // 4)
    before, after = (
        min(filter(math.isfinite, part), default=None)
        for part in (val_losses[:-late], val_losses[-late:])
    )
    if before is None or after is None or min(before, after) <= 0:
        return None
    return after <= (1 - STILL_FALLING) * before


def recovery(losses: Sequence[bool]) -> tuple[int | None, int | None]:
    """First epoch whose losses were not finite, and the first from which on all were again.

    ``losses`` tells of each epoch whether its losses were finite. ``None`` for what never was.
    """
    bad = [epoch for epoch, finite in enumerate(losses) if not finite]
    if not bad:
        return None, None
    after = bad[-1] + 1
    return bad[0], after if after < len(losses) else None
