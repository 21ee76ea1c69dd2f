"""Reading files that others wrote: the one place where bytes from outside come in.

Nothing is followed, waited for or read without bound: only regular files, never through a link, no
more bytes than are allowed, JSON no deeper and no stranger than an honest program writes it. What
comes out is bytes, JSON values or values of a type; whoever gets them need not look again.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel, ValidationError

MIB = 2**20
MOST_JSON_BYTES = 64 * MIB
"""Of a JSON file that is read, unless its reader knows better."""
DEEPEST = 64
"""Levels of tables and lists in a JSON text that is read."""
MOST_DIGITS = 20
"""Of an integer in a JSON text that is read; enough for 64 bits."""
MOST_SHOWN = 200
"""Characters of a foreign word that a message repeats."""
_TOO_DEEP = f"is nested more than {DEEPEST} levels deep"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")

Model = TypeVar("Model", bound=BaseModel)


class MissingError(ValueError):
    """There is no file of that name."""


# --- files ---------------------------------------------------------------------------------------


def open_regular(path: Path) -> BinaryIO:
    """A regular file for reading; neither follows a link nor waits for a pipe's other end.

    Folders on the way are taken as they are. Raises ``OSError`` where nothing can be opened and
    ``ValueError``, saying what it is, for what is no regular file.
    """
    return _regular(path.name, path, None)


def open_below(root: Path, name: str) -> BinaryIO:
    """The file ``name`` below ``root``, as ``open_regular``; no folder of ``name`` may be a link.

    ``name`` is an ``InnerPath``. Raises as ``open_regular``.
    """
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError(f"{name!r} is no place below a folder")
    *folders, last = parts
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = inner
        return _regular(name, last, here)
    finally:
        os.close(here)


def _regular(name: str, place: Path | str, folder: int | None) -> BinaryIO:
    found = os.stat(place, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise ValueError(f"{name} is a symbolic link, and must be a file")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{name} is not a regular file")
    # A pipe that has taken the file's place since would wait for a writer, perhaps for ever:
    # https://man7.org/linux/man-pages/man7/fifo.7.html
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    file = os.fdopen(os.open(place, flags, dir_fd=folder), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it was exchanged just now
        file.close()
        raise ValueError(f"{name} is not a regular file")
    return file


def is_file_below(root: Path, name: str) -> bool:
    """Whether ``open_below`` would open something."""
    try:
        open_below(root, name).close()
    except (OSError, ValueError):
        return False
    return True


def read_regular(path: Path, *, most: int) -> bytes:
    """All of a file of at most ``most`` bytes. Raises as ``open_regular``, and for larger ones."""
    with open_regular(path) as file:
        return _content(file, path.name, most)


def read_below(root: Path, name: str, *, most: int = MOST_JSON_BYTES) -> bytes:
    """All of the file ``name`` below ``root``. Raises as ``open_below``, and for larger ones."""
    with open_below(root, name) as file:
        return _content(file, name, most)


def _content(file: BinaryIO, name: str, most: int) -> bytes:
    # As much memory as the file is large, not as large as it may be.
    size = min(os.fstat(file.fileno()).st_size, most)
    content = file.read(size + 1)
    if size < len(content) <= most:  # it grows while it is read
        content += file.read(most + 1 - len(content))
    if len(content) > most:
        raise ValueError(f"{name} is larger than {most:,} bytes")
    return content


def copy_below(root: Path, name: str, target: Path) -> None:
    """Copy the file ``name`` below ``root`` to the new ``target``. Raises as ``open_below``."""
    with open_below(root, name) as source, target.open("xb") as copy:
        while block := source.read(MIB):
            copy.write(block)


# --- JSON ----------------------------------------------------------------------------------------


def parse_json(content: bytes) -> Any:  # noqa: ANN401 - JSON
    """The value of a JSON text, by the strict reading: UTF-8, no NaN, no key twice.

    Raises ``ValueError``, saying what is wrong, for everything else, and for depths, integers and
    halves of characters that no honest record has and that only trip whoever works with the value.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: byte {error.start}") from None
    try:
        value: object = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
            object_pairs_hook=_table,
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _refuse_depth(value)
    if _SURROGATE.search(content):
        _refuse_halves(value)
    return value


def read_table(root: Path, name: str, *, most: int = MOST_JSON_BYTES) -> dict[str, Any]:
    """The JSON table in the file ``name`` below ``root``.

    Raises as ``read_file``, and ``ValueError`` for what is no such table.
    """
    return parse_table(read_file(root, name, most=most), name)


def read_file(root: Path, name: str, *, most: int = MOST_JSON_BYTES) -> bytes:
    """As ``read_below``, but every reason why it cannot be read is a ``ValueError``.

    Raises ``MissingError``, which is one, where there is no such file.
    """
    try:
        return read_below(root, name, most=most)
    except FileNotFoundError:
        raise MissingError(f"{name} is missing") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read: {error.strerror}") from error


def parse_table(content: bytes, name: str) -> dict[str, Any]:
    """The JSON table of the file called ``name``. Raises ``ValueError`` saying what is wrong."""
    if not content:
        raise ValueError(f"{name} is empty")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds no table")  # noqa: TRY004 - a flaw of the file
    return value


def typed(model: type[Model], table: object, name: str) -> Model:
    """A value of ``model`` from the parsed JSON of the file called ``name``.

    Raises ``ValueError`` that names the file, the key, and what is wrong with it.
    """
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise ValueError(f"{name}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first key that pydantic refuses, and why, in a line of bounded length."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    message = "unknown key" if first["type"] == "extra_forbidden" else message
    return ": ".join(shortened(part) for part in (place, message) if part)


def shortened(text: str) -> str:
    """The beginning of a text that may be of any length."""
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…"


def _refuse_constant(word: str) -> None:
    raise ValueError(f"holds {word}, which JSON does not have; write null and say why")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {shortened(text)}, which is no finite number")
    return number


def _bounded(text: str) -> int:
    if len(text.lstrip("-")) > MOST_DIGITS:
        raise ValueError(f"holds an integer of more than {MOST_DIGITS} digits")
    return int(text)


def _refuse_depth(value: object) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    if level:
        raise ValueError(_TOO_DEEP)


def _refuse_halves(value: object) -> None:
    """Refuse half a pair of UTF-16, which no encoding of the text could write again."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a character (a lone surrogate)") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("holds a key twice")
    return table
