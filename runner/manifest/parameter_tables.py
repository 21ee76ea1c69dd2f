"""Tables of parameters in a hub's files: kept as they stand, if they are what they should be."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from runner.core.digest import canonical_json
from runner.core.reading import first_problem
from runner.experiment import EXPERIMENT

DATASET = "dataset"
"""The section that a simulation has, and nothing beside it."""


def require_arm_parameters(table: dict[str, Any]) -> dict[str, Any]:
    """The table as it stands, if it is that of an arm. Raises ``ValueError`` that names the key."""
    require(EXPERIMENT.parameters.table, table)
    return table


def require_dataset_parameters(table: dict[str, Any]) -> dict[str, Any]:
    """The table as it stands, if it is that of a simulation. Raises as for an arm's."""
    if table.keys() != {DATASET}:
        raise ValueError("expected the table dataset and nothing else")
    require(EXPERIMENT.parameters.section(DATASET).table, table[DATASET])
    return table


def require(model: type[BaseModel], table: object) -> None:
    """Raise ``ValueError``, naming the first wrong key, if ``table`` is none of ``model``."""
    try:
        model.model_validate_json(canonical_json(table))
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
