"""The ``train`` knobs as optimizer, scheduler, clipper, forward model and batches show them.

One knob may be finer than what acts: of ``validation_fraction`` only the number of patches that it
gives. It is reported as the division of the patches holds it if that number was really held out,
and as the share that was held out otherwise.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
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
from models.training.not_finite import Stop, StopAtNotFinite


def train_leaves(fit: Fit, train: Split, test: Split) -> dict[str, Any]:
    """Every knob of ``Train``, read after the fit; ``on_nan`` is there where a fit would stop."""
    module = fit.module
    (optimizer,) = fit.trainer.optimizers
    gain, per_batch = read_gain(fit, max(fit.inputs.training))
    validation, fraction = read_validation(fit.batches, as_tensor(train), as_tensor(test))
    return {
        "epochs": len(fit.history.epochs),
        "batch_size": max(fit.inputs.training),
        "inference_batch_size": max(fit.inputs.inference, default=fit.batches.inference_batch_size),
        "learning_rate": agreed(group["initial_lr"] for group in optimizer.param_groups),
        "optimizer": read_optimizer(optimizer),
        "scheduler": read_scheduler(scheduler_of(fit)),
        "clip": read_clip(module.clipper, fit.net, module.gradients.trace),
        "loss": agreed(name for name, loss in LOSSES.items() if loss is fit.gains.loss),
        "physics_gain": gain,
        "gain_per_batch": per_batch,
        "validation": validation,
        "validation_fraction": fraction,
        **({"on_nan": "stop"} if stops(fit) else {}),
    }


def stops(fit: Fit) -> bool:
    """Whether the loop had what ends it where something is not finite."""
    callbacks = fit.trainer.callbacks  # type: ignore[attr-defined]
    return any(isinstance(one, StopAtNotFinite) for one in callbacks)


def stopped_leaves(fit: Fit, train: Split, test: Split, stop: Stop) -> dict[str, Any]:
    """What of ``Train`` a fit can show that was ended on its way.

    What it was to do is read where it was not done: the epochs from the loop, the size of batches
    to infer from the loader, unless there were some. At the first step a clipper may not have
    been called yet.
    """
    shown = train_leaves(fit, train, test)
    shown["epochs"] = fit.trainer.max_epochs
    if not stop.step:
        del shown["clip"]
    return shown


def scheduler_of(fit: Fit) -> LRScheduler:
    """The schedule that Lightning has stepped."""
    (config,) = fit.trainer.lr_scheduler_configs
    assert isinstance(config.scheduler, LRScheduler)
    return config.scheduler


def _groups(optimizer: Optimizer, *keys: str) -> dict[str, Any]:
    return {key: agreed(_plain(group[key]) for group in optimizer.param_groups) for key in keys}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def read_fixed(optimizer: Optimizer) -> dict[str, Any]:
    """What the groups hold that no knob decides."""
    fixed = {"amsgrad", "dampening", "decoupled_weight_decay", "eps", "maximize", "nesterov"}
    return _groups(optimizer, *sorted(fixed.intersection(*optimizer.param_groups)))


def not_in_one_group(net: nn.Module, optimizer: Optimizer) -> list[str]:
    """Parameters that are in no group of the optimizer, in several, frozen, or not the network's.

    Each is named once; one that is not the network's has no name.
    """
    held = Counter(id(tensor) for group in optimizer.param_groups for tensor in group["params"])
    names = [
        name
        for name, parameter in net.named_parameters()
        if held.pop(id(parameter), 0) != 1 or not parameter.requires_grad
    ]
    return [*names, *["not of the network"] * len(held)]


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


def read_gain(fit: Fit, full_batch: int) -> tuple[float, bool | None]:
    """The gain of the first training batch, and whether it grows with the batch.

    The first is measured on the data, and on patches of ones where these have no finite gain; the
    second on twice as many patches. It is ``None`` where the gain neither stays nor doubles.
    """
    gain, doubled = (measure_gain(fit.module, count) for count in (full_batch, 2 * full_batch))
    first = fit.gains.first
    used = gain if first is None or not math.isfinite(first) else first
    return used, {1.0: False, 2.0: True}.get(round(doubled / gain, 4))


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
