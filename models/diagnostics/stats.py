"""``stats.json``: one arm in a flat table. Whatever is undefined is null."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import SCORE_DEFINITION, SCORED_PARTS
from models.evaluation.collapse import (
    FLAT_PHASE,
    FLAT_RELATIVE_STD,
    LOW_CONTRAST,
    is_still_falling,
    judge,
    recovery,
    relative_std,
)
from models.evaluation.metrics import Scores, score
from models.evaluation.reconstruct import Reconstruction, constant
from models.nets.blocks import LayerScale
from models.nets.generator import count_live
from models.training.collapse_monitor import CollapseSample, flat_since
from models.training.fit import Fit
from models.training.gradient_norms import GradientNorm
from models.training.history import History

NEAR_ZERO = 0.1
"""|mean| of a norm layer's weights below which its branch is nearly switched off."""


DIVERGED = 2.0
"""Multiple of its best value above which a validation loss has diverged."""


def arm_stats(
    fit: Fit, reconstruction: Reconstruction, scores: Scores, best: Scores
) -> dict[str, Any]:
    """The flat summary of a fit and of the reconstruction with its last weights.

    ``best`` are the scores of the weights of the best validation epoch.

    The scalars are those of ``models.config.STATS``; ``collapse_kind``, ``collapse_reason``,
    ``norm_weights`` and ``layerscale`` stand beside them.
    """
    count = count_live(fit.net)
    return {
        "score_definition": SCORE_DEFINITION,
        **loss_stats(fit.history),
        **gradient_stats(fit.module.gradients.trace),
        **score_stats(scores),
        **{f"best_{name}": value for name, value in score_stats(best).items()},
        **constant_stats(reconstruction),
        **norm_stats(fit.net),
        **collapse_stats(fit.history, reconstruction, scores),
        **contrast_stats(reconstruction),
        **decoder_stats(fit.history.epochs[-1].sample),
        **divergence_stats([epoch.val_loss for epoch in fit.history.epochs]),
        "phase_offset": reconstruction.phase_offset,
        "recon_amp_std": finite(float(reconstruction.amplitude.std())),
        "recon_phase_std": finite(float(reconstruction.phase.std())),
        "num_parameters": count.live,
        "num_parameters_nominal": count.nominal,
    }


def loss_stats(history: History) -> dict[str, Any]:
    """Losses; epochs are counted from 0."""
    last, best = history.epochs[-1], history.best_epoch
    since, recovered = recovery([epoch.is_finite for epoch in history.epochs])
    return {
        "val_loss_best": None if best is None else history.epochs[best].val_loss,
        "val_loss_best_epoch": best,
        "val_loss_final": finite(last.val_loss),
        "train_loss_final": finite(last.train_loss),
        "n_epochs": len(history.epochs),
        "has_nan": history.has_nan,
        "nonfinite_epoch": since,
        "recovered_epoch": recovered,
    }


def gradient_stats(trace: Sequence[GradientNorm]) -> dict[str, float | None]:
    """The norms of the trace before clipping, those that are finite."""
    norms = np.array([norm.pre_clip for norm in trace if math.isfinite(norm.pre_clip)])
    if not norms.size:
        return dict.fromkeys(f"grad_norm_{n}" for n in ("mean", "median", "p99", "max", "min"))
    return {
        "grad_norm_mean": float(norms.mean()),
        "grad_norm_median": float(np.median(norms)),
        "grad_norm_p99": float(np.percentile(norms, 99)),
        "grad_norm_max": float(norms.max()),
        "grad_norm_min": float(norms.min()),
    }


def constant_stats(reconstruction: Reconstruction) -> dict[str, float | None]:
    """What a constant image would score on the same object, so that a reader can weigh a score."""
    scores = score_stats(score(constant(reconstruction)))
    return {
        f"constant_{part}_{metric}": scores[f"{part}_{metric}"]
        for metric in ("ssim", "mae")
        for part in SCORED_PARTS
    }


def score_stats(scores: Scores) -> dict[str, float | None]:
    """``amp_<metric>``, ``phase_<metric>`` and ``phase_aligned_<metric>`` for every metric."""
    return {
        f"{part}_{metric}": value
        for metric, values in scores.metrics.items()
        for part, value in zip(SCORED_PARTS, (*values, scores.phase_aligned[metric]), strict=True)
    }


