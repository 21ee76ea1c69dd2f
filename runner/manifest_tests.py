"""The regression tests that a phase names: which tests of the project run beside its arms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from models.config import Table
from runner.complaints import Complaint, did_you_mean
from runner.overrides import table
from runner.toml_source import Source
from runner.wheels import ROOT

FOLDER = "tests/models"
"""Where tests can be that run as a job: what a job sees is ``models`` and these."""

_ID = re.compile(rf"({FOLDER}(?:/\w+)*/test_\w+\.py)((?:::\w+)*)((?:\[.+\])?)", re.ASCII)


def _test_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(
            f"expected a test of {FOLDER}, like '{FOLDER}/nets/test_blocks.py::test_name'"
        )
    return text


def _distinct(select: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(select)) < len(select):
        raise ValueError("a test is named twice; name each once")
    return select


class Tests(Table):
    """Tests of the project that run with the phase, in the environment of its arms."""

    select: Annotated[
        tuple[Annotated[str, AfterValidator(_test_id)], ...], AfterValidator(_distinct)
    ] = Field(
        (),
        description="Ids of tests below `tests/models`, as pytest has them: a file, or "
        "`file::function`. One that fails makes the run fail.",
    )


def check_tests(source: Source, root: Path = ROOT) -> Iterator[Complaint]:
    """Every test that is named is there, as far as that can be told without running it."""
    select = table(source.document, "tests").get("select")
    for index, text in enumerate(select if isinstance(select, list) else ()):
        match = _ID.fullmatch(text) if isinstance(text, str) else None
        problem = _absence(root / match[1], match[2].split("::")[1:]) if match else None
        if problem:
            yield source.at(("tests", "select", index), f"got {text!r}; {problem}")


def _absence(path: Path, names: list[str]) -> str | None:
    """What of a test is not there."""
    if not path.is_file():
        near = did_you_mean(path.name, [each.name for each in path.parent.glob("test_*.py")])
        return f"there is no such file{near}"
    body = ast.parse(path.read_text("utf-8")).body
    for name in names:
        defined = {
            node.name: node.body
            for node in body
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        if name not in defined:
            return f"{path.name} defines no {name}{did_you_mean(name, defined)}"
        body = defined[name]
    return None
