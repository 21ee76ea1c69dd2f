"""What a job left: checked against its ``result.json`` and copied into the hub.

An output folder is not to be trusted: it was written by whatever the manifest named. Nothing in it
is followed, waited for or believed without its digest, and one arm's bad files fail that arm alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict

from runner.core.digest import entries, oddity
from runner.core.disk import is_of_writing
from runner.core.reading import open_below, parse_table, read_below, typed
from runner.engines.usage import MOST_FILES
from runner.hub.records.base import FileRecord

RESULT = "result.json"
RESERVED = ("job.json", RESULT)
"""Names in an arm's folder that the runner gives."""
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
        content = read_below(out_dir, RESULT)
        result = _result(content, experiment, job_sha256)
        present = {path.as_posix(): path for path in entries(out_dir, most=MOST_FILES)}
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
        if (
            problem := _refusal(out_dir, present, name)
            or copied(out_dir, destination, file, listed_in=RESULT)
        )
    }
    kept = tuple(file for name, file in listed.items() if name not in refused)
    return Collected(files=kept, problems=(*problems, *refused.values()))


def _nothing(problem: str) -> Collected:
    return Collected(problems=(problem,))


def _result(content: bytes, experiment: str, job_sha256: str) -> Result:
    if not content:
        raise ValueError(f"{RESULT} is empty: the job ended before its output was complete")
    result = typed(Result, parse_table(content, RESULT), RESULT)
    if (result.experiment, result.job_sha256) != (experiment, job_sha256):
        raise ValueError(
            f"{RESULT} speaks of another job ({result.experiment}, {result.job_sha256}) than the "
            f"one that ran ({experiment}, {job_sha256})"
        )
    return result


def _refusal(out_dir: Path, present: dict[str, PurePosixPath], name: str) -> str | None:
    """Why a file that ``result.json`` lists cannot be taken, by its name alone."""
    if name in RESERVED:
        return f"{RESULT} lists {name}, a name that the runner gives; use another"
    if name.count("/") >= DEEPEST:
        return f"{RESULT} lists {name!r}, more than {DEEPEST} folders deep"
    if name not in present:
        return f"{name!r} is listed in {RESULT} and is not there"
    return oddity(out_dir, present[name])


def copied(
    source_dir: Path,
    destination: Path,
    file: FileRecord,
    *,
    listed_in: str,
    as_path: str | None = None,
) -> str | None:
    """Copy one file, under its own path or ``as_path``, and compare the copy with its record.

    Returns:
        What is wrong, with the name ``listed_in`` of the file that has the record; the copy is then
        removed again. ``None`` where nothing is.
    """
    target = destination / (as_path or file.path)
    digest, size = hashlib.sha256(), 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open_below(source_dir, file.path) as source, target.open("xb") as copy:
            while size <= file.bytes and (block := source.read(_BLOCK)):
                digest.update(block)
                size += len(block)
                copy.write(block)
    except (OSError, ValueError) as error:
        if is_of_writing(error):
            raise  # the file is sound, and cannot be kept: no fault of the job
        target.unlink(missing_ok=True)
        return f"{file.path} cannot be copied: {getattr(error, 'strerror', error)}"
    if size != file.bytes:
        target.unlink()
        return f"{file.path} does not have the {file.bytes} bytes that {listed_in} says"
    if digest.hexdigest() != file.sha256:
        target.unlink()
        return f"{file.path} does not have the digest that {listed_in} says"
    return None