def norm_stats(net: nn.Module) -> dict[str, Any]:
    """Weights of all affine norm layers and of all LayerScales, by the names of the modules."""
    norms = dict(_weights(net, nn.InstanceNorm2d))
    scales = dict(_weights(net, LayerScale))
    return {
        "norm_weights": {
            name: {
                "mean": finite(float(weight.mean())),
                "std": finite(float(weight.std())),
                "abs_max": finite(float(np.abs(weight).max())),
            }
            for name, weight in norms.items()
        },
        "norm_weight_near_zero": (
            all(abs(float(weight.mean())) < NEAR_ZERO for weight in norms.values())
            if norms
            else None
        ),
        "layerscale": {
            name: {
                "mean": finite(float(weight.mean())),
                "min": finite(float(weight.min())),
                "max": finite(float(weight.max())),
            }
            for name, weight in scales.items()
        },
    }


def _weights(net: nn.Module, kind: type[nn.Module]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name, module in net.named_modules():
        weight = getattr(module, "weight", None)
        if isinstance(module, kind) and isinstance(weight, Tensor):
            yield name, weight.detach().cpu().double().numpy()


def collapse_stats(
    history: History, reconstruction: Reconstruction, scores: Scores
) -> dict[str, Any]:
    """What the reconstruction has come to, why, and since which epoch its watched patches were so.

    ``collapsed`` is said of a flat one only. Flat patches and such that are not finite have an
    epoch from which on they were; what is unlike the object has none.
    """
    outcome = judge(
        relative_std(reconstruction.amplitude),
        scores.metrics["ssim"][0],
        finite_losses=history.epochs[-1].is_finite,
        still_falling=is_still_falling([epoch.val_loss for epoch in history.epochs]),
    )
    since = flat_since([epoch.recon_amp_rel_std for epoch in history.epochs])
    return {
        "collapsed": outcome.kind == "flat",
        "collapse_epoch": since if outcome.kind in ("flat", "not_finite") else None,
        "collapse_kind": outcome.kind,
        "collapse_reason": outcome.reason,
        "not_finite": outcome.kind == "not_finite",
        "unlike_object": outcome.kind == "unlike_object",
        "unfinished": outcome.unfinished,
    }


def contrast_stats(reconstruction: Reconstruction) -> dict[str, Any]:
    """How much of the true contrast is there, and whether that is little without being nothing.

    Both flags speak of an amplitude that is alive; they are null where contrast is undefined.
    """
    amplitude, phase = reconstruction.amp_contrast, reconstruction.phase_contrast
    alive = relative_std(reconstruction.amplitude) >= FLAT_RELATIVE_STD
    return {
        "amp_contrast": amplitude,
        "phase_contrast": phase,
        "low_contrast": None if amplitude is None else alive and amplitude < LOW_CONTRAST,
        "phase_flat": None if phase is None else alive and phase < FLAT_PHASE,
    }


def decoder_stats(sample: CollapseSample) -> dict[str, float | None]:
    """Shares of decoder pre-activations ≤ 0, of all and of the last activation; null without any.

    Where it is 1, the decoder passes (nearly) no gradient back: GELU is flat there.
    """
    shares = [signs.share for signs in sample.decoder.values()]
    return {
        "decoder_share_not_positive": finite(sample.decoder_share_not_positive),
        "last_decoder_share_not_positive": finite(shares[-1]) if shares else None,
    }


def divergence_stats(val_losses: Sequence[float]) -> dict[str, Any]:
    """Whether the validation loss left its best value for good, and since which epoch.

    That is the first epoch from which on, until the end, every loss is above ``DIVERGED`` times the
    best of the fit, or not finite. Where the best is zero or below, as a likelihood may be, its
    multiple means nothing and both are undefined.
    """
    best = min(filter(math.isfinite, val_losses), default=None)
    if best is not None and best <= 0:
        return {"diverged": None, "diverged_epoch": None}
    since = None
    for epoch in reversed(range(len(val_losses))):
        loss = val_losses[epoch]
        if best is not None and math.isfinite(loss) and loss <= DIVERGED * best:
            break
        since = epoch
    return {"diverged": since is not None, "diverged_epoch": since}


def finite(value: float) -> float | None:
    """The value, or ``None`` for what JSON has no word for."""
    return value if math.isfinite(value) else None
