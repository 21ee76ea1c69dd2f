"""The knobs of the generator network.

An architecture has some knobs and not others: ``BELONGS`` says which. A knob is ``None`` where it
does not belong, and refused when it is set there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.config.tables import Integer, Table

Architecture = Literal["hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn"]

FOURIER = ("hybrid", "stable_hybrid", "hybrid_resnet", "fno")
U_SHAPED = ("hybrid", "stable_hybrid", "cnn")

BELONGS: dict[str, tuple[str, ...]] = {
    "max_hidden_channels": (*U_SHAPED, "hybrid_resnet"),
    "modes": FOURIER,
    "corners": FOURIER,
    "fno_blocks": FOURIER,
    "cnn_blocks": ("fno", "cnn"),
    "max_levels": U_SHAPED,
    "stable_block": ("stable_hybrid",),
    "decoder_norm": ("hybrid", "stable_hybrid"),
}
"""Knob → the architectures that have it; those not named here belong to all of them, but for
``layerscale_init``, which depends on the block too."""

UNBOUNDED = ("max_hidden_channels", "max_levels")
"""Knobs for which ``None`` means something where they belong, too: no bound."""

Blocks = Annotated[int, Field(gt=0, le=256)]
"""Number of blocks; each is counted and built one by one."""

RESIDUAL_HALVINGS = 2
"""Halvings of ``hybrid_resnet``; one behind each of its first blocks."""

RESIDUAL_BLOCKS = 6
"""Residual blocks of ``hybrid_resnet``, at a quarter of the side."""


def _where_it_belongs(knob: str, **defaults: object) -> Callable[[dict[str, Any]], Any]:
    """Default of a knob: one for ``every`` architecture that has it, or one for each by name."""

    def default(table: dict[str, Any]) -> Any:  # noqa: ANN401  whatever the knob holds
        architecture = table.get("architecture")
        if architecture not in BELONGS[knob]:
            return None
        return defaults.get(architecture, defaults.get("every"))

    return default


def _default_layerscale(table: dict[str, Any]) -> float | None:
    if table.get("architecture") == "hybrid_resnet":
        return 0.1
    return 1e-3 if table.get("stable_block") == "layerscale" else None


class Model(Table):
    """The generator network."""

    architecture: Architecture = Field("hybrid", description="Which generator.")
    hidden_channels: PositiveInt = Field(32, description="Width h behind the lifter.")
    max_hidden_channels: PositiveInt | None = Field(
        None,
        description="Cap on the width of any level; none by default. `fno` has one width and no "
        "cap.",
    )
    modes: Annotated[int, Field(ge=2)] | None = Field(
        default_factory=_where_it_belongs("modes", every=12),
        description="Fourier modes M kept per axis, by default 12. `cnn` has none.",
    )
    corners: Annotated[Literal[1, 2], Integer] | None = Field(
        default_factory=_where_it_belongs("corners", every=1),
        description="1 keeps non-negative row frequencies only, 2 keeps both signs; by default 1. "
        "`cnn` has none.",
    )
    fno_blocks: Blocks | None = Field(
        default_factory=_where_it_belongs("fno_blocks", every=4),
        description="Fourier blocks n, by default 4. In `hybrid` and `stable_hybrid` those of the "
        "encoder, with a halving of the side between any two; the bottleneck is one more. In "
        "`hybrid_resnet` those of the encoder, at least 2: the first two are each followed by a "
        "halving, further ones stay at the bottom. `cnn` has none.",
    )
    cnn_blocks: Blocks | None = Field(
        default_factory=_where_it_belongs("cnn_blocks", fno=2, cnn=5),
        description="Convolution blocks: of `fno` those behind the Fourier blocks, by default 2; "
        "of `cnn` those of the encoder, the last at the bottom, with a halving of the side between "
        "any two, by default 5. Other architectures have none.",
    )
    max_levels: PositiveInt | None = Field(
        None,
        description="Most halvings of the side; further blocks stay at the bottom resolution. No "
        "such bound by default. `hybrid_resnet` halves twice and `fno` never.",
    )
    stable_block: Literal["layerscale", "zero_gamma"] | None = Field(
        default_factory=_where_it_belongs("stable_block", every="layerscale"),
        description="How the block of `stable_hybrid` starts as (nearly) the identity: by default "
        "`layerscale` (v2). Other architectures have none.",
    )
    layerscale_init: PositiveFloat | None = Field(
        default_factory=_default_layerscale,
        description="Initial λ of the `layerscale` block, by default 1e-3, and of the residual "
        "blocks of `hybrid_resnet`, which share one, by default 0.1. Other blocks have none.",
    )
    decoder_norm: Literal["none", "instance"] | None = Field(
        default_factory=_where_it_belongs("decoder_norm", every="none"),
        description="Normalisation before each decoder activation of `hybrid` and "
        "`stable_hybrid`, by default `none`. Other architectures have no choice.",
    )
    output_mode: Literal["real_imag", "amp_phase", "amp_phase_logits"] = Field(
        "real_imag", description="How the head's channels become a complex patch."
    )
    input_transform: Literal["none", "sqrt", "log1p", "instance_norm"] = Field(
        "none", description="What is done to the measured amplitude before the lifter."
    )

    activation_checkpointing: bool = Field(
        default=False,
        description="Whether each block's inner activations are computed again for the backward "
        "pass instead of being kept: less memory, more time, the same bits.",
    )

    @model_validator(mode="after")
    def _applicable(self) -> Self:
        for knob, architectures in BELONGS.items():
            belongs, is_set = self.architecture in architectures, getattr(self, knob) is not None
            if is_set and not belongs:
                raise ValueError(
                    f"{knob} belongs to {_named(architectures)}, not to "
                    f"'{self.architecture}'; remove it"
                )
            if belongs and not is_set and knob not in UNBOUNDED:
                raise ValueError(f"{knob} must be given for architecture '{self.architecture}'")
        scaled = self.stable_block == "layerscale" or self.architecture == "hybrid_resnet"
        if (self.layerscale_init is None) == scaled:
            raise ValueError(
                "layerscale_init belongs to stable_block 'layerscale' and to architecture "
                "'hybrid_resnet', and to no other; " + ("give it" if scaled else "remove it")
            )
        return self

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.architecture == "hybrid_resnet" and self.num_blocks < RESIDUAL_HALVINGS:
            raise ValueError(
                f"fno_blocks {self.fno_blocks} is too few for architecture 'hybrid_resnet', whose "
                f"first two blocks are each followed by a halving; give at least "
                f"{RESIDUAL_HALVINGS}"
            )
        if self.decoder_norm == "instance" and not self.num_halvings:
            raise ValueError(
                f"decoder_norm '{self.decoder_norm}' needs a decoder, and fno_blocks 1 has none; "
                "remove it or give at least 2 blocks"
            )
        cap = self.max_hidden_channels
        if cap is not None and cap < self.hidden_channels:
            raise ValueError(
                f"max_hidden_channels {cap} is below hidden_channels {self.hidden_channels}, the "
                "width of the top level; raise it or remove it"
            )
        return self

    @property
    def blocks_knob(self) -> str:
        """Name of the knob that counts the blocks which the halvings lie between."""
        return "cnn_blocks" if self.architecture == "cnn" else "fno_blocks"

    @property
    def num_blocks(self) -> int:
        """The number of those blocks."""
        blocks: int = getattr(self, self.blocks_knob)
        return blocks

    @property
    def num_halvings(self) -> int:
        """Times that the encoder halves the side of its feature maps."""
        if self.architecture == "hybrid_resnet":
            return RESIDUAL_HALVINGS
        if self.architecture == "fno":
            return 0
        wanted = self.num_blocks - 1
        return wanted if self.max_levels is None else min(wanted, self.max_levels)

    @property
    def spectral(self) -> tuple[int, int]:
        """Modes M and corners of an architecture that has Fourier blocks."""
        assert self.modes is not None
        assert self.corners is not None
        return self.modes, self.corners


def _named(architectures: tuple[str, ...]) -> str:
    one, names = len(architectures) == 1, [f"'{name}'" for name in architectures]
    if one:
        return f"architecture {names[0]}"
    return f"architectures {', '.join(names[:-1])} and {names[-1]}"


def largest_num_blocks(patch_size: int) -> int:
    """Most blocks that fit without ``max_levels``.

    Each halving needs an even side, and the bottom must keep a side of at least 2 px, because an
    instance norm over a single pixel has no variance to divide by.
    """
    blocks, side = 1, patch_size
    while side % 2 == 0 and side >= 4:
        side //= 2
        blocks += 1
    return blocks
