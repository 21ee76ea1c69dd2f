"""The knobs of the fit: optimizer, schedule, clipping, loss and validation."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.config.dataset import Dataset
from models.config.tables import Fraction, Table

BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]
Betas = tuple[BelowOne, BelowOne]
WeightDecay = Annotated[float, Field(ge=0.0)]

_BETAS = "Decay rates of the running means of the gradient and of its square."


class Adam(Table):
    """Adam; the penalty is added to the gradient."""

    kind: Literal["adam"] = Field("adam", description="Adam.")
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    weight_decay: WeightDecay = Field(0.0, description="L2 penalty, added to the gradient.")


class AdamW(Table):
    """Adam with decoupled weight decay."""

    kind: Literal["adamw"] = Field("adamw", description="Adam with decoupled weight decay.")
    betas: Betas = Field((0.9, 0.999), description=_BETAS)
    weight_decay: WeightDecay = Field(
        0.01, description="Share of a weight, times the learning rate, taken off at each step."
    )


class Sgd(Table):
    """Stochastic gradient descent; Nesterov's form whenever there is momentum."""

    kind: Literal["sgd"] = Field(
        "sgd", description="Stochastic gradient descent, Nesterov's form if there is momentum."
    )
    momentum: BelowOne = Field(0.9, description="Share of the last update that is kept.")
    weight_decay: WeightDecay = Field(0.0, description="L2 penalty, added to the gradient.")


Optimizer = Annotated[Adam | AdamW | Sgd, Field(discriminator="kind")]


class Constant(Table):
    """The base learning rate throughout."""

    kind: Literal["constant"] = Field("constant", description="The base learning rate throughout.")


class WarmupCosine(Table):
    """Linear warm-up from a tenth of the rate, then a half cosine down to ``min_ratio`` of it."""

    kind: Literal["warmup_cosine"] = Field(
        "warmup_cosine", description="Linear warm-up from a tenth of the rate, then a half cosine."
    )
    warmup_epochs: Annotated[int, Field(ge=0)] = Field(
        5, description="Epochs of warm-up, fewer than `epochs`; 0 is a plain cosine."
    )
    min_ratio: Fraction = Field(0.05, description="Share of the base rate that the cosine ends at.")


Scheduler = Annotated[Constant | WarmupCosine, Field(discriminator="kind")]


class NoClip(Table):
    """Leave the gradient as it is."""

    kind: Literal["none"] = Field("none", description="The gradient as it is.")


class NormClip(Table):
    """Scale the whole gradient so that its global L2 norm is at most ``max_norm``."""

    kind: Literal["norm"] = Field("norm", description="Scale the whole gradient down.")
    max_norm: PositiveFloat = Field(1.0, description="Largest global L2 norm of the gradient.")


Clip = Annotated[NoClip | NormClip, Field(discriminator="kind")]


class Train(Table):
    """How the network is fitted."""

    epochs: PositiveInt = Field(20, description="Passes over the training patches.")
    batch_size: PositiveInt = Field(16, description="Patches per optimisation step.")
    inference_batch_size: PositiveInt = Field(8, description="Patches per evaluation step.")
    learning_rate: PositiveFloat = Field(1e-3, description="Base learning rate.")
    optimizer: Optimizer = Field(default_factory=Adam, description="Update rule.")
    scheduler: Scheduler = Field(default_factory=Constant, description="Learning rate by epoch.")
    clip: Clip = Field(default_factory=NoClip, description="Gradient clipping.")
    loss: Literal["mae", "poisson"] = Field("mae", description="Loss in the detector plane.")
    physics_gain: PositiveFloat = Field(17.4, description="Constant gain g of the forward model.")
    validation: Literal["held_out", "test"] = Field(
        "held_out",
        description="Validate on patches held out of the training scan, or on the test split.",
    )
    validation_fraction: Annotated[float, Field(gt=0.0, lt=1.0)] | None = Field(
        default_factory=lambda table: 0.05 if table.get("validation") == "held_out" else None,
        description="Share of the training scan that is held out, by default 0.05. There is none "
        "when the test split validates.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if isinstance(self.scheduler, WarmupCosine) and self.scheduler.warmup_epochs >= self.epochs:
            raise ValueError(
                f"scheduler.warmup_epochs {self.scheduler.warmup_epochs} leaves nothing of epochs "
                f"{self.epochs} for the cosine; use at most {self.epochs - 1}"
            )
        if (self.validation_fraction is None) == (self.validation == "held_out"):
            raise ValueError(
                "validation_fraction belongs to validation 'held_out' and to no other; "
                + ("give it" if self.validation == "held_out" else "remove it")
            )
        return self

    def learning_rate_at(self, epoch: int) -> float:
        """Learning rate that the declared schedule uses during ``epoch`` (counted from 0).

        ``warmup_cosine`` over W warm-up epochs of E: lr·(0.1 + 0.9·e/W) for e < W, then
        lr·[m + (1 − m)·(1 + cos(π·(e − W)/(E − W)))/2] with m = ``min_ratio``.
        """
        scheduler = self.scheduler
        if isinstance(scheduler, Constant):
            return self.learning_rate
        warmup, floor = scheduler.warmup_epochs, scheduler.min_ratio
        if epoch < warmup:
            return self.learning_rate * (0.1 + 0.9 * epoch / warmup)
        progress = (epoch - warmup) / (self.epochs - warmup)
        return self.learning_rate * (floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2)


def num_training_patches(dataset: Dataset, train: Train) -> int:
    """Training patches that are left after the validation split is held out."""
    total = dataset.num_train_objects * dataset.patches_per_object(dataset.train_stride)
    return total - num_held_out(total, train)


def num_held_out(total: int, train: Train) -> int:
    """Patches of a training scan of ``total`` that are held out for validation."""
    return (
        0 if train.validation_fraction is None else max(1, round(total * train.validation_fraction))
    )


def steps_per_epoch(dataset: Dataset, train: Train) -> int:
    """Optimisation steps in one epoch; the last batch may be smaller."""
    return math.ceil(num_training_patches(dataset, train) / train.batch_size)
