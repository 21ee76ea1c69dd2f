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


Clip = Annotated[NoClip | NormClip, Field(discriminator="kind")]
