"""The tables of ``[matrix]`` as a manifest has them; ``matrix`` says what they come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from models.config import Table
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


class Exclusion(Table):
    """Takes out every combination that has all the values named here."""

    arm: str | None = Field(None, description="Name of the arm that it is for; all by default.")
    dataset: Knobs = Field(
        default_factory=dict, description="Values of axes of `[matrix.dataset]`."
    )
    model: Knobs = Field(default_factory=dict, description="Values of axes of `[matrix.model]`.")
    train: Knobs = Field(default_factory=dict, description="Values of axes of `[matrix.train]`.")
    diagnostics: Knobs = Field(
        default_factory=dict, description="Values of axes of `[matrix.diagnostics]`."
    )
    resources: Knobs = Field(
        default_factory=dict, description="Values of axes of `[matrix.resources]`."
    )
    seed: Number = Field(None, description="A value of the axis `seed`.")


class Inclusion(Table):
    """Adds one combination, of any knobs; an axis that it does not name keeps the phase's value."""

    arm: str | None = Field(None, description="Name of the arm that it is for; all by default.")
    name: ArmName | None = Field(
        None, description="What it is called; by default it is named after its values."
    )
    dataset: Knobs = Field(default_factory=dict, description="Knobs of its dataset.")
    model: Knobs = Field(default_factory=dict, description="Knobs of the network.")
    train: Knobs = Field(default_factory=dict, description="Knobs of the fit.")
    diagnostics: Knobs = Field(default_factory=dict, description="What it records.")
    resources: Knobs = Field(default_factory=dict, description="Its bounds.")
    seed: Number = Field(None, description="Its seed.")


class Together(Table):
    """One axis of several knobs that go through their values side by side.

    All have equally many: the first of each belong together, and so on. It is called after its
    seed, if it has one, and otherwise after its first knob in the order of names; by that knob a
    profile replaces it, and an exclusion names it.
    """

    dataset: Axes = Field(default_factory=dict, description="Knobs of the dataset.")
    model: Axes = Field(default_factory=dict, description="Knobs of the network.")
    train: Axes = Field(default_factory=dict, description="Knobs of the fit.")
    diagnostics: Axes = Field(default_factory=dict, description="What an arm records.")
    resources: Axes = Field(default_factory=dict, description="Bounds of an arm.")
    seed: Axis = Field(None, description="The seeds.")


class Matrix(Table):
    """Every combination of its axes becomes an arm.

    An axis is a knob with an array of values, ``train.learning_rate = [1e-3, 1e-2]``, or with
    values and what each is called in names,
    ``{ values = [1e-3, 1e-2], labels = ["slow", "fast"] }``. Each arm of ``[[arms]]`` is multiplied
    by the combinations; without ``[[arms]]`` the combinations are the arms. An arm is called after
    its values, always in the same order: dataset, model, train, diagnostics, resources, seed, and
    the alphabet within a table.
    """

    dataset: Axes = Field(
        default_factory=dict,
        description="Axes over knobs of the dataset; each dataset is simulated once.",
    )
    model: Axes = Field(default_factory=dict, description="Axes over knobs of the network.")
    train: Axes = Field(default_factory=dict, description="Axes over knobs of the fit.")
    diagnostics: Axes = Field(default_factory=dict, description="Axes over what an arm records.")
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
