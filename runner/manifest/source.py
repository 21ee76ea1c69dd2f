"""Reading a TOML file: its bytes, its values and the line of every key."""

from __future__ import annotations

import datetime as dt
import difflib
import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from runner.core.errors import ManifestError, NoManifestError
from runner.core.reading import read_regular
from runner.manifest.manifest_errors import Mistake, render
from runner.manifest.set_knobs import NOTHING_SET, OPTION, SetLayer
from runner.manifest.toml.keys import KeyPath, key_lines
from runner.manifest.toml.limits import MOST_BYTES, excess
from runner.manifest.toml.slips import remedy

MOST_NEIGHBOURS = 1000
"""Files of a folder among which a misspelt name is looked for."""


@dataclass(frozen=True, kw_only=True)
class TomlSource:
    """A TOML file that was read, before anything is known about its meaning."""

    path: Path
    content: bytes
    text: str
    document: dict[str, Any]
    lines: dict[KeyPath, int]
    """Line of every key, counted from 1."""
    refused: dict[KeyPath, str]
    """Keys whose values no manifest can have, and why; ``document`` has strings in their place."""
    over: SetLayer = NOTHING_SET
    """What the command line sets over the file; its keys stand below ``OPTION``."""

    @property
    def json(self) -> str:
        """The document as JSON, infinities spelled as Python does."""
        return json.dumps(self.document)

    def at(self, path: KeyPath, problem: str) -> Mistake:
        """A mistake about ``path``, placed at the innermost part of it that the file has."""
        if path[:1] == (OPTION,):
            inner = (path[1:n] for n in range(len(path), 1, -1))
            position = next(self.over.places[one] for one in inner if one in self.over.places)
            word = f"{OPTION} {self.over.words[position]}"
            return Mistake(path=path, line=1, problem=problem, word=word)
        known = (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines)
        return Mistake(path=path, line=next(known, 1), problem=problem)

    def has(self, place: KeyPath) -> bool:
        """Whether a key stands there, in the file or on the command line."""
        return place in self.lines or (place[:1] == (OPTION,) and place[1:] in self.over.places)

    def tables(self, array: str) -> list[dict[str, Any]]:
        """The tables of an array in their positions; an empty one for what is no table."""
        items = self.document.get(array)
        items = items if isinstance(items, list) else []
        return [item if isinstance(item, dict) else {} for item in items]

    def repeated(self, array: str, key: str, problem: str) -> Iterator[Mistake]:
        """The tables of an array whose ``key`` another has; ``problem`` names its ``{line}``."""
        first: dict[str, int] = {}
        for index, table in enumerate(self.tables(array)):
            name = table.get(key)
            if isinstance(name, str) and first.setdefault(name, index) != index:
                line = self.at((array, first[name], key), "").line
                yield self.at((array, index, key), f"got {name!r}, {problem.format(line=line)}")


def read(path: Path) -> TomlSource:
    """Read a TOML file, which may be no link.

    Raises ``ManifestError`` when there is no such file, or when it is no regular file, too large,
    not text or not TOML.
    """
    return parse(_content(path, path), path)


def read_given(path: Path) -> TomlSource:
    """As ``read``, for a path that the user gave, which may be a link."""
    return parse(_content(path, Path(os.path.realpath(path))), path)


def parse(content: bytes, path: Path) -> TomlSource:
    """What the bytes of the TOML file ``path`` say. Raises ``ManifestError`` as ``read``."""
    text = _text(path, content)
    if too_much := excess(text):
        raise ManifestError(f"{path}: {too_much}")
    refused: dict[KeyPath, str] = {}
    try:
        document = {key: _plain(item, (key,), refused) for key, item in tomli.loads(text).items()}
        lines = key_lines(text)
    except tomli.TOMLDecodeError as error:
        raise _not_toml(path, text, error) from None
    except ValueError:  # Python gives up on thousands of digits
        raise ManifestError(f"{path}: an integer has too many digits; shorten it") from None
    return TomlSource(
        path=path, content=content, text=text, document=document, lines=lines, refused=refused
    )


def _plain(value: object, path: KeyPath, refused: dict[KeyPath, str]) -> object:
    """``value`` as JSON has it; what JSON or TOML has no room for is noted in ``refused``."""
    if isinstance(value, dict):
        return {key: _plain(item, (*path, key), refused) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, (*path, index), refused) for index, item in enumerate(value)]
    if isinstance(value, dt.date | dt.time):
        refused[path] = f"got {value}; dates mean nothing here: write it in quotes"
        return str(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        refused[path] = "got an integer of more than 64 bits; write a smaller one"
        return "too large"
    return value


def _content(path: Path, place: Path) -> bytes:
    """The bytes at ``place``, which the user knows as ``path``."""
    if path.is_dir():
        raise ManifestError(f"{path}: a folder; give the path of a file, such as {_example(path)}")
    try:
        return read_regular(place, most=MOST_BYTES)
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _manifests(path.parent), n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "check the path"
        raise NoManifestError(f"{path}: no such file; {hint}") from None
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}; give a file that can be read") from error
    except ValueError as error:
        raise ManifestError(f"{path}: {error}; give the path of a TOML file") from None


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path}:{line}: not UTF-8: byte 0x{content[error.start]:02x}; save the file as UTF-8"
        ) from None
    if text.startswith("\ufeff"):
        raise ManifestError(f"{path}:1: begins with a byte order mark; save the file without it")
    return text


def _not_toml(path: Path, text: str, error: tomli.TOMLDecodeError) -> ManifestError:
    """What is wrong with the syntax, at its place, and what to write instead if that is known."""
    slip = remedy(text.replace("\r\n", "\n"), error.lineno, error.colno, error.msg)
    mistake = Mistake(
        path=(), line=slip.line, column=slip.column, problem=f"not TOML: {slip.problem}"
    )
    return ManifestError(render([mistake], file=str(path), text=text))


def _manifests(folder: Path) -> list[str]:
    found = itertools.islice(folder.glob("*.toml"), MOST_NEIGHBOURS)
    return sorted(entry.name for entry in found)


def _example(folder: Path) -> Path:
    return folder / next(iter(_manifests(folder)), "quickstart.toml")
