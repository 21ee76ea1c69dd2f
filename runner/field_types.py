"""What type a table's field has, and what its fields have in turn, down a key path."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pydantic import BaseModel

from runner.toml_keys import KeyPath

FieldType: TypeAlias = Any
"""An annotation: a table's class, a union, a parametrised tuple or dict, or ``None`` if unknown."""


def walk(model: type[BaseModel], loc: tuple[int | str, ...]) -> tuple[KeyPath, FieldType]:
    """The key path of an error's location, which names tags of unions too, and the type there."""
    path: KeyPath = ()
    here: FieldType = model
    for part in loc:
        kinds = kinds_of(here)
        if part in kinds:
            here = kinds[str(part)]
        elif part != "[key]":
            path = (*path, part)
            here = below(here, part)
    return path, here


def below(here: FieldType, part: int | str) -> FieldType:
    """The type of what stands under ``part``; ``None`` where the types do not say."""
    if is_table(here):
        field = here.model_fields.get(str(part))
        return _required(field.annotation) if field else None
    arguments = [get_args(a)[0] if get_origin(a) is Annotated else a for a in get_args(here)]
    origin: object = get_origin(here)
    if origin is tuple and isinstance(part, int):
        return arguments[0]
    return arguments[1] if origin is dict else None


def _required(here: FieldType) -> FieldType:
    """The type of ``type | None``; any other type as it is."""
    given = [each for each in get_args(here) if each is not type(None)]
    return given[0] if isinstance(here, UnionType) and len(given) == 1 else here


def kinds_of(here: FieldType) -> dict[str, type[BaseModel]]:
    """The tables of a union by their ``kind``; empty for any other type."""
    origin: object = get_origin(here)
    if origin not in (Union, UnionType):
        return {}
    tables = [t for t in get_args(here) if is_table(t) and "kind" in t.model_fields]
    return {get_args(table.model_fields["kind"].annotation)[0]: table for table in tables}


def is_table(here: FieldType) -> bool:
    """Whether a type is the class of a table."""
    return inspect.isclass(here) and issubclass(here, BaseModel)
