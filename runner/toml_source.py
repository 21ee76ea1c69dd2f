"""Reading a TOML file: its bytes, its values and the line of every key."""

from __future__ import annotations

import datetime as dt
import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli

from runner.complaints import Complaint, render
from runner.errors import ManifestError
from runner.toml_keys import KeyPath, key_lines


@dataclass(frozen=True, kw_only=True)
class Source:
    """A TOML file that was read, before anything is known about its meaning."""

    path: Path
    content: bytes
    text: str
    document: dict[str, Any]
    lines: dict[KeyPath, int]
    """Line of every key, counted from 1."""
    refused: dict[KeyPath, str]
    """Keys whose values no manifest can have, and why; ``document`` has strings in their place."""

    @property
    def json(self) -> str:
        """The document as JSON, infinities spelled as Python does."""
        return json.dumps(self.document)

    def at(self, path: KeyPath, problem: str) -> Complaint:
        """A complaint about ``path``, placed at the innermost part of it that the file has."""
        known = (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines)
        return Complaint(path=path, line=next(known, 1), problem=problem)


def read(path: Path) -> Source:
    """Read a TOML file.

    Raises ``ManifestError`` when there is no such file, or when it is not text or not TOML.
    """
    content = _content(path)
    text = _text(path, content)
    refused: dict[KeyPath, str] = {}
    try:
        document = {key: _plain(item, (key,), refused) for key, item in tomli.loads(text).items()}
        lines = key_lines(text)
    except tomli.TOMLDecodeError as error:
        raise _at(path, text, f"not TOML: {error.msg}", error.lineno, error.colno) from None
    except RecursionError:
        raise ManifestError(f"{path}: nested too deeply; write flatter tables") from None
    except ValueError:  # Python gives up on thousands of digits
        raise ManifestError(f"{path}: an integer has too many digits; shorten it") from None
    return Source(
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


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise ManifestError(f"{path}: a folder; give the path of a file, such as {_example(path)}")
    try:
        return path.read_bytes()
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _manifests(path.parent), n=1)
        hint = f"did you mean {path.parent / near[0]}?" if near else "check the path"
        raise ManifestError(f"{path}: no such file; {hint}") from None
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}; give a file that can be read") from error


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
    if not text.strip():
        raise ManifestError(f"{path}: the file is empty; see manifests/README.md for the format")
    return text


def _at(path: Path, text: str, problem: str, line: int, column: int) -> ManifestError:
    complaint = Complaint(path=(), line=line, column=column, problem=problem)
    return ManifestError(render([complaint], file=str(path), text=text))


def _manifests(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.glob("*.toml"))


def _example(folder: Path) -> Path:
    return folder / next(iter(_manifests(folder)), "quickstart.toml")
