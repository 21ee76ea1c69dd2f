"""One name, one thing: no two classes of the runner are called the same."""

import ast
from collections import defaultdict
from pathlib import Path

RUNNER = Path(__file__).parents[2] / "runner"
STILL_TWICE = {"Entry", "Image", "Judgement", "Phase", "Recipe", "Stage", "Step"}
"""Still to be renamed in one of their two places. The set may only shrink."""


def classes_of(source: str) -> list[str]:
    """The names of all classes in a module, inner ones too."""
    return [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]


def test_a_class_is_found_wherever_it_stands():
    assert classes_of("class A:\n    class B: pass\ndef f():\n    class C: pass") == ["A", "B", "C"]


def test_no_class_name_is_defined_twice():
    places = defaultdict(list)
    for path in sorted(RUNNER.rglob("*.py")):
        for name in classes_of(path.read_text(encoding="utf-8")):
            places[name].append(path.relative_to(RUNNER).as_posix())
    assert len(places) > 100, "the classes were not found"
    twice = {name: found for name, found in places.items() if len(found) > 1}
    assert {*twice} == STILL_TWICE, twice
