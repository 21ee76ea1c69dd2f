"""What type a table's field has, and what its fields have in turn, down a key path."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel

from runner.manifest.toml.keys import KeyPath

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
    origin: object = get_origin(here)
    alone = given[0] if origin in (Union, UnionType) and len(given) == 1 else here
    return get_args(alone)[0] if get_origin(alone) is Annotated else alone


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


def is_series(here: FieldType) -> bool:
    """Whether a type is that of an array or a table of any number of entries."""
    origin: object = get_origin(here)
    return origin is dict or get_args(here)[1:] == (...,)


def oversized(
    model: type[BaseModel], table: Mapping[str, Any], path: KeyPath = ()
) -> Iterator[tuple[KeyPath, int, int]]:
    """Arrays and tables with more entries than their fields allow: where, how many, how many most.

    ``table`` is as the file has it. Pydantic looks at all entries first, and that can take long.
    """
    for name, field in model.model_fields.items():
        here, value, place = _required(field.annotation), table.get(name), (*path, name)
        most = next((m.max_length for m in field.metadata if isinstance(m, MaxLen)), None)
        if isinstance(value, list | Mapping) and most is not None and len(value) > most:
            yield place, len(value), most
        elif is_table(here) and isinstance(value, Mapping):
            yield from oversized(here, value, place)
        elif is_series(here) and isinstance(value, list | Mapping):
            items = value.items() if isinstance(value, Mapping) else enumerate(value)
            for key, item in items:
                inner = below(here, key)
                if is_table(inner) and isinstance(item, Mapping):
                    yield from oversized(inner, item, (*place, key))
