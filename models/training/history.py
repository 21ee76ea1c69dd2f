"""One record an epoch: losses, the learning rate that was used, and what the monitor saw."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from models.job import Events
from models.log import warn
from models.training.collapse_monitor import CollapseMonitor, CollapseSample, Signs, is_flat
from models.training.observers import MeanLoss
from models.training.schedulers import MONITORED

SECONDS_BETWEEN_EVENTS = 1.0


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What one epoch was. Losses are NaN when they were not finite."""

    train_loss: float
    val_loss: float
    learning_rates: tuple[float, ...]
    """The distinct rates of its steps, in the order of their first use; one, if all is well."""
    sample: CollapseSample
    """What the watched patches showed at its end."""
    steps: int
    """Times that the optimizer has stepped."""

    @property
    def recon_amp_rel_std(self) -> float:
        """Relative std of the watched amplitude; NaN when it is not finite."""
        return self.sample.recon_amp_rel_std

    @property
    def is_finite(self) -> bool:
        """Whether both losses are finite."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_loss)


@dataclass
class _Running:
    """The epoch under way."""

    train_loss: MeanLoss = field(default_factory=MeanLoss)
    val_loss: MeanLoss = field(default_factory=MeanLoss)
    rates: dict[float, None] = field(default_factory=dict)
    steps: int = 0
    started_at: float = field(default_factory=time.perf_counter)

    @property
    def steps_per_s(self) -> float:
        return self.steps / (time.perf_counter() - self.started_at)


class History(Callback):
    """Records every epoch and reports progress.

    A loss that is not finite is recorded and ends nothing here: the run that was declared is the
    run that is made. ``not_finite`` ends one that was declared to end then.
    """

    def __init__(self, events: Events, monitor: CollapseMonitor) -> None:
        self.epochs: list[Epoch] = []
        self.training_s = 0.0
        self._events, self._monitor = events, monitor
        self._running = _Running()
        self._reported_at = -math.inf

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count steps where they are taken."""
        for optimizer in trainer.optimizers:
            optimizer.register_step_post_hook(self._count_step)

    def _count_step(self, _optimizer: Optimizer, _args: object, _named: object) -> None:
        self._running.steps += 1

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a new record."""
        self._running = _Running()

    @override
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Note the rates that the step to come is taken with."""
        for group in optimizer.param_groups:
            self._running.rates[float(group["lr"])] = None

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Add the loss of the batch."""
        loss = loss_of(outputs)
        self._running.train_loss.add(loss, len(batch))
        self._report_step(trainer)

    def _report_step(self, trainer: Trainer) -> None:
        now = time.perf_counter()
        if now - self._reported_at >= SECONDS_BETWEEN_EVENTS:
            self._reported_at = now
            self._events.write(
                "step",
                epoch=trainer.current_epoch,
                step=trainer.global_step - 1,
                steps_per_s=self._running.steps_per_s,
            )

    @override
    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the clock of the training steps."""
        self.training_s += time.perf_counter() - self._running.started_at

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
        """Add the loss of the batch."""
        self._running.val_loss.add(loss_of(outputs), len(batch))

    @override
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let the schedule see the very loss that is recorded; float64 keeps all its digits."""
        loss = torch.tensor(self._running.val_loss.value, dtype=torch.float64)
        pl_module.log(MONITORED, loss, batch_size=1)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the record; Lightning has validated by now, and not yet stepped the schedule."""
        running = self._running
        epoch = Epoch(
            train_loss=running.train_loss.value,
            val_loss=running.val_loss.value,
            learning_rates=tuple(running.rates),
            sample=self._monitor.sample(),
            steps=running.steps,
        )
        self.epochs.append(epoch)
        self._events.write(
            "epoch",
            epoch=trainer.current_epoch,
            train_loss=epoch.train_loss,
            val_loss=epoch.val_loss,
            learning_rate=epoch.learning_rates[0],
            steps_per_s=running.steps_per_s,
        )
        for change in changes(self.epochs):
            warn(f"epoch {trainer.current_epoch}: {change}")

    @override
    def state_dict(self) -> dict[str, Any]:
        """The epochs so far and the time that their steps took."""
        return {"epochs": [_plain(epoch) for epoch in self.epochs], "training_s": self.training_s}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the epochs of another fit."""
        self.epochs = [_epoch(plain) for plain in state_dict["epochs"]]
        self.training_s = state_dict["training_s"]

    @property
    def has_nan(self) -> bool:
        """Whether any loss was not finite."""
        return not all(epoch.is_finite for epoch in self.epochs)

    @property
    def best_epoch(self) -> int | None:
        """First epoch with the smallest finite validation loss, or ``None`` without any."""
        finite = [
            (epoch.val_loss, index)
            for index, epoch in enumerate(self.epochs)
            if math.isfinite(epoch.val_loss)
        ]
        return min(finite)[1] if finite else None


def _plain(epoch: Epoch) -> dict[str, Any]:
    return {
        "losses": (epoch.train_loss, epoch.val_loss),
        "learning_rates": epoch.learning_rates,
        "steps": epoch.steps,
        "recon_amp_rel_std": epoch.sample.recon_amp_rel_std,
        "decoder": {name: astuple(signs) for name, signs in epoch.sample.decoder.items()},
    }


def _epoch(plain: dict[str, Any]) -> Epoch:
    train_loss, val_loss = plain["losses"]
    return Epoch(
        train_loss=train_loss,
        val_loss=val_loss,
        learning_rates=tuple(plain["learning_rates"]),
        sample=CollapseSample(
            recon_amp_rel_std=plain["recon_amp_rel_std"],
            decoder={name: Signs(*counted) for name, counted in plain["decoder"].items()},
        ),
        steps=plain["steps"],
    )


def changes(epochs: Sequence[Epoch]) -> Iterator[str]:
    """What the last of some epochs has for the first time, or no longer, that bodes ill."""
    last = epochs[-1]
    before = epochs[-2] if len(epochs) > 1 else None
    was_finite = before is None or before.is_finite
    was_flat = before is not None and is_flat(before.recon_amp_rel_std)
    if last.is_finite != was_finite:
        yield "the losses are finite again" if last.is_finite else "a loss is not finite"
    if is_flat(last.recon_amp_rel_std) != was_flat:
        detail = f"relative std {last.recon_amp_rel_std:.3g}"
        still = "is no longer constant" if was_flat else "is constant, or not finite"
        yield f"the amplitude of the watched patches {still}: {detail}"


def loss_of(outputs: Tensor | Mapping[str, Tensor]) -> float:
    """The loss in what Lightning hands on of a step."""
    return float(outputs["loss"] if isinstance(outputs, Mapping) else outputs)
