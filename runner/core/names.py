"""The kinds of names and digests that files of others hold: parsed once, safe ever after.

A value of one of these types can be joined to a path, printed and archived without another look.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

SAFE_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
SAFE_NAME_WORDS = (
    "a safe file name: lower-case letters, digits, underscores and hyphens, a letter or digit "
    "first, at most 64 characters"
)
STAMP = r"\d{4}-\d{2}-\d{2}T\d{6}Z"
"""The name of a sealed hub: its time."""
HUB_NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,63}}/{STAMP}")
"""A hub's phase and its own name: ``phase8/2026-01-30T050000Z``."""
LONGEST_PATH = 255
"""Bytes of a path inside a hub: what a tar header of 1988 has room for."""


def is_dataset_name(name: str) -> bool:
    """Whether a name is one of a dataset: ``dataset``, or that with the beginning of a digest."""
    return re.fullmatch(r"dataset(-[0-9a-f]{12})?", name) is not None


def is_plain_name(name: str) -> bool:
    """Whether a name can stand in a line of text as it is: it prints and has no backslash.

    Control characters, undecodable bytes and invisible characters do not print; a backslash is
    what ``sha256sum`` escapes with.
    """
    return name.isprintable() and "\\" not in name


def wrong_path(path: str) -> str | None:
    """Why a path cannot be one of a file inside a folder; ``None`` if it can.

    Relative, POSIX, in Unicode's composed form (NFC), bounded, and nowhere up.
    """
    if not path or not is_plain_name(path):
        return "has a control character or a backslash, or is empty"
    if len(path.encode()) > LONGEST_PATH:
        return f"is longer than {LONGEST_PATH} bytes"
    if path.startswith("/"):
        return "is absolute"
    if any(part in ("", ".", "..") for part in path.split("/")):
        return "does not stay inside its folder"
    if not unicodedata.is_normalized("NFC", path):
        return "is not in the composed form of Unicode (NFC)"
    return None


def _safe_name(name: str) -> str:
    if not re.fullmatch(SAFE_NAME[1:-1], name):
        raise ValueError(f"expected {SAFE_NAME_WORDS}")
    return name


def _inner_path(path: str) -> str:
    if problem := wrong_path(path):
        raise ValueError(f"the path {path[:60]!r} {problem}")
    return path


SafeName = Annotated[
    str, AfterValidator(_safe_name), Field(json_schema_extra={"pattern": SAFE_NAME})
]
"""Name of a phase, an arm, a profile or a follow-up."""
InnerPath = Annotated[str, AfterValidator(_inner_path)]
"""Path of a file, relative to the folder that the table speaks of."""
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""
