"""What the command line sets over a manifest: ``--set resources.threads=2``.

It is a layer of its own, above the phase and the profile that is run, and below the arms. It never
becomes part of the manifest: plan and hub tell of it beside the file that the user wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import tomli
from pydantic import Field, JsonValue

from runner.core.errors import ManifestError
from runner.core.text import plain
from runner.experiment import EXPERIMENT
from runner.manifest.manifest_errors import did_you_mean, listed
from runner.manifest.overrides import SECTIONS, merged
from runner.manifest.toml.keys import KeyPath
from runner.manifest.toml.limits import excess

OPTION = "--set"
RESOURCES = "resources"
SEED = ("phase", "seed")
LONGEST_WORD, MOST_WORDS = 2000, 64
"""Characters of ``resources.threads=2``, and how many of them one command line may have."""
SetKnobs = Annotated[
    dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){1,31}$")], JsonValue],
    Field(max_length=LONGEST_WORD * MOST_WORDS),
]
"""Dotted name of a knob → its value, in a plan and in a hub."""

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class SetLayer:
    """What was set, for the variant of the phase that is run."""

    profile: str | None = None
    words: tuple[str, ...] = ()
    """As they stand on the command line; empty where nothing is set."""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """Dotted name → value."""
    places: Mapping[KeyPath, int] = field(default_factory=dict)
    """Path of everything that is set → the position of its word."""

    @property
    def tables(self) -> dict[str, Any]:
        """The knobs as tables, the phase's seed aside."""
        return nested({key: value for key, value in self.knobs.items() if path_of(key) != SEED})

    @property
    def seed(self) -> Any:  # noqa: ANN401 - any JSON value, until it is checked
        """The seed of the phase; ``None`` where it is not set."""
        return self.knobs.get(".".join(SEED))


NOTHING_SET = SetLayer()


def path_of(knob: str) -> KeyPath:
    """The path of a knob by its dotted name."""
    return tuple(knob.split("."))


def nested(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """Knobs by their dotted names as tables inside tables."""
    tables: dict[str, Any] = {}
    for knob, value in knobs.items():
        one = value
        for part in reversed(knob.split(".")):
            one = {part: one}
        tables = merged(tables, one)
    return tables


def in_words(knobs: Mapping[str, Any]) -> str:
    """What was set, as it could be written on a command line."""
    return " ".join(f"{OPTION} {knob}={json.dumps(value)}" for knob, value in knobs.items())


def knobs_in(table: Mapping[str, Any], path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """The knobs of a table and their values; a table that states its kind is one value.

    A section has a kind like any other knob, and no value of its own.
    """
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, Mapping) and (len(here) == 1 or "kind" not in value):
            yield from knobs_in(value, here)
        else:
            yield here, value


def overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one of two knobs is the other, or a part of it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def read_set(words: Sequence[str], profile: str | None) -> SetLayer:
    """The layer that ``words`` of the command line make.

    A value is written as in TOML; a bare word that is no value of TOML is a string. Raises
    ``ManifestError`` that names the word for what cannot be set.
    """
    if len(words) > MOST_WORDS:
        raise ManifestError(f"{OPTION} is given {len(words)} times; write a [profiles.…] instead")
    found: dict[str, Any] = {}
    places: dict[KeyPath, int] = {}
    for position, word in enumerate(words):
        try:
            for path, value in _knobs_of(word):
                _refuse_twice(path, found)
                found[".".join(map(str, path))] = value
                _note(value, path, position, places)
        except ValueError as error:
            raise ManifestError(f"{OPTION} {plain(word[:100])}: {error}") from None
    return SetLayer(profile=profile, words=tuple(words), knobs=found, places=places)


def _refuse_twice(path: KeyPath, found: Mapping[str, Any]) -> None:
    if again := [known for known in found if overlap(path_of(known), path)]:
        raise ValueError(f"{again[0]} is set already; write both as one table, or leave one out")


def _note(value: object, path: KeyPath, position: int, places: dict[KeyPath, int]) -> None:
    """Note where a knob stands, with the tables that it is in and all that is in it."""
    for depth in range(1, len(path) + 1):
        places.setdefault(path[:depth], position)
    inner = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else inner
    for key, item in items:
        _note(item, (*path, key), position, places)


def _knobs_of(word: str) -> list[tuple[KeyPath, Any]]:
    """The knobs that one word sets. Raises ``ValueError`` saying why it sets none."""
    key, equals, text = (part.strip() for part in word.partition("="))
    if len(word) > LONGEST_WORD or not word.isprintable():
        raise ValueError(
            f"expected one printable line of at most {LONGEST_WORD:,} characters; write it into "
            "the manifest"
        )
    if not (equals and text and _KEY.fullmatch(key)):
        raise ValueError("expected KEY=VALUE, such as resources.threads=2")
    value = _value(key, text)
    _refuse(key, value)
    found = list(knobs_in(nested({key: value})))
    if not found:
        raise ValueError("an empty table sets nothing; leave it out")
    for path, _ in found:
        if path[:1] == (EXPERIMENT.given.section,) and path[1:2] in _FILES:
            raise ValueError("a file that data are made from is given in the manifest alone")
    return found


_FILES = ((EXPERIMENT.given.declared,), (EXPERIMENT.given.planned,))


def _refuse(key: str, value: object) -> None:
    """Raise ``ValueError`` for what is no knob."""
    section, *rest = key.split(".")
    if path_of(key) == SEED:
        return
    known = [*SECTIONS, RESOURCES]
    if section not in known:
        near = did_you_mean(section, known) or "; write anything else into the manifest"
        tables = listed(f"[{name}]" for name in known)
        raise ValueError(f"{section} has no knobs; {tables} and phase.seed can be set{near}")
    if not rest and not isinstance(value, dict):
        raise ValueError(f"[{section}] is a table; name one of its keys: {section}.KEY=VALUE")


def _value(key: str, text: str) -> Any:  # noqa: ANN401 - any JSON value
    line = f"value = {text}"
    if too_much := excess(line) or excess(f"{key} = 0"):
        raise ValueError(too_much)
    try:
        document = tomli.loads(line)
        value = document["value"]
        spelled = json.dumps(value, allow_nan=False)
    except tomli.TOMLDecodeError:
        if _BARE.fullmatch(text):
            return text
        raise ValueError(
            f"{text[:60]!r} is no value of TOML; put a text into quotes, and the whole word into "
            f"others for the shell: '{key}=\"…\"'"
        ) from None
    except (TypeError, ValueError):
        raise ValueError("expected a finite number, text, true, false, array or table") from None
    if re.search(r"\d{19}", re.sub(r'"[^"]*"', "", spelled)):
        raise ValueError("has a number of more than 18 digits; write a shorter one")
    return value
