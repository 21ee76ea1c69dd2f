"""The names of what an arm measures."""

from __future__ import annotations

from typing import Literal

SCORE_DEFINITION = 2
"""Of scores and of collapse, docs/physics.md. By 1, which files without a number have, phases were
scored as they were, and whatever was flat, not finite or unlike the object had collapsed."""

METRICS = ("mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50")
SCORED_PARTS = ("amp", "phase", "phase_aligned")

STATS: dict[str, Literal["number", "flag"]] = {
    "score_definition": "number",
    "val_loss_best": "number",
    "val_loss_best_epoch": "number",
    "val_loss_final": "number",
    "train_loss_final": "number",
    "n_epochs": "number",
    "has_nan": "flag",
    "grad_norm_mean": "number",
    "grad_norm_median": "number",
    "grad_norm_p99": "number",
    "grad_norm_max": "number",
    "grad_norm_min": "number",
    "nonfinite_epoch": "number",
    "recovered_epoch": "number",
    **{f"{part}_{metric}": "number" for part in SCORED_PARTS for metric in METRICS},
    **{f"best_{part}_{metric}": "number" for part in SCORED_PARTS for metric in METRICS},
    **{
        f"constant_{part}_{metric}": "number" for part in SCORED_PARTS for metric in ("mae", "ssim")
    },
    "phase_offset": "number",
    "norm_weight_near_zero": "flag",
    "recon_amp_std": "number",
    "recon_phase_std": "number",
    "amp_contrast": "number",
    "phase_contrast": "number",
    "collapsed": "flag",
    "collapse_epoch": "number",
    "not_finite": "flag",
    "unlike_object": "flag",
    "unfinished": "flag",
    "low_contrast": "flag",
    "phase_flat": "flag",
    "decoder_share_not_positive": "number",
    "last_decoder_share_not_positive": "number",
    "diverged": "flag",
    "diverged_epoch": "number",
    "num_parameters": "number",
    "num_parameters_nominal": "number",
}
"""The scalars of ``stats.json`` that a success rule may name; the file holds tables beside them."""
