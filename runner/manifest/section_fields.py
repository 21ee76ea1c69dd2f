"""The sections of an arm's parameters as fields of a manifest's tables.

Which sections there are, the experiment says; a phase, a profile, an arm and a matrix have them
all, in its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from runner.experiment import EXPERIMENT
from runner.experiment.completed import ATable, with_fields
from runner.experiment.interface import Section


@dataclass(frozen=True)
class PartOf:
    """Marks a table that holds some keys of ``whole`` and is checked once it is merged."""

    whole: type[BaseModel]

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "object", "part_of": self.whole.__name__}


def with_parts(
    said: Callable[[Section], str], *, after: str = ""
) -> Callable[[type[ATable]], type[ATable]]:
    """Give a table a part of each section, described as ``said``, behind its field ``after``."""
    return _with_fields(said, after, lambda one: Annotated[dict[str, Any], PartOf(one.table)])


def with_tables(
    said: Callable[[Section], str],
    of: Any,  # noqa: ANN401  an annotation
    *,
    after: str = "",
) -> Callable[[type[ATable]], type[ATable]]:
    """Give a table one of the type ``of`` for each section."""
    return _with_fields(said, after, lambda _: of)


def _with_fields(
    said: Callable[[Section], str], after: str, type_of: Callable[[Section], Any]
) -> Callable[[type[ATable]], type[ATable]]:
    fields: dict[str, tuple[Any, Any]] = {
        one.name: (type_of(one), Field(default_factory=dict, description=said(one)))
        for one in EXPERIMENT.parameters.sections
    }
    return with_fields(fields, after=after)
