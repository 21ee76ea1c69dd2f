"""Digests of bytes, files, JSON values and folders: the identity of everything that is recorded.

All digests are SHA-256 in lowercase hexadecimal. A JSON value has one canonical spelling, and a
folder is identified by the names and contents of its files alone: not by where it lies, nor by
dates, modes, or the order in which the file system lists it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from runner.errors import VerificationError

DEEPEST = 64
"""Levels of tables and lists in a JSON text that is read."""
MOST_DIGITS = 20
"""Of an integer in a JSON text that is read; enough for 64 bits."""
_TOO_DEEP = f"is nested more than {DEEPEST} levels deep"


def sha256_bytes(content: bytes) -> str:
    """Digest of ``content``."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Digest of the bytes of one file, read in blocks. Raises ``OSError`` as ``open`` does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: object) -> bytes:
    """The one spelling of a JSON value: keys sorted, no blanks, UTF-8.

    Raises ``ValueError`` for NaN and infinity and ``TypeError`` for what JSON has no word for.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_json(value: object) -> str:
    """Digest of the canonical spelling of a JSON value; see ``canonical_json``."""
    return sha256_bytes(canonical_json(value))


def pretty_json(value: object) -> bytes:
    """A JSON value as it is written to files: keys sorted, indented by 2, newline at the end.

    Raises as ``canonical_json`` does.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def is_plain_name(name: str) -> bool:
    """Whether a name can stand in a line of text as it is: it prints and has no backslash.

    Control characters, undecodable bytes and invisible characters do not print; a backslash is
    what ``sha256sum`` escapes with.
    """
    return name.isprintable() and "\\" not in name


def tree_digest(root: Path, *, include: Callable[[PurePosixPath], bool] | None = None) -> str:
    r"""Digest of the files below ``root``; ``include`` chooses by path relative to it, all if None.

    It is the digest of what ``sha256sum`` prints for the files in byte order of their paths, so
    anyone can repeat it::

        find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Empty folders do not count. Raises ``VerificationError`` when ``root`` is not a folder, and for
    a symbolic link, a device or a name that is not plain among the chosen entries.
    """
    if not root.is_dir():
        raise VerificationError(f"{root} is not a folder; give the folder that is to be digested")
    chosen = [path for path in entries(root) if include is None or include(path)]
    whole = hashlib.sha256()
    for path in chosen:
        if problem := oddity(root, path):
            raise VerificationError(f"{root}: {problem}")
        whole.update(f"{sha256_file(root / path)}  {path.as_posix()}\n".encode())
    return whole.hexdigest()


def entries(root: Path) -> list[PurePosixPath]:
    """Everything below ``root`` that is not a real folder, relative to it, in byte order.

    Symbolic links are listed and never followed. Raises ``OSError`` for what cannot be listed.
    """
    found: list[PurePosixPath] = []
    folders = [PurePosixPath()]
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as listing:
            for entry in listing:
                kind = folders if entry.is_dir(follow_symlinks=False) else found
                kind.append(folder / entry.name)
    return sorted(found, key=lambda path: os.fsencode(path.as_posix()))


def oddity(root: Path, path: PurePosixPath) -> str | None:
    """Why an entry below ``root`` cannot be part of a record, with the remedy; ``None`` if it can.

    Only regular files with plain names can: a link would let content change from outside.
    """
    if not is_plain_name(path.as_posix()):
        return (
            f"the name {path.as_posix()!r} has a control character or a backslash; rename the file"
        )
    mode = (root / path).lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"{path} is a symbolic link; replace it by the file that it points to"
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file; remove it"
    return None


def parse_json(content: bytes) -> object:
    """The value of a JSON text, by the strict reading: UTF-8, no NaN, no key twice.

    Raises ``ValueError``, saying what is wrong, for everything else, and for depths and integers
    that no honest record has and that would only trip whoever works with the value.
    """
    try:
        value: object = json.loads(
            content.decode(),
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
            object_pairs_hook=_table,
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _refuse_depth(value)
    return value


def _refuse_constant(word: str) -> None:
    raise ValueError(f"holds {word}, which JSON does not have; write null and say why")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"holds {text}, which is no finite number")
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


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("holds a key twice")
    return table
