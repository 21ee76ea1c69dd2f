"""What every table of a record has: strict values, times, files, differences."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
)

from runner.core.names import HUB_NAME, InnerPath, Sha256


def _moment(text: str) -> str:
    """A time that can be given in UTC; a clock may say any hour, but no other calendar."""
    try:
        moment = datetime.fromisoformat(text)
        known_zone = moment.tzinfo is not None and moment.astimezone(UTC) is not None
    except (ValueError, OverflowError):
        known_zone = False
    if not known_zone:
        raise ValueError("expected a time with its zone, like 2026-01-30T05:00:00.000+00:00")
    return text


Moment = Annotated[str, AfterValidator(_moment)]
"""A time, ISO 8601 with its zone."""


Seconds = Annotated[float, Field(gt=-1e9, lt=1e9)]
"""A time span, s; a clock that was set back makes it negative."""

HUB_NAME_PATTERN = f"^{HUB_NAME.pattern}$"


class Record(BaseModel):
    """A table of ``hub.json``: strict, frozen, unknown keys refused."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        json_schema_serialization_defaults_required=True,
    )


def is_none(value: object) -> bool:
    """Whether a key stays out of the file for having no value."""
    return value is None


def is_empty(value: object) -> bool:
    """Whether a key stays out of the file for having nothing in it."""
    return not value


class FileRecord(Record):
    """One file: its path inside the folder that the table speaks of, and what it must contain."""

    path: InnerPath
    sha256: Sha256
    bytes: Annotated[int, Field(ge=0)]
    deterministic: bool
    """Whether the same job gives the same bytes again."""


class Difference(Record):
    """A knob that did not reach the live objects as it was planned."""

    knob: str
    """Dotted name of the knob."""
    kind: Literal["different", "missing", "unexpected"]
    planned: JsonValue
    effective: JsonValue
