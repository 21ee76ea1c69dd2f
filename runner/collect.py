"""What a job left: checked against its ``result.json`` and copied into the hub.

An output folder is not to be trusted: it was written by whatever the manifest named. Nothing in it
is followed, waited for or believed without its digest, and one arm's bad files fail that arm alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from runner.digest import entries, oddity, parse_json
from runner.record import FileRecord

RESULT = "result.json"
RESERVED = ("job.json", RESULT)
"""Names in an arm's folder that the runner gives."""
MOST_BYTES_OF_JSON = 64 * 2**20
"""A summary that is larger than this is no summary."""
DEEPEST = 8
MOST_NAMED = 10
_BLOCK = 2**20


class Result(BaseModel):
    """``result.json`` as the file contract has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    experiment: str
    job_sha256: str
    files: tuple[FileRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What was copied, and what was wrong; the output is valid if nothing was."""

    files: tuple[FileRecord, ...] = ()
    problems: tuple[str, ...] = ()

    def describe(self) -> str:
        """What was wrong, in one line that names the files; the first ones where there are many."""
        named = "; ".join(self.problems[:MOST_NAMED])
        more = len(self.problems) - MOST_NAMED
        return f"{named}; and {more} more" if more > 0 else named


def collect(out_dir: Path, destination: Path, *, experiment: str, job_sha256: str) -> Collected:
    """Copy the files that ``result.json`` lists, and it, from ``out_dir`` to ``destination``.

    The bytes that are digested are the bytes that are copied. Refused, each by name, while the rest
    is still copied: files that are missing, differ from their digest or size, lie outside
    ``out_dir``, are links or devices, or are not listed.
    """
    try:
        content = _bytes_of(out_dir / RESULT)
        result = _result(content, experiment, job_sha256)
        present = {path.as_posix(): path for path in entries(out_dir)}
    except FileNotFoundError:
        return _nothing(f"{RESULT} is missing: the job ended before its output was complete")
    except OSError as error:
        return _nothing(f"{error.filename} cannot be read: {error.strerror}")
    except ValueError as error:
        return _nothing(str(error))
    destination.mkdir(parents=True, exist_ok=True)
    (destination / RESULT).write_bytes(content)
    listed = {file.path: file for file in result.files}
    problems = [
        oddity(out_dir, path) or f"{path} is not listed in {RESULT}"
        for name, path in present.items()
        if name != RESULT and name not in listed
    ]
    if len(listed) < len(result.files):
        problems.append(f"{RESULT} lists a file twice")
    refused = {
        name: problem
        for name, file in listed.items()
        if (problem := _refusal(out_dir, present, name) or _copy(out_dir, destination, file))
    }
    kept = tuple(file for name, file in listed.items() if name not in refused)
    return Collected(files=kept, problems=(*problems, *refused.values()))


def read_table(path: Path) -> dict[str, object]:
    """The JSON table in a file that a job left. Raises ``ValueError`` naming what is wrong."""
    try:
        return _table(path.name, _bytes_of(path))
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from error


def _nothing(problem: str) -> Collected:
    return Collected(problems=(problem,))


def _table(name: str, content: bytes) -> dict[str, object]:
    if not content:
        raise ValueError(f"{name} is empty: the job ended before its output was complete")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name} holds no table")  # noqa: TRY004 - a flaw of the file
    return value


def _bytes_of(path: Path) -> bytes:
    """Content of a JSON file. Raises ``ValueError`` for links, devices and files without bound."""
    with _open(path) as file:
        content = file.read(MOST_BYTES_OF_JSON + 1)
    if len(content) > MOST_BYTES_OF_JSON:
        raise ValueError(f"{path.name} is larger than {MOST_BYTES_OF_JSON} bytes")
    return content


def _open(path: Path) -> BinaryIO:
    """A regular file for reading; neither follows a link nor waits for a pipe's other end."""
    if path.is_symlink():
        raise ValueError(f"{path.name} is a symbolic link; the job must write a file")
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise ValueError(f"{path.name} is not a regular file; the job must write one")
    return file


def _result(content: bytes, experiment: str, job_sha256: str) -> Result:
    try:
        result = Result.model_validate(_table(RESULT, content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{RESULT} does not keep the contract: {place}: {first['msg']}") from error
    if (result.experiment, result.job_sha256) != (experiment, job_sha256):
        raise ValueError(
            f"{RESULT} speaks of another job ({result.experiment}, {result.job_sha256}) than the "
            f"one that ran ({experiment}, {job_sha256})"
        )
    return result


def _refusal(out_dir: Path, present: dict[str, PurePosixPath], name: str) -> str | None:
    """Why a file that ``result.json`` lists cannot be taken, by its name alone."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or path.as_posix() != name:
        return f"{RESULT} lists {name!r}, which is no path inside the output folder"
    if name in RESERVED:
        return f"{RESULT} lists {name}, a name that the runner gives; use another"
    if len(path.parts) > DEEPEST:
        return f"{RESULT} lists {name!r}, more than {DEEPEST} folders deep"
    if name not in present:
        return f"{name!r} is listed in {RESULT} and is not there"
    return oddity(out_dir, path)


def _copy(out_dir: Path, destination: Path, file: FileRecord) -> str | None:
    """Copy one file and compare what was copied with its record; what differs is removed again."""
    target = destination / file.path
    digest, size = hashlib.sha256(), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _open(out_dir / file.path) as source, target.open("xb") as copy:
            while size <= file.bytes and (block := source.read(_BLOCK)):
                digest.update(block)
                size += len(block)
                copy.write(block)
    except (OSError, ValueError) as error:
        target.unlink(missing_ok=True)
        return f"{file.path} cannot be copied: {getattr(error, 'strerror', error)}"
    if size != file.bytes:
        target.unlink()
        return f"{file.path} does not have the {file.bytes} bytes that {RESULT} says"
    if digest.hexdigest() != file.sha256:
        target.unlink()
        return f"{file.path} does not have the digest that {RESULT} says"
    return None
