"""What the job at the end of a phase is given: which arms form groups, and which are compared."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, NonNegativeInt

from models.config.tables import Table

Knob = str | bool | int | float | None
"""Value of a knob as a page shows it: a table distinguished by its ``kind`` is one text."""


class SummaryArm(Table):
    """An arm of a group: one seed."""

    key: str = Field(description="Begins the names of the arm's inputs: `<key>/stats.json`.")
    name: str = Field(description="Name of the arm in its hub.")
    seed: NonNegativeInt = Field(description="The arm's seed.")
    status: str = Field(description="How it ended; only `succeeded` counts.")


class SummaryGroup(Table):
    """Arms of one hub whose plans differ in nothing but the seed."""

    name: str = Field(description="Name of the group in its hub.")
    label: str = Field(description="Name that no other group has.")
    phase: str = Field(description="The hub's phase.")
    hub: str = Field(description="The hub's name, unique among those compared.")
    knobs: dict[str, Knob] = Field(description="The knobs that differ between groups.")
    arms: tuple[SummaryArm, ...] = Field(description="One arm a seed.")


class SummaryPair(Table):
    """Two groups that are compared."""

    groups: tuple[NonNegativeInt, NonNegativeInt] = Field(description="Places in `groups`.")
    knobs: tuple[str, ...] = Field(description="What their plans differ in.")


class SummaryFactor(Table):
    """A knob of a matrix, and the groups at each setting of the other knobs."""

    knob: str = Field(description="Dotted name of the knob.")
    phase: str = Field(description="The hub's phase.")
    hub: str = Field(description="The hub's name.")
    values: tuple[Knob, ...] = Field(description="The values that it takes.")
    others: tuple[str, ...] = Field(description="The other knobs that vary in the hub.")
    strata: tuple[tuple[NonNegativeInt, ...], ...] = Field(
        description="For each setting of the other knobs the groups, in the order of `values`."
    )


class Summary(Table):
    """Everything that ``summarise`` is given beside its inputs."""

    groups: tuple[SummaryGroup, ...] = Field(description="All groups of all hubs.")
    pairs: tuple[SummaryPair, ...] = Field(description="The comparisons to make.")
    factors: tuple[SummaryFactor, ...] = Field(description="The knobs of matrices.")
    notes: Annotated[tuple[str, ...], Field(description="What a reader must know.")] = ()
