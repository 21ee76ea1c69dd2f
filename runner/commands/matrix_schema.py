"""The JSON Schema of ``[matrix]``: its tables know the knobs that they are about.

To the models behind it a matrix is tables of anything; what is in them is checked arm by arm. An
editor has no arms, so it is said here what each knob takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.manifest import matrix_tables
from runner.manifest.given_files import DECLARED
from runner.manifest.matrix import SECTIONS

Schema = Mapping[str, Any]
OF_A_MATRIX = ("Matrix", "Together", "Exclusion", "Inclusion")
_ABOUT = ("description", "default")
"""What is said of a knob and not of its values."""


def with_axes(definitions: Schema) -> dict[str, Any]:
    """``definitions`` with the axes of each section, and with a matrix that refers to them."""
    sections = [section.capitalize() for section in SECTIONS if section != "seed"]
    axes = {f"{title}Axes": _axes(definitions[title]) for title in sections}
    seed = definitions["Arm"]["properties"]["seed"]
    matrix = {title: _about_knobs(definitions[title], seed) for title in OF_A_MATRIX}
    return dict(sorted({**definitions, **axes, **matrix}.items()))


def _about_knobs(table: Schema, seed: Schema) -> dict[str, Any]:
    """A table of a matrix, each key with what it can hold."""
    known = {key: _shape(key, field, seed) for key, field in table["properties"].items()}
    return {**table, "properties": known}


def _shape(key: str, field: Schema, seed: Schema) -> dict[str, Any]:
    """A key of a matrix, by the words that ``matrix_tables`` has for what it holds."""
    said = {name: field[name] for name in ("$comment", "description") if name in field}
    match field.get("$comment"):
        case matrix_tables.AXES:
            return {**said, "$ref": f"#/$defs/{key.capitalize()}Axes"}
        case matrix_tables.KNOBS:
            return {**said, "$ref": f"#/$defs/{key.capitalize()}"}
        case matrix_tables.AXIS:
            return {**said, **_axis(seed)}
        case matrix_tables.INTEGER:
            return {**said, **_value(seed)}
    return dict(field)


def _axes(table: Schema) -> dict[str, Any]:
    """A table of axes over the knobs of ``table``."""
    return {
        "additionalProperties": False,
        "description": f"Axes over: {table['description']}",
        "properties": {
            key: {"description": field["description"], **_axis(field)}
            for key, field in table["properties"].items()
            if key != DECLARED  # a file is no axis
        },
        "title": f"{table['title']}Axes",
        "type": "object",
    }


def _axis(field: Schema) -> dict[str, Any]:
    """The values of a knob, with or without names; of one that is a table, its knobs' as well."""
    values = {"items": _value(field), "type": "array"}
    named = {
        "additionalProperties": False,
        "properties": {"values": values, "labels": {"items": {"type": "string"}, "type": "array"}},
        "required": ["values"],
        "type": "object",
    }
    inner = {"additionalProperties": True, "type": "object"}
    return {"anyOf": [values, inner if "anyOf" in field else named]}


def _value(field: Schema) -> dict[str, Any]:
    """What one value of a knob may be."""
    return {name: part for name, part in field.items() if name not in _ABOUT}
