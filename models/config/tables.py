"""What all tables of parameters share: strictness, and the kinds of numbers."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
BelowOne = Annotated[float, Field(ge=0.0, lt=1.0)]


def _integer(value: object) -> object:
    """Refuse what equals an integer without being one: ``Literal[1]`` takes ``True`` and 1.0."""
    if isinstance(value, bool | float):
        raise ValueError("expected an integer")  # noqa: TRY004  pydantic collects ValueErrors
    return value


Integer = BeforeValidator(_integer)


class Table(BaseModel):
    """A table of the manifest: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
