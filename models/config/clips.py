"""The knobs of gradient clipping; a table for each way."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from models.config.tables import Table


class NoClip(Table):
    """Leave the gradient as it is."""

    kind: Literal["none"] = Field("none", description="The gradient as it is.")


class NormClip(Table):
    """Scale the whole gradient so that its global L2 norm is at most ``max_norm``."""

    kind: Literal["norm"] = Field("norm", description="Scale the whole gradient down.")
    max_norm: PositiveFloat = Field(1.0, description="Largest global L2 norm of the gradient.")


class ValueClip(Table):
    """Limit every entry of the gradient by itself."""

    kind: Literal["value"] = Field("value", description="Limit every entry by itself.")
    max_value: PositiveFloat = Field(
        1.0, description="Largest entry; of a complex one, the real and the imaginary part each."
    )


_FACTOR = "Largest norm of a unit's gradient over that of its weights, λ."
_EPS = "What the norm of weights is taken for where it is smaller, so that zeros can move."


class Agc(Table):
    """Adaptive clipping, for each output unit by itself; the head is left as it is."""

    kind: Literal["agc"] = Field(
        "agc", description="Adaptive: each output unit by the size of its weights."
    )
    clip_factor: PositiveFloat = Field(0.01, description=_FACTOR)
    eps: PositiveFloat = Field(1e-3, description=_EPS)


class AgcPerTensor(Table):
    """Adaptive clipping with whole tensors as units, the head's among them."""

    kind: Literal["agc_per_tensor"] = Field(
        "agc_per_tensor", description="Adaptive: each tensor by the size of its weights."
    )
    clip_factor: PositiveFloat = Field(0.01, description=_FACTOR)
    eps: PositiveFloat = Field(1e-3, description=_EPS)


Clip = Annotated[NoClip | NormClip | ValueClip | Agc | AgcPerTensor, Field(discriminator="kind")]
