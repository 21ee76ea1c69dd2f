"""The key → line index, against what tomli reads from the same text."""

import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.manifest.toml.keys import KeyPath, key_lines

BARE = ["a", "b", "train", "kind-2", "7", "under_score"]
QUOTED = ["dotted.key", "two words", "équilibre", "#no comment", "[x]", "'", "={", ""]
TRAPS = ["[a]", "a = 1", "b = 2\n[[train]]\na = 1", "# x", '"', "''", "]}", 'ends in two ""']


def lines_of(text: str) -> dict[KeyPath, int]:
    text = textwrap.dedent(text).lstrip("\n")
    tomli.loads(text)
    return key_lines(text)


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key path that tomli yields."""
    children = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, child in children:
        yield (*path, key)
        yield from paths(child, (*path, key))


class Writer:
    """Spells a random document in random styles; every scalar but the traps is a new number."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.count = 1000
        self.out: list[str] = []

    def flip(self) -> bool:
        return self.draw(st.booleans())

    def key(self, key: str) -> str:
        if key in BARE and self.flip():
            return key
        return f'"{key}"' if "'" in key or self.flip() else f"'{key}'"

    def blank(self) -> str:
        return self.draw(st.sampled_from(["", " ", "\n", " # ] } , a = 1\n", "\n\n\t"]))

    def scalar(self) -> str:
        if self.draw(st.integers(0, 3)):
            self.count += 1
            return str(self.count)
        trap = self.draw(st.sampled_from(TRAPS))
        return self.draw(
            st.sampled_from(
                [
                    "'''\n" + trap.replace("''", "") + "'''",
                    '"""' + trap.replace("\\", "\\\\") + '"""',
                    '"' + trap.replace('"', '\\"').replace("\n", "\\n") + '"',
                    "1979-05-27 07:32:00Z",
                    "-inf",
                    "true",
                ]
            )
        )

    def value(self, depth: int) -> str:
        style = self.draw(st.integers(0, 5)) if depth else 9
        if style == 0:
            items = [self.value(depth - 1) for _ in range(self.draw(st.integers(0, 3)))]
            comma = "," if items and self.flip() else ""
            body = ",".join(self.blank() + item + self.blank() for item in items)
            return f"[{body}{comma}{self.blank()}]"
        if style == 1:
            pairs = [f" {self.pair(key, depth - 1)} " for key in self.keys()]
            return "{" + ",".join(pairs) + "}"
        return self.scalar()

    def keys(self) -> list[str]:
        return self.draw(st.lists(st.sampled_from(BARE + QUOTED), max_size=3, unique=True))

    def pair(self, key: str, depth: int) -> str:
        dotted = [key, *self.keys()] if self.draw(st.integers(0, 3)) == 0 else [key]
        dot = self.draw(st.sampled_from([".", " . "]))
        return f"{dot.join(self.key(k) for k in dotted)} = {self.value(depth)}"

    def table(self, path: list[str], depth: int) -> None:
        keys = self.keys()
        split = self.draw(st.integers(0, len(keys))) if depth else len(keys)
        for key in keys[:split]:
            self.out.append(self.pair(key, 2) + self.draw(st.sampled_from(["", " # x", "\n"])))
        for key in keys[split:]:
            below = [*path, key]
            header = ".".join(self.key(part) for part in below)
            for _ in range(self.draw(st.integers(1, 2)) if (twice := self.flip()) else 1):
                self.out.append(f"[[{header}]]" if twice else f"[ {header} ]  # [no]")
                self.table(below, depth - 1)


@st.composite
def documents(draw: Any) -> str:
    writer = Writer(draw)
    writer.table([], 3)
    return draw(st.sampled_from(["\n", "\r\n"])).join("\n".join(writer.out).split("\n")) + "\n"


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(documents())
def test_every_key_that_tomli_yields_has_a_line_that_contains_it(text: str) -> None:
    document = tomli.loads(text)
    found = key_lines(text)
    assert set(found) == set(paths(document))
    rows = text.split("\n")
    for path, line in found.items():
        name = next(part for part in reversed(path) if isinstance(part, str))
        if isinstance(path[-1], str):
            assert name in rows[line - 1]
        value: Any = document
        for part in path:
            value = value[part]
        if isinstance(value, int) and not isinstance(value, bool):
            assert str(value) in rows[line - 1]


def test_a_table_stands_where_its_own_header_is() -> None:
    found = lines_of(
        """
        [a.b]
        c = 1
        [a]
        d = 2
        """
    )
    assert found == {("a",): 3, ("a", "b"): 1, ("a", "b", "c"): 2, ("a", "d"): 4}


def test_each_element_of_an_array_of_tables_has_its_own_lines() -> None:
    found = lines_of(
        """
        [[arms]]
        name = "x"
        [arms.train]
        epochs = 1

        [[arms]]
        train.optimizer = { kind = "sgd", betas = [
            0.9,
            0.99,
        ] }
        """
    )
    assert found[("arms",)] == 1
    assert found[("arms", 0, "train", "epochs")] == 4
    assert found[("arms", 1)] == 6
    assert found[("arms", 1, "train")] == 7
    assert found[("arms", 1, "train", "optimizer", "betas", 1)] == 9


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_text_in_strings_and_comments_is_not_taken_for_keys(newline: str) -> None:
    text = newline.join(
        ['a = """', "[b]", 'c = 1\\""" ""', 'x"""""', "# d = 1", "e = '''''f = 2'''", "g = 1"]
    )
    assert set(tomli.loads(text)) == {"a", "e", "g"}
    assert key_lines(text) == {("a",): 1, ("e",): 6, ("g",): 7}


def test_only_a_newline_ends_a_line() -> None:
    assert lines_of("a = '\u2028 \x85'\nb = 1\n")[("b",)] == 2


def test_an_escaped_key_is_read_as_tomli_reads_it() -> None:
    assert lines_of('"\\u0061\\tb" = 1') == {("a\tb",): 1}
