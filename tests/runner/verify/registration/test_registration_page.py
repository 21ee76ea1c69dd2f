"""docs/registration.md has every reason why a hub does not count, in the words of the code."""

import ast
import re
from pathlib import Path

import pytest

from runner.verify.registration import confirmation, registered_runs

PAGE = Path(__file__).parents[4] / "docs" / "registration.md"
WHERE = {registered_runs: None, confirmation: "_used_before"}
"""Modules that object to hubs, and the one function that does so where others say other things."""


def words(text):
    return " ".join(text.replace("`", "").split())


def fragments(module, function):
    """What a module says in three words or more, without docstrings and comments."""
    tree = ast.parse(Path(module.__file__).read_text())
    parts = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    for part in parts:
        if function in (None, part.name):
            for node in ast.walk(ast.Module(body=part.body[_documented(part) :], type_ignores=[])):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    text = words(node.value).strip(" ,;:")
                    yield from [text] if len(re.findall(r"[a-z]+", text)) > 2 else []


def _documented(part):
    return int(ast.get_docstring(part) is not None)


SAID = sorted({text for module, name in WHERE.items() for text in fragments(module, name)})


def test_the_reasons_are_found_in_the_code():
    assert "it was interrupted" in SAID
    assert len(SAID) > 20


@pytest.mark.parametrize("said", SAID)
def test_the_page_has_every_reason(said):
    assert said in words(PAGE.read_text())
