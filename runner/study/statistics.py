"""The part of a hub's ``statistics.json`` that findings are judged by."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runner.errors import VerificationError


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)


class Uncounted(_Part):
    """An arm of a group that did not run as planned."""

    name: str


class Group(_Part):
    """Arms whose plans differ in nothing but the seed."""

    phase: str
    arms: tuple[str, ...]
    not_counted: tuple[Uncounted, ...]
    num_arms: int
    num_collapsed: int
    collapse_interval: tuple[float, float] | None

    @property
    def members(self) -> set[str]:
        """Names of all its arms, counted or not."""
        return {*self.arms, *(arm.name for arm in self.not_counted)}


class Difference(_Part):
    """How far two groups lie apart: the second less the first."""

    difference: float | None
    evidence: bool
    words: str


class Comparison(_Part):
    """Two groups, by their places among the groups."""

    places: tuple[int, int]
    collapse: Difference
    metrics: dict[str, Difference]


class Statistics(_Part):
    """What several arms say together."""

    schema_version: Literal[1]
    groups: tuple[Group, ...]
    comparisons: tuple[Comparison, ...]


def read_statistics(table: dict[str, Any], place: str) -> Statistics | None:
    """The statistics of a hub; ``None`` where it has none.

    Raises ``VerificationError`` naming ``place`` for a table that is not what it must be.
    """
    if not table:
        return None
    try:
        return Statistics.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise VerificationError(
            f"{place}: statistics.json cannot be used: {key}: {first['msg']}; "
            "make the hub with this phasehub, or leave it out"
        ) from error
