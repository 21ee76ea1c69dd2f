"""The tables of ``[matrix]`` as a manifest has them; ``matrix`` says what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runner.experiment.common import Table
from runner.experiment.interface import Section
from runner.manifest.section_fields import with_tables
from runner.manifest.value_kinds import ArmName

MOST_ENTRIES = 512
"""Tables of an ``exclude`` or an ``include``."""
MOST_TOGETHER = 32
"""Tables of a ``together``."""


@dataclass(frozen=True)
class Shape:
    """Says in the JSON Schema what a value is that the tables of parameters check later."""

    words: str
    types: tuple[str, ...]

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": list(self.types), "$comment": self.words}


AXES, AXIS, KNOBS, INTEGER = "table of axes", "axis", "table", "integer"

Axes = Annotated[dict[str, Any], Shape(AXES, ("object",))]
Axis = Annotated[Any, Shape(AXIS, ("array", "object"))]
Knobs = Annotated[dict[str, Any], Shape(KNOBS, ("object",))]
Number = Annotated[Any, Shape(INTEGER, ("integer",))]


def _of_axis(section: Section) -> str:
    return f"Values of axes of `[matrix.{section.name}]`."


@with_tables(_of_axis, Knobs, after="arm")
class Exclusion(Table):
    """Takes out every combination that has all the values named here."""

    arm: str | None = Field(None, description="Name of the arm that it is for; all by default.")
    resources: Knobs = Field(
        default_factory=dict, description="Values of axes of `[matrix.resources]`."
    )
    seed: Number = Field(None, description="A value of the axis `seed`.")


@with_tables(lambda section: section.of_included, Knobs, after="name")
class Inclusion(Table):
    """Adds one combination, of any knobs; an axis that it does not name keeps the phase's value."""

    arm: str | None = Field(None, description="Name of the arm that it is for; all by default.")
    name: ArmName | None = Field(
        None, description="What it is called; by default it is named after its values."
    )
    resources: Knobs = Field(default_factory=dict, description="Its bounds.")
    seed: Number = Field(None, description="Its seed.")


@with_tables(lambda section: section.of_together, Axes)
class Together(Table):
    """One axis of several knobs that go through their values side by side.

    All have equally many: the first of each belong together, and so on. It is called after its
    seed, if it has one, and otherwise after its first knob in the order of names; by that knob a
    profile replaces it, and an exclusion names it.
    """

    resources: Axes = Field(default_factory=dict, description="Bounds of an arm.")
    seed: Axis = Field(None, description="The seeds.")


@with_tables(lambda section: section.of_axes, Axes)
class Matrix(Table):
    """Every combination of its axes becomes an arm.

    An axis is a knob with an array of values, ``resources.threads = [1, 2]``, or with values and
    what each is called in names, ``{ values = [1, 2], labels = ["one", "two"] }``. Each arm of
    ``[[arms]]`` is multiplied by the combinations; without ``[[arms]]`` the combinations are the
    arms. An arm is called after its values, always in the same order: the tables of parameters as
    they are listed here, then resources and seed; and the alphabet within a table.
    """

    resources: Axes = Field(default_factory=dict, description="Axes over the bounds of an arm.")
    seed: Axis = Field(None, description="The seeds.")
    together: tuple[Together, ...] = Field(
        (),
        max_length=MOST_TOGETHER,
        description="Axes that change several knobs at a time, each a table of knobs.",
    )
    exclude: tuple[Exclusion, ...] = Field(
        (),
        max_length=MOST_ENTRIES,
        description="Combinations that are left out, each a table of values of axes.",
    )
    include: tuple[Inclusion, ...] = Field(
        (),
        max_length=MOST_ENTRIES,
        description="Combinations beside those of the axes, each a table of knobs.",
    )
