"""The ``train`` knobs as optimizer, scheduler, clipper, forward model and batches show them.

One knob may be finer than what acts: of ``validation_fraction`` only the number of patches that it
gives. It is reported as the division of the patches holds it if that number was really held out,
and as the share that was held out otherwise.
"""

from __future__ import annotations

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
from models.diagnostics.effective_clip import read_clip
from models.diagnostics.readings import agreed
from models.physics.losses import LOSSES
from models.training.batches import Batches, HeldOut, Patches, as_tensor
from models.training.fit import Fit
from models.training.module import PatchFit


def train_leaves(fit: Fit, train: Split, test: Split) -> dict[str, Any]:
    """Every knob of ``Train``, read after the fit."""
    module = fit.module
    (optimizer,) = fit.trainer.optimizers
    gain, per_batch = read_gain(module, max(fit.inputs.training))
    validation, fraction = read_validation(fit.batches, as_tensor(train), as_tensor(test))
    return {
        "epochs": len(fit.history.epochs),
        "batch_size": max(fit.inputs.training),
        "inference_batch_size": max(fit.inputs.inference),
        "learning_rate": agreed(group["initial_lr"] for group in optimizer.param_groups),
        "optimizer": read_optimizer(optimizer),
        "scheduler": read_scheduler(scheduler_of(fit)),
        "clip": read_clip(module.clipper, fit.net, module.gradients.trace),
        "loss": agreed(name for name, loss in LOSSES.items() if loss is module.loss),
        "physics_gain": gain,
        "gain_per_batch": per_batch,
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


def read_gain(module: PatchFit, full_batch: int) -> tuple[float, bool | None]:
    """G for a full batch, and whether it grows with the batch: measured for one twice as large.

    Neither is the case where the second is ``None``.
    """
    gain, doubled = (measure_gain(module, count) for count in (full_batch, 2 * full_batch))
    return gain, {1.0: False, 2.0: True}.get(round(doubled / gain, 4))


def measure_gain(module: PatchFit, count: int) -> float:
    """G from what the forward model does to ``count`` patches of ones.

    F is unitary, so that ‖X̂‖ = g·‖P‖ for each of them.
    """
    probe = module.get_buffer("probe_HW")
    with torch.no_grad():
        predicted = module.predict_amplitude(torch.ones_like(probe).expand(count, 1, -1, -1))
    return _norm(predicted[0]) / _norm(probe)


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
