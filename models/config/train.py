"""The knobs of the fit: optimizer, schedule, clipping, loss and validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.config.clips import Clip, NoClip
from models.config.dataset import Dataset
from models.config.optimizers import Adam, Optimizer
from models.config.schedules import Constant, Plateau, Scheduler, WarmupCosine
from models.config.tables import Table


def _is_continue(value: object) -> bool:
    return value == "continue"


class Train(Table):
    """How the network is fitted."""

    epochs: PositiveInt = Field(20, description="Passes over the training samples.")
    batch_size: PositiveInt = Field(16, description="Samples per optimisation step.")
    inference_batch_size: PositiveInt = Field(8, description="Samples per evaluation step.")
    learning_rate: PositiveFloat = Field(1e-3, description="Base learning rate.")
    optimizer: Optimizer = Field(default_factory=Adam, description="Update rule.")
    scheduler: Scheduler = Field(default_factory=Constant, description="Learning rate by epoch.")
    clip: Clip = Field(default_factory=NoClip, description="Gradient clipping.")
    loss: Literal["mae", "poisson"] = Field("mae", description="Loss in the detector plane.")
    physics_gain: PositiveFloat = Field(17.4, description="Gain g of the forward model.")
    gain_per_batch: bool = Field(
        default=False,
        description="Whether the gain is g times the size of the batch over `batch_size`, as the "
        "reference had it by accident; only to study what it does.",
    )
    validation: Literal["held_out", "test"] = Field(
        "held_out",
        description="Validate on samples held out of the training scan, or on the test split.",
    )
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        default_factory=lambda table: 0.05 if table.get("validation") == "held_out" else None,
        description="Share of the training scan that is held out, by default 0.05. There is none "
        "when the test split validates.",
    )
    on_nan: Literal["continue", "stop"] = Field(
        "continue",
        exclude_if=_is_continue,  # a plan that does not stop is as it was before one could
        description="What becomes of a fit at its first loss, or its first weight after a step, "
        "that is not finite: it goes on to its last epoch, or it ends there, as an arm without "
        "scores. A plan says nothing of `continue`.",
    )

    @model_validator(mode="after")
    def _schedule_acts(self) -> Self:
        scheduler, base = self.scheduler, self.learning_rate
        if isinstance(scheduler, WarmupCosine) and scheduler.warmup_epochs >= self.epochs:
            raise ValueError(
                f"scheduler.warmup_epochs {scheduler.warmup_epochs} leaves nothing of epochs "
                f"{self.epochs} for the cosine; use at most {self.epochs - 1}"
            )
        if isinstance(scheduler, Plateau) and scheduler.cut(base) == base:
            raise ValueError(
                f"scheduler.min_lr {scheduler.min_lr:g} and factor {scheduler.factor:g} let the "
                f"plateau cut nothing off learning_rate {base:g}; lower min_lr"
            )
        return self

    @model_validator(mode="after")
    def _validation_fits(self) -> Self:
        if (self.validation_fraction is None) == (self.validation == "held_out"):
            raise ValueError(
                "validation_fraction belongs to validation 'held_out' and to no other; "
                + ("give it" if self.validation == "held_out" else "remove it")
            )
        return self

    def learning_rate_after(self, val_losses: Sequence[float | None]) -> float:
        """Learning rate that the schedule uses in the epoch after those with ``val_losses``.

        One validation loss for each epoch that is over, ``None`` for one that was not finite; only
        the plateau looks at more than their number.
        """
        return self.scheduler.rate(self.learning_rate, self.epochs, val_losses)


def num_training_samples(dataset: Dataset, train: Train) -> int:
    """Training samples that are left after the validation split is held out."""
    total = dataset.num_train_objects * dataset.samples_per_object(dataset.train_stride)
    return total - num_held_out(total, train)


def num_held_out(total: int, train: Train) -> int:
    """Samples of a training scan of ``total`` that are held out for validation."""
    return (
        0 if train.validation_fraction is None else max(1, round(total * train.validation_fraction))
    )


def steps_per_epoch(dataset: Dataset, train: Train) -> int:
    """Optimisation steps in one epoch; the last batch may be smaller."""
    return math.ceil(num_training_samples(dataset, train) / train.batch_size)
