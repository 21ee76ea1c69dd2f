"""The ``train`` knobs as optimizer, scheduler, clipper, forward model and batches show them.

One knob may be finer than what acts: of ``validation_fraction`` only the number of patches that it
gives. It is reported as the division of the patches holds it if that number was really held out,
and as the share that was held out otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    ReduceLROnPlateau,
    SequentialLR,
)

from models.config import LEAST_CUT
from models.data.npz import Split
from models.diagnostics.readings import agreed
from models.physics.losses import LOSSES
from models.training.batches import Batches, HeldOut, Patches, as_tensor
from models.training.clipping import ClipNorm, LeaveGradients
from models.training.fit import Fit
from models.training.module import PatchFit
from models.training.observers import GradientNorm

CLIP_TOLERANCE = 1e-5
"""Share by which a clipped norm may exceed its bound: it is a long sum in float32."""


def train_leaves(fit: Fit, train: Split, test: Split) -> dict[str, Any]:
    """Every knob of ``Train``, read after the fit."""
    module = fit.module
    (optimizer,) = fit.trainer.optimizers
    validation, fraction = read_validation(fit.batches, as_tensor(train), as_tensor(test))
    return {
        "epochs": len(fit.history.epochs),
        "batch_size": max(fit.inputs.training),
        "inference_batch_size": max(fit.inputs.inference),
        "learning_rate": agreed(group["initial_lr"] for group in optimizer.param_groups),
        "optimizer": read_optimizer(optimizer),
        "scheduler": read_scheduler(scheduler_of(fit)),
        "clip": read_clip(module.clipper, module.gradients.trace),
        "loss": agreed(name for name, loss in LOSSES.items() if loss is module.loss),
        "physics_gain": measure_gain(module),
        "validation": validation,
        "validation_fraction": fraction,
    }


def scheduler_of(fit: Fit) -> LRScheduler:
    """The schedule that Lightning has stepped."""
    (config,) = fit.trainer.lr_scheduler_configs
    assert isinstance(config.scheduler, LRScheduler)
    return config.scheduler


def _groups(optimizer: Optimizer, *keys: str) -> dict[str, Any]:
    return {key: agreed(_plain(group[key]) for group in optimizer.param_groups) for key in keys}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


OPTIMIZER_KEYS: dict[type[Optimizer], tuple[str, ...]] = {
    torch.optim.Adam: ("adam", "betas", "weight_decay"),
    torch.optim.AdamW: ("adamw", "betas", "weight_decay"),
    torch.optim.SGD: ("sgd", "momentum", "weight_decay"),
}
"""Class → kind and the keys of its groups that are knobs."""


def read_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """Kind by class, the rest from the groups."""
    kind, *keys = OPTIMIZER_KEYS[type(optimizer)]
    return {"kind": kind, **_groups(optimizer, *keys)}


def read_scheduler(scheduler: LRScheduler) -> dict[str, Any]:
    """Kind by class, the rest from what the schedule steps with."""
    match scheduler:
        case ConstantLR():
            return {"kind": "constant"}
        case ExponentialLR():
            return {"kind": "exponential", "gamma": scheduler.gamma}
        case ReduceLROnPlateau():
            return _read_plateau(scheduler)
        case CosineAnnealingLR():
            warmup, cosine = 0, scheduler
        case SequentialLR(_schedulers=[LinearLR() as linear, CosineAnnealingLR() as cosine]):
            warmup = agreed([linear.total_iters, *scheduler._milestones])
        case _:
            return {"kind": type(scheduler).__name__}
    ratio = agreed(cosine.eta_min / base for base in cosine.base_lrs)
    return {"kind": "warmup_cosine", "warmup_epochs": warmup, "min_ratio": ratio}


def _read_plateau(scheduler: ReduceLROnPlateau) -> dict[str, Any]:
    """Its knobs, if all that has no knob is as the plateau of ``models.config`` has it."""
    fixed = (scheduler.mode, scheduler.threshold_mode, scheduler.cooldown, scheduler.eps)
    if fixed != ("min", "rel", 0, LEAST_CUT):
        return {"kind": type(scheduler).__name__}
    return {
        "kind": "plateau",
        "factor": scheduler.factor,
        "patience": scheduler.patience,
        "min_lr": agreed(scheduler.min_lrs),
        "threshold": scheduler.threshold,
    }


def read_clip(clipper: object, trace: Sequence[GradientNorm]) -> dict[str, Any]:
    """What the clipper is, if the measured norms bear it out; otherwise no clipping.

    Norms that are not finite bear out nothing and contradict nothing.
    """
    finite = [n for n in trace if math.isfinite(n.pre_clip) and math.isfinite(n.post_clip)]
    if isinstance(clipper, ClipNorm):
        bound = clipper.max_norm * (1 + CLIP_TOLERANCE)
        if trace and all(norm.post_clip <= bound for norm in finite):
            return {"kind": "norm", "max_norm": clipper.max_norm}
        return {"kind": "none"}
    untouched = all(norm.post_clip == norm.pre_clip for norm in finite)
    known = isinstance(clipper, LeaveGradients) and untouched
    return {"kind": "none" if known else type(clipper).__name__}


def measure_gain(module: PatchFit) -> float:
    """G from what the forward model does to a patch of ones: ‖X̂‖ = g·‖P‖, as F is unitary."""
    probe = module.get_buffer("probe_HW")
    with torch.no_grad():
        predicted = module.predict_amplitude(torch.ones_like(probe)[None, None])
    return _norm(predicted) / _norm(probe)


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.abs().double()))


def read_validation(
    batches: Batches, train_nCHW: Tensor, test_nCHW: Tensor
) -> tuple[str | None, float | None]:
    """Which patches were validated on, by comparing them, and the share that was held out."""
    assert isinstance(batches.training.dataset, Patches)
    trained, validated = (
        dataset.diffraction_nCHW
        for dataset in (batches.training.dataset, batches.validation_patches)
    )
    if torch.equal(trained, train_nCHW) and torch.equal(validated, test_nCHW):
        return "test", None
    if not torch.equal(torch.cat([trained, validated]), train_nCHW):
        return None, None
    total, count = len(train_nCHW), len(validated)
    fraction = batches.division.fraction if isinstance(batches.division, HeldOut) else None
    if fraction is not None and max(1, round(total * fraction)) == count:
        return "held_out", fraction
    return "held_out", count / total
