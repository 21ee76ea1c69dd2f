"""A fit that leaves checkpoints while it runs, and that goes on from one."""

from __future__ import annotations

import pickle
import shutil
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from typing_extensions import override

from models.config import CheckpointEvery
from models.job import JobError
from models.log import say
from models.training.fit import Fit
from models.training.fit_checkpoints import Given, Writer
from models.training.fit_state import restore, take


class Checkpointing(Callback):
    """Writes checkpoints of a fit into a folder, and goes on from one. Listed after all others.

    A state is taken when an epoch begins, for only then is everything of the one before complete,
    the schedule's step included; and when the last one has ended. Of those that are not due the
    latest stays in memory: it is written when the job is asked to stop.
    """

    def __init__(
        self,
        fit: Fit,
        folder: Path,
        *,
        every: CheckpointEvery,
        job_sha256: str,
        given: Given | None = None,
    ) -> None:
        self._fit, self._given, self._every = fit, given, every
        self._writer = Writer(folder, job_sha256)
        self._state: dict[str, Any] | None = None
        self._others: list[Path] = []
        self._written_at = time.monotonic()
        self._asked_to_stop = False

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Go on from the checkpoint that was given, if one was."""
        if self._given is not None:
            go_on(self._fit, self._given, self._writer.folder)

    @override
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Listen to who asks to stop, in place of Lightning, which does so from here on.

        It would end the fit at the end of a batch or an epoch, whichever comes first, and leave
        nothing: https://github.com/Lightning-AI/pytorch-lightning/blob/2.6.6/src/lightning/pytorch/loops/fit_loop.py#L502
        """
        signal.signal(signal.SIGTERM, self._ask_to_stop)

    @override
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the state after the epoch before, and write it if it is due."""
        if trainer.current_epoch:
            self._take()
            if self._is_due(trainer.current_epoch):
                self._write()

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the state after the last epoch: what follows the fit takes its time, too."""
        self._take()
        self._write()

    @override
    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Tensor,
        batch_idx: int,
    ) -> None:
        """Stop here if the job was asked to."""
        self._stop_if_asked()

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
        """Stop here if the job was asked to."""
        self._stop_if_asked()

    @override
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From here on a job that is asked to stop has nothing to add."""
        self._stop_if_asked()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._state = None

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _stop_if_asked(self) -> None:
        if self._asked_to_stop:
            say("asked to stop")
            if self._state is not None:
                self._write()
            raise SystemExit(128 + signal.SIGTERM)

    def _take(self) -> None:
        evidence, self._state = self._fit.evidence, None  # no two of them at a time
        self._state = take(self._fit)
        self._others = [] if evidence is None else evidence.files

    def _is_due(self, epochs: int) -> bool:
        often, minutes = self._every.epochs, self._every.minutes
        waited_s = time.monotonic() - self._written_at
        return (often is not None and epochs % often == 0) or (
            minutes is not None and waited_s >= 60 * minutes
        )

    def _write(self) -> None:
        assert self._state is not None
        self._writer.write(self._state, self._others)
        self._written_at = time.monotonic()


def go_on(fit: Fit, given: Given, folder: Path) -> None:
    """Have a fit that has not begun go on from a checkpoint; ``folder`` gets what it had left.

    Raises:
        JobError: it is the state of another fit.
    """
    try:
        restore(fit, torch.load(given.state, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{given.state.name} cannot be gone on from: {error}") from error
    if fit.trainer.current_epoch != given.epochs:
        raise JobError(f"{given.state.name} is after {fit.trainer.current_epoch} epochs")
    for path in given.others:
        shutil.copyfile(path, folder / path.name)
    say(f"goes on from the checkpoint after {given.epochs} epochs")
