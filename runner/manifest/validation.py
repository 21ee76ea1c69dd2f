"""A document read as a table, once: the value, or everything that is wrong with it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from runner.core.errors import ManifestError
from runner.experiment import EXPERIMENT, Parameters
from runner.manifest.manifest_errors import (
    MOST_COLLECTED,
    Mistake,
    UnplacedMistake,
    render,
    unplaced_mistakes,
)
from runner.manifest.source import TomlSource, read_given

ATable = TypeVar("ATable", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[ATable]):
    """A document read as a table: the value, or what is wrong."""

    value: ATable | None
    mistakes: tuple[UnplacedMistake, ...] = ()

    def placed(self, source: TomlSource) -> list[Mistake]:
        """The mistakes at their places in a file that is this document."""
        return [source.at(each.paths[0], each.problem) for each in self.mistakes]


def read_settings_file(path: Path, model: type[ATable]) -> ATable:
    """A TOML file that is one table.

    Raises ``ManifestError`` that names everything that is wrong with it, line by line.
    """
    source = read_given(path)
    read = read_as(model, source.json)
    wrong = [
        *(source.at(place, problem) for place, problem in source.refused.items()),
        *(one for one in read.placed(source) if one.path not in source.refused),
    ]
    if read.value is None or wrong:
        raise ManifestError(render(wrong, file=str(path), text=source.text))
    return read.value


def read_as(model: type[ATable], document: str) -> Reading[ATable]:
    """Read a JSON document; parameters that are well-formed may be refused, too."""
    try:
        found = model.model_validate_json(document)
    except ValidationError as error:
        mistakes = itertools.islice(unplaced_mistakes(error, model), MOST_COLLECTED)
        return Reading(value=None, mistakes=tuple(mistakes))
    if not isinstance(found, Parameters):
        return Reading(value=found)
    refused = (
        UnplacedMistake(paths=tuple(tuple(key.split(".")) for key in keys), problem=problem)
        for keys, problem in EXPERIMENT.parameters.refusals(found)
    )
    return Reading(value=found, mistakes=tuple(refused))


def spelled_out(table: ATable) -> ATable:
    """The same values, defaults counted as given: a file that is written of them has them all."""
    given = {
        name: spelled_out(value) if isinstance(value, BaseModel) else value for name, value in table
    }
    return type(table).model_construct(_fields_set={*given}, **given)
