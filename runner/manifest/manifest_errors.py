"""What is wrong with a manifest, said all at once: ``file:line: key: what is wrong; what to do``.

Pydantic reports errors by field, with the tags of unions in their paths and with errors that only
follow from others. Here they become one sentence each, about a key that stands in the file.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from runner.experiment import EXPERIMENT
from runner.manifest.field_types import FieldType, below, is_series, is_table, kinds_of, walk
from runner.manifest.toml.keys import KeyPath
from runner.manifest.value_slips import Wanted, instead

FRAME_WIDTH = 100
SHOWN_WIDTH = 60
MOST_SHOWN = 20
"""Mistakes that are shown; more fill more than a screen."""
MOST_COLLECTED = 200
"""Mistakes that are looked for."""
MOST_LISTED = 20
"""Names that a message lists."""
LONGEST_KEY, LONGEST_PROBLEM = 200, 1000
"""Characters of a key and of what is said about it."""
LONGEST_WORD, MOST_CANDIDATES = 64, 200
"""A longer word is no slip, and among more names none is looked for."""

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
    "string_too_long": "at most {max_length} characters",
}

_WANTED: dict[str, Wanted] = {
    "int_type": "integer",
    "int_from_float": "integer",
    "float_type": "number",
    "bool_type": "boolean",
    "string_type": "string",
}


@dataclass(frozen=True, kw_only=True)
class UnplacedMistake:
    """One thing that is wrong, before its place in the file is known."""

    paths: tuple[KeyPath, ...]
    """The keys that it is about, the most telling one first."""
    problem: str
    of_key: bool = False
    """Whether it is of the key itself, whatever its value."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing that is wrong, at its place in the file."""

    path: KeyPath
    line: int
    problem: str
    column: int | None = None
    word: str = ""
    """What it stands in, if that is no file: ``--set resources.threads=two``."""


def render(mistakes: Iterable[Mistake], *, file: str, text: str) -> str:
    """A screenful of mistakes by line, each with the line that it is about."""
    rows = text.split("\n")
    ordered = sorted(mistakes, key=lambda c: (c.line, c.column or 0, str(c.path)))
    blocks = [_block(one, file, rows[one.line - 1]) for one in ordered[:MOST_SHOWN]]
    if (more := len(ordered) - MOST_SHOWN) > 0:
        least = "at least " if len(ordered) >= MOST_COLLECTED else ""
        blocks.append(f"{file}: and {least}{more} more; correct these first")
    return "\n".join(blocks)


def _block(mistake: Mistake, file: str, row: str) -> str:
    if mistake.word:
        inside = dotted(mistake.path[1:])
        key = "" if f" {inside}=" in mistake.word else f"{_cut(inside, LONGEST_KEY)}: "
        return f"{file}: {mistake.word}: {key}{_cut(mistake.problem, LONGEST_PROBLEM)}"
    column = f":{mistake.column}" if mistake.column else ""
    key = f"{_cut(dotted(mistake.path), LONGEST_KEY)}: " if mistake.path else ""
    problem = _cut(mistake.problem, LONGEST_PROBLEM)
    frame = _frame(row, mistake.column or 1)
    return f"{file}:{mistake.line}{column}: {key}{problem}" + (
        f"\n    {mistake.line} | {frame}" if frame else ""
    )


def _frame(row: str, column: int) -> str:
    """What of a line can be shown, around the column if the line is long."""
    start = column - FRAME_WIDTH // 2 if column > FRAME_WIDTH else 0
    return row[start:].lstrip()[:FRAME_WIDTH].rstrip()


def dotted(path: KeyPath) -> str:
    """A key path as TOML writes it, with positions in brackets: ``arms[1].resources.threads``."""
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
    if len(text := str(word)) > LONGEST_WORD:
        return ""
    candidates = itertools.islice(
        (one for one in known if len(one) <= LONGEST_WORD), MOST_CANDIDATES
    )
    nearest = difflib.get_close_matches(text, candidates, n=1)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""


