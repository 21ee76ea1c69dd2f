"""One name, one thing, in plain words: no two classes of the runner are called the same."""

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNNER = ROOT / "runner"


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
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


PLAINER = {
    "told": "said, given, or what it is: a message, words, lines",
    "anew": "again",
    "laid to": "attributed to",
    "nobody whom": "none of those that",
    "circumstances": "environment facts",
    "departures": "mismatches",
    "complaints": "mistakes",
    "cautions": "notes",
    "carried": "bundled; executed",
    "foresight": "preview",
    "Glance": "sample",
    "attestation": "provenance, or the test result",
    "octets": "bytes",
}
"""Words that have a plainer one here."""
KEPT = {
    "runner/commands/reproduction/outcome.py": {"in-toto.io/attestation", "in-toto/attestation"},
    "runner/compare/diff/text.py": {"fact.told"},
    "runner/compare/environment_facts.py": {"told=text"},
    "runner/hub/records/again.py": {"told: str"},
    "runner/manifest/findings.py": {'Literal["shared", "anew"]'},
    "runner/report/reproduction.py": {"fact.told"},
    "runner/verify/parameter_differences.py": {'"drawn anew with each seed"'},
}
"""Keys and values of files that users have, and names of others, in which a word stays."""


def unplain(text: str) -> list[str]:
    """The words of a text that have a plainer one."""
    return [word for word in PLAINER if re.search(rf"\b{word}\b", text)]


def test_a_word_is_found_as_a_word_and_not_in_a_name():
    assert unplain("it was told anew") == ["told", "anew"]
    assert unplain("foretold DRAWN_ANEW") == []


def test_rooms_speak_plainly():
    found = {}
    for path in sorted(one for top in ("runner", "models") for one in (ROOT / top).rglob("*.py")):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        for key in KEPT.get(name, ()):
            assert key in text, f"{name} has {key} no more; take it off the list"
            text = text.replace(key, "")
        if words := unplain(text):
            found[name] = [f"{word}: write {PLAINER[word]}" for word in words]
    assert found == {}
