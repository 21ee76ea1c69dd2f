"""The regression tests that a phase names: which tests of its project run beside its arms."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from runner.core.project import TESTS, project_of
from runner.core.reading import is_file_below, read_below
from runner.experiment.common import Table
from runner.manifest.manifest_errors import Mistake, did_you_mean
from runner.manifest.overrides import table
from runner.manifest.source import TomlSource

_ID = re.compile(rf"({TESTS}(?:/\w+)*/test_\w+\.py)((?:::\w+)*)((?:\[.+\])?)", re.ASCII)


MOST_SOURCE_BYTES = 2**20
"""Of a file of tests."""

_Definitions: TypeAlias = "dict[str, _Definitions]"


def _test_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise ValueError(
            f"expected a test of {TESTS}, like '{TESTS}/nets/test_blocks.py::test_name'"
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
        max_length=256,
        description="Ids of tests below `tests/models` of the manifest's project, as pytest has "
        "them: a file, or `file::function`. One that fails makes the run fail.",
    )


def check_tests(source: TomlSource) -> Iterator[Mistake]:
    """Every test that is named is there, as far as that shows without running it."""
    root = project_of(source.path)
    definitions = functools.cache(functools.partial(_definitions, root))
    select = table(source.document, "tests").get("select")
    for index, text in enumerate(select if isinstance(select, list) else ()):
        match = _ID.fullmatch(text) if isinstance(text, str) else None
        problem = _absence(root, match[1], match[2].split("::")[1:], definitions) if match else None
        if problem:
            yield source.at(("tests", "select", index), f"got {text!r}; {problem}")


def _absence(
    root: Path, path: str, names: list[str], definitions: Callable[[str], _Definitions | str]
) -> str | None:
    """What of a test is not there."""
    if not is_file_below(root, path):
        folder = (root / path).parent
        neighbours = (each.name for each in folder.glob("test_*.py"))
        return f"there is no such file below {root}{did_you_mean(Path(path).name, neighbours)}"
    defined = definitions(path)
    if isinstance(defined, str):
        return defined
    for name in names:
        if name not in defined:
            return f"{Path(path).name} defines no {name}{did_you_mean(name, defined)}"
        defined = defined[name]
    return None


def _definitions(root: Path, path: str) -> _Definitions | str:
    """The functions and classes of a file with those inside them, or why they are not known."""
    try:
        return _defined(ast.parse(read_below(root, path, most=MOST_SOURCE_BYTES)))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{Path(path).name} cannot be read ({error}); give a file of tests that can"


def _defined(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> _Definitions:
    inner = (each for each in node.body if isinstance(each, ast.FunctionDef | ast.ClassDef))
    return {each.name: _defined(each) for each in inner}
