"""Ends a fit at its first loss, or its first weight, that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.optim import Optimizer
from typing_extensions import override

from models.training.history import loss_of


@dataclass(frozen=True, kw_only=True)
class Stop:
    """Where a fit was ended. Epoch and step are counted from 0, steps over the whole fit."""

    epoch: int
    step: int
    what: str
    """What was not finite: ``training loss``, ``validation loss``, or ``weights of <name>``."""


class NotFiniteError(ArithmeticError):
    """Something of a fit is not finite, and the fit was to end then."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(f"{stop.what}: not finite in epoch {stop.epoch}, at step {stop.step}")
        self.stop = stop


class StopAtNotFinite(Callback):
    """Raises ``NotFiniteError`` out of a fit; ``train.on_nan = "stop"``.

    A training loss is looked at before the step that it leads to, so that the weights stay those
    that gave it. It has no state: a fit that goes on from a checkpoint was finite there.
    """

    def __init__(self) -> None:
        self._loss = 0.0

    @override
    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Note the loss of the step to come; its backward pass is still made."""
        self._loss = float(loss.detach())

    @override
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """End the fit if the loss is not finite; the step is not taken."""
        if not math.isfinite(self._loss):
            self._end(trainer, "training loss", trainer.global_step)

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """End the fit if the step has left a weight that is not finite."""
        if name := first_not_finite(pl_module.named_parameters()):
            # The step has been taken and counted: it is the one before.
            self._end(trainer, f"weights of {name.removeprefix('net.')}", trainer.global_step - 1)

    @override
    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """End the fit if the loss is not finite."""
        if not math.isfinite(loss_of(outputs)):
            self._end(trainer, "validation loss", trainer.global_step - 1)

    def _end(self, trainer: Trainer, what: str, step: int) -> None:
        raise NotFiniteError(Stop(epoch=trainer.current_epoch, step=step, what=what))


def first_not_finite(parameters: Iterable[tuple[str, nn.Parameter]]) -> str | None:
    """Name of the first parameter with an element that is not finite; ``None`` for none."""
    named = list(parameters)
    finite = torch.stack([parameter.detach().isfinite().all() for _, parameter in named]).tolist()
    return next((name for (name, _), whole in zip(named, finite, strict=True) if not whole), None)
