"""The Lightning module: it binds network, forward model, loss, optimizer, schedule and clipping.

Shapes: B patches in a batch, C channels, H = W = N pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lightning.pytorch import LightningModule
from torch import Tensor
from torch.optim import Optimizer
from typing_extensions import override

from models.config import Train
from models.nets.generator import Generator
from models.physics.diffraction import predict_amplitude
from models.physics.losses import LOSSES
from models.physics.overlap import ALONE, Offsets, consistent
from models.training.clipping import CLIPPERS
from models.training.gradient_norms import GradientNorms
from models.training.optimizers import OPTIMIZERS
from models.training.schedulers import MONITORED, SCHEDULERS


def constant_gain(train: Train, _batch: int) -> float:
    """The gain g, whatever the batch."""
    return train.physics_gain


def gain_per_batch(train: Train, batch: int) -> float:
    """g·B/B_full: as large as the batch, and g for a full one.

    The reference multiplied the amplitude by the size of the batch through a broadcasting accident.
    The last batch of an epoch and the batches of validation then have another gain.
    """
    return train.physics_gain * batch / train.batch_size


GAINS: dict[bool, Callable[[Train, int], float]] = {False: constant_gain, True: gain_per_batch}
"""``gain_per_batch`` → gain from the settings and the size of the batch."""


class PatchFit(LightningModule):
    """Fits a generator so that the forward model of its patches explains the measurement.

    Arguments:
        net: maps measured amplitudes to complex patches, both (B, C, H, W).
        probe_HW: the normalised probe.
        train: optimizer, schedule, clipping, loss and gain.
        gradients: measures every gradient before and after it is clipped.
        training_offsets: where the patches of a training sample lie.
        validation_offsets: the same of a validation sample.
    """

    def __init__(
        self,
        net: Generator,
        probe_HW: Tensor,
        train: Train,
        gradients: GradientNorms,
        *,
        training_offsets: Offsets = ALONE,
        validation_offsets: Offsets = ALONE,
    ) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("probe_HW", probe_HW, persistent=False)
        self.settings = train
        self.loss = LOSSES[train.loss]
        self.clipper = CLIPPERS[train.clip.kind](train.clip, net)
        self.gradients = gradients
        self.training_offsets, self.validation_offsets = training_offsets, validation_offsets

    def predict_amplitude(self, patches_BCHW: Tensor, offsets: Offsets = ALONE) -> Tensor:
        """Amplitude that the detector would measure of complex patches, of their shape.

        Patches of a sample are views of one object: where they overlap they are averaged first.
        """
        gain = GAINS[self.settings.gain_per_batch](self.settings, len(patches_BCHW))
        patches_BCHW = consistent(patches_BCHW, offsets)
        return predict_amplitude(patches_BCHW, self.get_buffer("probe_HW"), gain)

    @override
    def training_step(self, measured_BCHW: Tensor, _index: int) -> Tensor:
        """Loss of one batch."""
        predicted = self.predict_amplitude(self.net(measured_BCHW), self.training_offsets)
        return self.loss(predicted, measured_BCHW)

    @override
    def validation_step(self, measured_BCHW: Tensor, _index: int) -> Tensor:
        """Loss of one batch; Lightning has switched gradients off."""
        predicted = self.predict_amplitude(self.net(measured_BCHW), self.validation_offsets)
        return self.loss(predicted, measured_BCHW)

    @override
    def configure_optimizers(self) -> Any:
        """Optimizer and schedule, which Lightning steps at the end of each epoch."""
        train = self.settings
        build = OPTIMIZERS[train.optimizer.kind]
        optimizer = build(train.optimizer, self.net.parameters(), train.learning_rate)
        schedule = SCHEDULERS[train.scheduler.kind](train.scheduler, optimizer, train.epochs)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule,
                "interval": "epoch",
                "frequency": 1,
                "monitor": MONITORED,
            },
        }

    @override
    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip, and measure on both sides; the last thing before the optimizer steps."""
        parameters = list(self.net.parameters())
        where = self.global_step, self.current_epoch
        with self.gradients.measuring(parameters, self.clipper, *where):
            self.clipper()
