"""What is wrong with a manifest, said all at once: ``file:line: key: what is wrong; what to do``.

Pydantic reports errors by field, with the tags of unions in their paths and with errors that only
follow from others. Here they become one sentence each, about a key that stands in the file.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from models.config import Parameters
from runner.field_types import FieldType, below, is_table, kinds_of, walk
from runner.toml_keys import KeyPath

FRAME_WIDTH = 100
SHOWN_WIDTH = 60

_EXPECTED = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "bool_type": "true or false",
    "tuple_type": "an array",
    "dict_type": "a table",
    "model_type": "a table",
    "greater_than": "a number greater than {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than": "a number less than {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "too_short": "at least {min_length} of them",
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, before its place in the file is known."""

    paths: tuple[KeyPath, ...]
    """The keys that it is about, the most telling one first."""
    problem: str


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """One thing that is wrong, at its place in the file."""

    path: KeyPath
    line: int
    problem: str
    column: int | None = None


def render(complaints: Iterable[Complaint], *, file: str, text: str) -> str:
    """All complaints by line, each with the line that it is about."""
    rows = text.split("\n")
    blocks = []
    for complaint in sorted(complaints, key=lambda c: (c.line, c.column or 0, str(c.path))):
        column = f":{complaint.column}" if complaint.column else ""
        key = f"{dotted(complaint.path)}: " if complaint.path else ""
        row = rows[complaint.line - 1].strip()[:FRAME_WIDTH]
        blocks.append(
            f"{file}:{complaint.line}{column}: {key}{complaint.problem}"
            + (f"\n    {complaint.line} | {row}" if row else "")
        )
    return "\n".join(blocks)


def dotted(path: KeyPath) -> str:
    """A key path as TOML writes it, with positions in brackets: ``arms[1].train.epochs``."""
    words = ""
    for part in path:
        if isinstance(part, int):
            words += f"[{part}]"
        else:
            plain = re.fullmatch(r"[A-Za-z0-9_-]+", part)
            words += ("." if words else "") + (part if plain else repr(part))
    return words


def shown(value: object) -> str:
    """A value as the manifest spells it, cut to a readable length."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return _cut(f"[{', '.join(shown(item) for item in value)}]")
    return _cut(repr(value))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the nearest known word, or nothing when none is near."""
    nearest = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def findings(error: ValidationError, model: type[BaseModel]) -> Iterator[Finding]:
    """What ``error``, raised by validating ``model``, says about the keys of the file."""
    for details in error.errors(include_url=False):
        if not _only_follows(details):
            yield _finding(details, model)


def _only_follows(details: ErrorDetails) -> bool:
    """Whether pydantic adds this error only because another one came before."""
    if details["type"] == "too_short":  # it counts the valid items alone
        return bool(len(details["input"]) >= details["ctx"]["min_length"])
    return details["type"] == "default_factory_not_called"


def _finding(details: ErrorDetails, model: type[BaseModel]) -> Finding:
    path, here = walk(model, details["loc"])
    value, context = details["input"], details.get("ctx", {})
    kinds = [f"'{kind}'" for kind in kinds_of(here)]
    match details["type"]:
        case "union_tag_invalid":
            return _about((*path, "kind"), _choice(value["kind"], kinds))
        case "union_tag_not_found":
            return _about(path, f"has no kind; give one of {', '.join(kinds)}")
        case "dict_type" if kinds:
            expected = f"a table with a kind, one of {', '.join(kinds)}"
            return _about(path, f"got {shown(value)}; expected {expected}")
        case "literal_error":
            return _about(path, _choice(value, re.findall(r"'[^']*'|\d+", context["expected"])))
        case "extra_forbidden":
            _, parent = walk(model, details["loc"][:-1])
            return _about(path, _unknown_key(str(path[-1]), parent))
        case "missing" if isinstance(path[-1], int):
            _, array = walk(model, details["loc"][:-1])
            return _about(path[:-1], _wrong_length(value, len(get_args(array))))
        case "missing":
            _, parent = walk(model, details["loc"][:-1])
            return _about(path, f"missing; add it: {parent.model_fields[path[-1]].description}")
        case "too_long":
            return _about(path, _wrong_length(value, context["max_length"]))
        case "value_error":
            return _value_error(path, here, value, str(context["error"]))
        case "tuple_type" if is_table(below(here, 0)):
            name = f"[[{path[-1]}]]"
            return _about(path, f"got {shown(value)}; expected an array of tables: write {name}")
    if details["type"] not in _EXPECTED:
        return _about(path, f"got {shown(value)}; {details['msg']}")
    expected = _EXPECTED[details["type"]].format(**context)
    return _about(path, f"got {shown(value)}; expected {expected}")


def _about(path: KeyPath, problem: str) -> Finding:
    return Finding(paths=(path,), problem=problem)


def _choice(value: object, choices: list[str]) -> str:
    """``choices`` are as the file would spell them: strings in quotes."""
    expected = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    nearest = did_you_mean(value, [choice.strip("'") for choice in choices])
    return f"got {shown(value)}; expected {expected}{nearest}"


def _unknown_key(name: str, parent: type[BaseModel]) -> str:
    if name == "dataset" and {"model", "train"} <= parent.model_fields.keys():
        return (
            "the arms of a phase share one dataset, so that they can be compared; set it for the "
            "phase or in a profile"
        )
    if name.partition(".")[0] in parent.model_fields:
        return f"unknown key; write {name} without quotes"
    for section, field in Parameters.model_fields.items():
        annotation = field.annotation
        if annotation is not parent and name in getattr(annotation, "model_fields", {}):
            return f"unknown key; it belongs to [{section}]"
    known = list(parent.model_fields)
    return "unknown key" + (did_you_mean(name, known) or f"; known are {', '.join(known)}")


def _wrong_length(value: object, length: int) -> str:
    return f"got {shown(value)}; expected {length} items"


def _value_error(path: KeyPath, here: FieldType, value: object, message: str) -> Finding:
    """An error that a validator of ours raised; one of a whole table names the keys it is about."""
    if not isinstance(value, Mapping):
        return _about(path, f"got {shown(value)}; {message}")
    words = [
        word.split(".") for word in re.findall(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*", message)
    ]
    keys = [(*path, *word) for word in words if word[0] in here.model_fields]
    return Finding(paths=tuple(keys) or (path,), problem=message)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_WIDTH else text[: SHOWN_WIDTH - 1] + "…"
