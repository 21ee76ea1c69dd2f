"""``statistics.json`` as the runner reads it: what several arms say together.

Keys of the file that speak of the endpoint have plain names here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from runner.core.reading import MissingError, parse_table, read_file, typed
from runner.experiment import EXPERIMENT
from runner.experiment.interface import OneOf

ENDPOINT = EXPERIMENT.endpoint
"""Of its words some keys of the file are made."""

Scalar = str | bool | int | float | None
Interval = tuple[float, float]


MOST_KNOBS = 128
"""That comparisons name; the power of the tests for each takes milliseconds."""


class Part(BaseModel):
    """A table of the file: frozen, unknown keys refused, NaN refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, serialize_by_alias=True
    )


class Spread(Part):
    """How a score spreads over runs."""

    n: int
    median: float
    q1: float
    q3: float


class Metric(Part):
    """A score of a group; ``None`` where no run has it."""

    all: Spread | None
    others: Spread | None = Field(alias=f"not_{ENDPOINT.past}")
    """Of the runs in which the endpoint did not come about."""


class NotCounted(Part):
    """An arm that did not run as planned, and so says nothing."""

    name: str
    seed: int
    status: str


class Group(Part):
    """Arms of one hub whose plans differ in nothing but the seed."""

    name: str
    label: str
    phase: str
    hub: str
    knobs: dict[str, Scalar]
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    not_counted: tuple[NotCounted, ...]
    num_arms: int
    num_reached: int = Field(alias=f"num_{ENDPOINT.past}")
    """In how many the endpoint came about."""
    arms_reached: tuple[str, ...] = Field(alias=f"arms_{ENDPOINT.past}")
    other_outcomes: dict[Annotated[str, OneOf(tuple(ENDPOINT.outcomes))], int] = {}
    """How many came to what is neither the endpoint nor a result; none of what is not."""
    rate: float | None = Field(alias=f"{ENDPOINT.noun}_rate")
    interval: Interval | None = Field(alias=f"{ENDPOINT.noun}_interval")
    metrics: dict[str, Metric]


class OddsRatio(Part):
    """Odds of the endpoint, second group against first; ``None`` for unbounded or undefined."""

    estimate: float | None
    interval: tuple[float | None, float | None]


class EndpointComparison(Part):
    """How often the endpoint comes about in two groups."""

    arms: tuple[int, int]
    reached: tuple[int, int] = Field(alias=ENDPOINT.past)
    difference: float | None
    odds_ratio: OddsRatio | None
    p_value: float | None
    p_adjusted: float | None
    smallest_p_possible: float | None
    evidence: bool
    words: str


class ScoreDifference(Part):
    """How far a score of two groups lies apart, second less first."""

    n: tuple[int, int]
    difference: float | None
    interval: Interval | None
    reason: str | None
    """Why there is no interval."""
    p_value: float | None
    p_adjusted: float | None
    smallest_p_possible: float | None
    evidence: bool
    words: str


class ScoreComparison(ScoreDifference):
    """The same over all runs, and over those in which the endpoint did not come about."""

    others: ScoreDifference = Field(alias=f"not_{ENDPOINT.past}")


class Comparison(Part):
    """Two groups, by label and by place."""

    @model_validator(mode="after")
    def _is_controlled_by_one(self) -> Self:
        if self.controlled is not (len(self.knobs) == 1):
            raise ValueError("controlled must be true where one knob differs, and nowhere else")
        return self

    groups: tuple[str, str]
    places: tuple[int, int]
    knobs: tuple[str, ...]
    controlled: bool
    """Whether the plans differ in one knob."""
    endpoint: EndpointComparison = Field(alias=ENDPOINT.noun)
    metrics: dict[str, ScoreComparison]


class Value(Part):
    """One value of a knob, and how often the endpoint came about in arms with it."""

    value: Scalar
    num_arms: int
    num_reached: int = Field(alias=f"num_{ENDPOINT.past}")
    rate: float | None = Field(alias=f"{ENDPOINT.noun}_rate")
    interval: Interval | None = Field(alias=f"{ENDPOINT.noun}_interval")


class Stratum(Part):
    """One setting of the other knobs."""

    others: dict[str, Scalar]
    values: tuple[Value, ...]
    p_value: float | None


class Factor(Part):
    """A knob of a matrix, pooled over all others and within each of their settings."""

    knob: str
    phase: str
    hub: str
    values: tuple[Value, ...]
    p_value: float | None
    p_adjusted: float | None
    evidence: bool
    strata: tuple[Stratum, ...]
    words: str


class Extent(Part):
    """Number and range of values."""

    n: int
    min: float
    max: float


class Marker(Part):
    """A statistic in arms in which the endpoint came about, and in the others."""

    statistic: str
    reached: Extent | None = Field(alias=ENDPOINT.past)
    others: Extent | None = Field(alias=f"not_{ENDPOINT.past}")
    probability_above: float | None


class Statistics(Part):
    """The whole file."""

    schema_version: Literal[1]
    confidence: float
    seed: int
    methods: dict[str, JsonValue]
    groups: tuple[Group, ...]
    num_comparisons: int
    comparisons: tuple[Comparison, ...]
    factors: tuple[Factor, ...]
    markers: tuple[Marker, ...] = Field(alias=ENDPOINT.markers)
    notes: tuple[str, ...]

    @model_validator(mode="after")
    def _of_a_plan(self) -> Self:
        if len({knob for row in self.comparisons for knob in row.knobs}) > MOST_KNOBS:
            raise ValueError(f"comparisons name more than {MOST_KNOBS} knobs; no plan has so many")
        return self


def read_statistics(folder: Path, name: str) -> Statistics | None:
    """The file ``name`` below ``folder``; ``None`` where there is none.

    Raises ``ValueError`` saying what is wrong with it.
    """
    try:
        return parse_statistics(read_file(folder, name), name)
    except MissingError:
        return None


def parse_statistics(content: bytes, name: str) -> Statistics:
    """The content of the file called ``name``.

    Raises ``ValueError`` saying what is wrong with it.
    """
    return typed(Statistics, parse_table(content, name), name)
