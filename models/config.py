"""The parameters of one experiment, as frozen values.

Every leaf of these models is a *knob*: the runner plans it, the live objects must show it again in
``effective_config.json``, and the runner compares the two. A knob that means nothing for the chosen
architecture is therefore refused, not ignored: such knobs are ``None`` unless they apply.

This module imports neither torch nor numpy, because the runner validates manifests with it.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]


def _integer(value: object) -> object:
    """Refuse what equals an integer without being one: ``Literal[1]`` takes ``True`` and 1.0."""
    if isinstance(value, bool | float):
        raise ValueError("expected an integer")  # noqa: TRY004  pydantic collects ValueErrors
    return value


Integer = BeforeValidator(_integer)


class Table(BaseModel):
    """A table of the manifest: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


# --- dataset -------------------------------------------------------------------------------------


def _default_defocus(table: dict[str, Any]) -> float | None:
    """Curvature of the defocused probe that keeps its phase at the rim about the same at any N.

    Below N = 21 it stays at 1 rad/px², which neighbouring pixels still resolve at the centre.
    """
    if table.get("probe") != "defocused_disk":
        return None
    side = table.get("patch_size", 64)
    return 0.3 if side == 32 else min(0.1 * (64 / side) ** 2, 1.0)


class Dataset(Table):
    """The simulated ``grid_lines`` dataset: objects, scan, probe and photon noise."""

    kind: Literal["grid_lines"] = Field("grid_lines", description="Which simulation.")
    object_size: PositiveInt = Field(392, description="Side of the cropped object, px.")
    patch_size: Annotated[int, Field(ge=8)] = Field(64, description="Side N of a patch, px; even.")
    gridsize: Annotated[Literal[1], Integer] = Field(
        1, description="Side of the group of patches in one sample."
    )
    train_stride: PositiveInt = Field(4, description="Scan step of the training objects, px.")
    test_stride: PositiveInt = Field(
        10, description="Scan step of the test objects, px; also the side of a stitched tile."
    )
    num_train_objects: PositiveInt = Field(1, description="Objects in the training split.")
    num_test_objects: PositiveInt = Field(1, description="Objects in the test split.")
    train_object_seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        1, description="Seed of the legacy generator that draws the training objects."
    )
    test_object_seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        2, description="Seed of the legacy generator that draws the test objects."
    )
    photons: PositiveFloat = Field(1e9, description="Mean number of photons per pattern.")
    set_phi: bool = Field(
        default=True, description="Whether the object has a phase; false makes it 0."
    )
    probe: Literal["defocused_disk", "ideal_disk"] = Field(
        "defocused_disk", description="Illumination; the ideal disk leaves a twin ambiguity."
    )
    probe_defocus: float | None = Field(
        default_factory=_default_defocus,
        description="Quadratic phase q of the defocused disk, rad/px²; by default 0.1·(64/N)² "
        "but at most 1, and 0.3 at N = 32. Other probes have none.",
    )

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.patch_size % 2:
            raise ValueError(f"patch_size {self.patch_size} is odd; give an even number of pixels")
        if self.test_stride > self.patch_size:
            raise ValueError(
                f"test_stride {self.test_stride} exceeds patch_size {self.patch_size}: "
                "it is the side of a stitched tile, which is the centre of a patch"
            )
        if self.patch_size > self.object_size:
            raise ValueError(
                f"patch_size {self.patch_size} does not fit object_size {self.object_size}"
            )
        if (self.probe_defocus is None) == (self.probe == "defocused_disk"):
            raise ValueError(
                "probe_defocus belongs to probe 'defocused_disk' and to no other; "
                + ("give it" if self.probe == "defocused_disk" else "remove it")
            )
        if self.probe_defocus is not None and not 0 < abs(self.probe_defocus) < math.pi / 2:
            raise ValueError(
                f"probe_defocus {self.probe_defocus} must lie between 0 and π/2 in size: 0 is "
                "probe 'ideal_disk', and from π/2 on the phase is undersampled at the centre"
            )
        return self

    def patches_per_object(self, stride: int) -> int:
        """Number of N×N windows of one object at a scan step of ``stride`` px."""
        return ((self.object_size - self.patch_size) // stride + 1) ** 2


# --- model ---------------------------------------------------------------------------------------


def _stable(table: dict[str, Any]) -> bool:
    return table.get("architecture") == "stable_hybrid"


def _default_block(table: dict[str, Any]) -> Literal["layerscale"] | None:
    return "layerscale" if _stable(table) else None


def _default_layerscale(table: dict[str, Any]) -> float | None:
    return 1e-3 if table.get("stable_block") == "layerscale" else None


class Model(Table):
    """The generator network."""

    architecture: Literal["hybrid", "stable_hybrid"] = Field(
        "hybrid", description="Which generator."
    )
    hidden_channels: PositiveInt = Field(32, description="Width h behind the lifter.")
    max_hidden_channels: PositiveInt | None = Field(
        None, description="Cap on the width of any level; none by default."
    )
    modes: Annotated[int, Field(ge=2)] = Field(12, description="Fourier modes M kept per axis.")
    corners: Annotated[Literal[1, 2], Integer] = Field(
        1, description="1 keeps non-negative row frequencies only, 2 keeps both signs."
    )
    fno_blocks: PositiveInt = Field(
        4, description="Fourier blocks n of the encoder; the bottleneck is one more."
    )
    max_levels: PositiveInt | None = Field(
        None,
        description="Most halvings of the side; further blocks stay at the bottom resolution. No "
        "such bound by default.",
    )
    stable_block: Literal["layerscale", "zero_gamma"] | None = Field(
        default_factory=_default_block,
        description="How the block of `stable_hybrid` starts as (nearly) the identity: by default "
        "`layerscale` (v2). Other architectures have none.",
    )
    layerscale_init: PositiveFloat | None = Field(
        default_factory=_default_layerscale,
        description="Initial λ of the `layerscale` block, by default 1e-3. Other blocks have none.",
    )
    decoder_norm: Literal["none", "instance"] = Field(
        "none", description="Normalisation before each decoder activation."
    )
    output_mode: Literal["real_imag", "amp_phase", "amp_phase_logits"] = Field(
        "real_imag", description="How the head's channels become a complex patch."
    )
    input_transform: Literal["none", "sqrt", "log1p", "instance_norm"] = Field(
        "none", description="What is done to the measured amplitude before the lifter."
    )

    @model_validator(mode="after")
    def _applicable(self) -> Self:
        if (self.stable_block is None) == (self.architecture == "stable_hybrid"):
            raise ValueError(
                f"stable_block belongs to architecture 'stable_hybrid', not to "
                f"'{self.architecture}'; remove it"
                if self.stable_block
                else "stable_block must be given for architecture 'stable_hybrid'"
            )
        if (self.layerscale_init is None) == (self.stable_block == "layerscale"):
            raise ValueError(
                "layerscale_init belongs to stable_block 'layerscale' and to no other; "
                + ("give it" if self.stable_block == "layerscale" else "remove it")
            )
        cap = self.max_hidden_channels
        if cap is not None and cap < self.hidden_channels:
            raise ValueError(
                f"max_hidden_channels {cap} is below hidden_channels {self.hidden_channels}, the "
                "width of the top level; raise it or remove it"
            )
        return self

    @property
    def num_halvings(self) -> int:
        """Times that the encoder halves the side of its feature maps."""
        wanted = self.fno_blocks - 1
        return wanted if self.max_levels is None else min(wanted, self.max_levels)


def largest_fno_blocks(patch_size: int) -> int:
    """Most blocks that fit without ``max_levels``.

    Each halving needs an even side, and the bottom must keep a side of at least 2 px, because an
    instance norm over a single pixel has no variance to divide by.
    """
    blocks, side = 1, patch_size
    while side % 2 == 0 and side >= 4:
        side //= 2
        blocks += 1
    return blocks


# --- training ------------------------------------------------------------------------------------


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

    @model_validator(mode="after")
    def _applicable(self) -> Self:
        if (self.activation_report is None) == self.activations:
            raise ValueError(
                "activation_report names the file of 'activations = true'; "
                + ("give it" if self.activations else "remove it")
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
        side, halvings = self.dataset.patch_size, self.model.num_halvings
        largest = largest_fno_blocks(side)
        if halvings > largest - 1:
            raise ValueError(
                f"model.fno_blocks {self.model.fno_blocks} cannot fit dataset.patch_size {side}: "
                f"at most {largest} blocks fit; lower it, or set model.max_levels to at most "
                f"{largest - 1}"
            )
        bottom = side >> halvings
        if self.model.modes // 2 < 1 or bottom < 2:
            raise ValueError(f"the bottom of the network would have a side of {bottom} px")
        readable = side if self.model.corners == 1 else side // 2 + 1
        if self.model.modes > readable:
            raise ValueError(
                f"model.modes {self.model.modes} exceeds the {readable} that maps of "
                f"dataset.patch_size {side} have with model.corners {self.model.corners}"
            )
        return self

    @model_validator(mode="after")
    def _batches_fit(self) -> Self:
        training = num_training_patches(self.dataset, self.train)
        if self.train.batch_size > training:
            raise ValueError(
                f"train.batch_size {self.train.batch_size} exceeds the {training} training patches"
            )
        test = self.dataset.patches_per_object(self.dataset.test_stride)
        if self.train.inference_batch_size > test:
            raise ValueError(
                f"train.inference_batch_size {self.train.inference_batch_size} exceeds the {test} "
                "test patches"
            )
        return self


def kept_modes(side: int, modes: int, corners: int) -> tuple[int, int, int]:
    """Modes of a real ``side``×``side`` map that a spectral convolution reads.

    Returns:
        Rows from frequency 0 upwards, rows from the last one downwards, and columns of the half
        spectrum. No frequency is counted twice where the two corners would meet.
    """
    columns = min(modes, side // 2 + 1)
    if corners == 1:
        return min(modes, side), 0, columns
    return min(modes, side - side // 2), min(modes, side // 2), columns


def level_widths(model: Model) -> tuple[int, ...]:
    """Channels at each level of the encoder, top first: doubled by each halving up to the cap."""
    widths = [model.hidden_channels]
    for _ in range(model.num_halvings):
        doubled = 2 * widths[-1]
        cap = model.max_hidden_channels
        widths.append(doubled if cap is None else min(doubled, cap))
    return tuple(widths)


class ParameterCount(NamedTuple):
    """Trainable numbers of a network, a complex one counted once.

    ``live`` is what exists and is read; ``nominal`` counts M×M modes for each spectral
    convolution, as published counts do, whether the side of the map has them or not.
    """

    live: int
    nominal: int


def count_parameters(parameters: Parameters) -> ParameterCount:
    """Number of parameters that the network of ``parameters`` will have, without building it."""
    model = parameters.model
    widths = level_widths(model)
    channels = parameters.dataset.gridsize**2
    sides = [parameters.dataset.patch_size >> level for level in range(len(widths))]
    levels = [min(block, len(widths) - 1) for block in range(model.fno_blocks)]
    blocks = [(level, model.modes) for level in levels] + [(len(widths) - 1, model.modes // 2)]
    live = nominal = _shared_parameters(widths, channels)
    for level, modes in blocks:
        positive, negative, columns = kept_modes(sides[level], modes, model.corners)
        live += widths[level] ** 2 * (positive + negative) * columns
        nominal += widths[level] ** 2 * modes**2 * model.corners
    norm = {None: 0, "zero_gamma": 2, "layerscale": 3}[model.stable_block]
    other = sum(
        _conv(widths[level], widths[level], 3) + norm * widths[level] for level, _ in blocks
    )
    return ParameterCount(live=live + other, nominal=nominal + other)


def _conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def _shared_parameters(widths: tuple[int, ...], channels: int) -> int:
    """Lifter, samplers, decoder and head; the decoder's instance norm has no weights."""
    lifter = _conv(channels, widths[0], 3) + _conv(widths[0], widths[0], 3)
    levels = sum(
        _conv(wide, deep, 2)
        + _conv(deep, wide, 2)
        + _conv(2 * wide, wide, 3)
        + _conv(wide, wide, 3)
        for wide, deep in pairwise(widths)
    )
    return lifter + levels + _conv(widths[0], 2 * channels, 1)


STATS: dict[str, Literal["number", "flag"]] = {
    "val_loss_best": "number",
    "val_loss_best_epoch": "number",
    "val_loss_final": "number",
    "train_loss_final": "number",
    "n_epochs": "number",
    "has_nan": "flag",
    "grad_norm_mean": "number",
    "grad_norm_median": "number",
    "grad_norm_p99": "number",
    "grad_norm_max": "number",
    "grad_norm_min": "number",
    **{
        f"{part}_{metric}": "number"
        for part in ("amp", "phase")
        for metric in ("mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50")
    },
    **{
        f"constant_{part}_{metric}": "number"
        for part in ("amp", "phase")
        for metric in ("mae", "ssim")
    },
    "norm_weight_near_zero": "flag",
    "recon_amp_std": "number",
    "recon_phase_std": "number",
    "collapsed": "flag",
    "collapse_epoch": "number",
    "num_parameters": "number",
    "num_parameters_nominal": "number",
}
"""The scalars of ``stats.json`` that a success rule may name; the file holds tables beside them."""


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
