"""The names of what an arm measures."""

from __future__ import annotations

from typing import Literal

STATS: dict[str, Literal["number", "flag"]] = {
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
    **{
        f"{part}_{metric}": "number"
        for part in ("amp", "phase")
        for metric in ("mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50")
    },
    **{
        f"best_{part}_{metric}": "number"
        for part in ("amp", "phase")
        for metric in ("mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50")
    },
    **{
        f"constant_{part}_{metric}": "number"
        for part in ("amp", "phase")
        for metric in ("mae", "ssim")
    },
    "norm_weight_near_zero": "flag",
    "recon_amp_std": "number",
    "recon_phase_std": "number",
    "collapsed": "flag",
    "collapse_epoch": "number",
    "decoder_share_not_positive": "number",
    "last_decoder_share_not_positive": "number",
    "diverged": "flag",
    "diverged_epoch": "number",
    "num_parameters": "number",
    "num_parameters_nominal": "number",
}
"""The scalars of ``stats.json`` that a success rule may name; the file holds tables beside them."""