def listed(names: Iterable[str]) -> str:
    """Names with commas between them, the first ones of many."""
    every = list(names)
    more = len(every) - MOST_LISTED
    return ", ".join(every[:MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def unplaced_mistakes(error: ValidationError, model: type[BaseModel]) -> Iterator[UnplacedMistake]:
    """What ``error``, raised by validating ``model``, says about the keys of the file."""
    for details in error.errors(include_url=False):
        if not _only_follows(details):
            yield _unplaced(details, model)


def _only_follows(details: ErrorDetails) -> bool:
    """Whether pydantic adds this error only because another one came before."""
    if details["type"] == "too_short":  # it counts the valid items alone
        return bool(len(details["input"]) >= details["ctx"]["min_length"])
    return details["type"] == "default_factory_not_called"


def _unplaced(details: ErrorDetails, model: type[BaseModel]) -> UnplacedMistake:
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
            choices = re.findall(r"'[^']*'|\d+", context["expected"])
            return _about(path, _choice(value, choices, _key(path)))
        case "extra_forbidden":
            _, parent = walk(model, details["loc"][:-1])
            problem = _unknown_key(str(path[-1]), parent)
            return UnplacedMistake(paths=(path,), problem=problem, of_key=True)
        case "missing" if isinstance(path[-1], int):
            _, array = walk(model, details["loc"][:-1])
            return _about(path[:-1], _wrong_length(value, len(get_args(array))))
        case "missing":
            _, parent = walk(model, details["loc"][:-1])
            return _about(path, f"missing; add it: {parent.model_fields[path[-1]].description}")
        case "too_long":
            if is_series(here):
                return _about(path, too_many(len(value), context["max_length"]))
            return _about(path, _wrong_length(value, context["max_length"]))
        case "value_error":
            return _value_error(path, here, value, str(context["error"]))
        case "tuple_type" if is_table(below(here, 0)):
            name = f"[[{path[-1]}]]"
            return _about(path, f"got {shown(value)}; expected an array of tables: write {name}")
    if details["type"] not in _EXPECTED:
        return _about(path, f"got {shown(value)}; {details['msg']}")
    expected = _EXPECTED[details["type"]].format(**context)
    remedy = _remedy(details["type"], path, value)
    return _about(path, f"got {shown(value)}; expected {expected}" + (remedy and f": {remedy}"))


def _remedy(kind: str, path: KeyPath, value: object) -> str:
    """What to write in the place of a value of the wrong type, if that is plain."""
    key = _key(path)
    if kind in _WANTED:
        written = instead(key, value, _WANTED[kind]) or ""
        return written if path[-1] == key else written.replace(f"write {key} = ", "write ")
    if (
        kind == "tuple_type"
        and isinstance(value, str | int | float)
        and len(str(value)) < SHOWN_WIDTH
    ):
        return f"write {key} = [{json.dumps(value)}]"
    if kind in ("model_type", "dict_type") and _is_array_of_tables(value):
        return f"write [{dotted(path)}]"
    return ""


def _key(path: KeyPath) -> str:
    """The key whose value, or an item of whose value, stands at ``path``."""
    return next((part for part in reversed(path) if isinstance(part, str)), "")


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)


def _about(path: KeyPath, problem: str) -> UnplacedMistake:
    return UnplacedMistake(paths=(path,), problem=problem)


def _choice(value: object, choices: list[str], key: str = "") -> str:
    """``choices`` are as the file would spell them: strings in quotes."""
    expected = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if isinstance(value, str) and value in choices:
        return f"got {shown(value)}; expected {expected}: {instead(key, value, 'integer')}"
    nearest = did_you_mean(value, [choice.strip("'") for choice in choices])
    return f"got {shown(value)}; expected {expected}{nearest}"


def _unknown_key(name: str, parent: type[BaseModel]) -> str:
    if name.partition(".")[0] in parent.model_fields:
        return f"unknown key; write {name} without quotes"
    for section, field in EXPERIMENT.parameters.table.model_fields.items():
        annotation = field.annotation
        if annotation is not parent and name in getattr(annotation, "model_fields", {}):
            return f"unknown key; it belongs to [{section}]"
    known = list(parent.model_fields)
    return "unknown key" + (did_you_mean(name, known) or f"; known are {listed(known)}")


def too_many(entries: int, most: int) -> str:
    """What is said of an array or a table with more than ``most`` entries."""
    return f"has {entries:,} entries; at most {most:,} are allowed: split the phase"


def _wrong_length(value: object, length: int) -> str:
    return f"got {shown(value)}; expected {length} items"


def _value_error(path: KeyPath, here: FieldType, value: object, message: str) -> UnplacedMistake:
    """An error that a validator of ours raised; one of a whole table names the keys it is about."""
    if not isinstance(value, Mapping):
        return _about(path, f"got {shown(value)}; {message}")
    words = [
        word.split(".") for word in re.findall(r"[a-z_][a-z0-9_]*(?:\.[a-z_][a-z0-9_]*)*", message)
    ]
    keys = [(*path, *word) for word in words if word[0] in here.model_fields]
    return UnplacedMistake(paths=tuple(keys) or (path,), problem=message)


def _cut(text: str, width: int = SHOWN_WIDTH) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
