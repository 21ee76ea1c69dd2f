"""All knobs of one experiment together, and what they demand of each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, PositiveInt, model_validator

from models.config.dataset import Dataset
from models.config.model import RESIDUAL_HALVINGS, Model, largest_num_blocks
from models.config.tables import Table
from models.config.train import Train, num_training_samples

COLLAPSE_REPORTS = (
    "activation_report_before_collapse.json",
    "activation_report_at_collapse.json",
)
"""Names of the activation reports that are made on collapse."""


class Diagnostics(Table):
    """What an arm records about itself beside its results."""

    grad_norm_every: PositiveInt = Field(
        1, description="Steps between two entries of the gradient-norm trace."
    )
    activations: bool = Field(default=False, description="Whether to write an activation report.")
    activation_report: (
        Annotated[str, Field(pattern=r"^activation_report[A-Za-z0-9_-]*\.json$")] | None
    ) = Field(
        default_factory=lambda table: (
            "activation_report.json" if table.get("activations") else None
        ),
        description="File name of the activation report, by default "
        "`activation_report.json`. There is none without `activations`.",
    )
    on_collapse: bool = Field(
        default=True,
        description="Whether an arm that collapses, or ends not finite, keeps the weights before "
        "and after the epoch in which it did, with an activation report and gradient histograms "
        "of both.",
    )
    grad_hist_epochs: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (),
        description="Epochs, counted from 0 and ascending, at whose end gradient histograms are "
        "taken.",
    )
    audit_steps: Annotated[int, Field(ge=0, le=10)] = Field(
        0,
        description="Steps in a row that are left for an audit at each of three moments, with a "
        "trace of all steps; 0 leaves nothing. The plan's digest chooses the moments.",
    )

    @model_validator(mode="after")
    def _applicable(self) -> Self:
        if (self.activation_report is None) == self.activations:
            raise ValueError(
                "activation_report names the file of 'activations = true'; "
                + ("give it" if self.activations else "remove it")
            )
        if self.activation_report in COLLAPSE_REPORTS:
            raise ValueError(
                f"activation_report {self.activation_report!r} is the name of a report that is "
                "made on collapse; choose another one"
            )
        if any(later <= epoch for epoch, later in pairwise(self.grad_hist_epochs)):
            raise ValueError(
                f"grad_hist_epochs {[*self.grad_hist_epochs]} do not ascend; "
                "name each epoch once, in order"
            )
        return self


class Parameters(Table):
    """Everything that decides what one arm computes, apart from its seed."""

    dataset: Dataset = Field(default_factory=Dataset)
    model: Model = Field(default_factory=Model)
    train: Train = Field(default_factory=Train)
    diagnostics: Diagnostics = Field(default_factory=Diagnostics)

    @model_validator(mode="after")
    def _shape_exists(self) -> Self:
        side, model = self.dataset.patch_size, self.model
        largest = largest_num_blocks(side)
        if model.architecture == "hybrid_resnet" and side % 2**RESIDUAL_HALVINGS:
            raise ValueError(
                f"dataset.patch_size {side} cannot be halved twice, as model.architecture "
                f"'hybrid_resnet' does; give a multiple of {2**RESIDUAL_HALVINGS}"
            )
        if model.num_halvings > largest - 1:
            raise ValueError(
                f"model.{model.blocks_knob} {model.num_blocks} cannot fit dataset.patch_size "
                f"{side}: at most {largest} blocks fit; lower it, or set model.max_levels to at "
                f"most {largest - 1}"
            )
        readable = side // 2 + 1 if model.corners == 2 else side
        if model.modes is not None and model.modes > readable:
            raise ValueError(
                f"model.modes {model.modes} exceeds the {readable} that maps of "
                f"dataset.patch_size {side} have with model.corners {model.corners}"
            )
        return self

    @model_validator(mode="after")
    def _epochs_exist(self) -> Self:
        epochs, last = self.diagnostics.grad_hist_epochs, self.train.epochs - 1
        if epochs and epochs[-1] > last:
            raise ValueError(
                f"diagnostics.grad_hist_epochs {[*epochs]} goes beyond epoch {last}, the last of "
                f"train.epochs {self.train.epochs}; epochs are counted from 0"
            )
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        training = num_training_samples(self.dataset, self.train)
        if self.train.batch_size > training:
            raise ValueError(
                f"train.batch_size {self.train.batch_size} exceeds the {training} training samples"
            )
        test = self.dataset.samples_per_object(self.dataset.test_stride)
        if self.train.inference_batch_size > test:
            raise ValueError(
                f"train.inference_batch_size {self.train.inference_batch_size} exceeds the {test} "
                "test samples"
            )
        return self
