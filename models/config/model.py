"""The knobs of the generator network, and the shapes that follow from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from models.config.tables import Integer, Table


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
        if self.decoder_norm != "none" and not self.num_halvings:
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
