"""How often a fit leaves a state that it can go on from. No number of its results depends on it."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from models.config.tables import Table


def _is_not_given(value: object) -> bool:
    return value is None or value is False


class CheckpointEvery(Table):
    """What lies between two checkpoints of a fit; with both, whichever comes first."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["epochs"]}, {"required": ["minutes"]}]}
    )

    epochs: PositiveInt | None = Field(
        None, le=10**9, exclude_if=_is_not_given, description="Epochs."
    )
    minutes: PositiveFloat | None = Field(
        None,
        le=1e6,
        exclude_if=_is_not_given,
        description="Minutes; a checkpoint is left at the end of the epoch in which they end.",
    )
    keep: bool = Field(
        default=False,
        exclude_if=_is_not_given,
        description="Whether the last two stay in the hub; otherwise none does.",
    )

    @model_validator(mode="after")
    def _says_how_often(self) -> Self:
        if self.epochs is None and self.minutes is None:
            raise ValueError("it does not say how often; give `epochs`, `minutes` or both")
        return self
