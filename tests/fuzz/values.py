"""Mutations of JSON values: other types, extremes, and what only a text can hold."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass
from random import Random
from typing import Any

ESC = "\x1b[2J\x1b]0;owned\x07"
BIDI = "\u202egnp.exe\u2066"

STRINGS = (
    "", " ", "\x00", "\n", "a\nb", "\r", "\x0b\x0c\x85\u2028\u2029", ESC, BIDI, "\x9b31m",
    "\ud800", "\udfff\ud800", "e\u0301", "\u00e9", "İ", "ß", "\u200b", "\ufeff", "\U0010ffff",
    "..", ".", "/", "//", "../x", "../../x", "../../../secret.txt", "../../../../secret.txt",
    "../../../../../secret.txt", "../../../../../../outside/new.txt", "/etc/passwd",
    "/dev/zero", "/proc/self/environ", "a/../../b", "a//b", "./a", "a/", "C:\\x", "\\\\h\\s",
    "-rf", "--output=/tmp/x", "~", "~root", "$HOME", "`id`", "$(id)", "%s%n", "{}", "{0.__class__}",
    "<script>alert(1)</script>", "<!-- phasehub:begin -->", "-->", "]]>", "&amp;", "|", "| a | b |",
    "[x](javascript:alert(1))", "![x](file:///etc/passwd)", "[bold]x[/bold]", "[/]", "[link=x]",
    "NaN", "nan", "inf", "1e999", "0x10", "1_000", "true", "null", "none", "0", "-1", "9" * 5000,
    "x" * 256, "x" * 100_000, "ü" * 4000, "a/" * 2000, "a." * 3000, "((((" * 500,
    "2026-01-30T05:00:00Z", "9999-99-99T99:99:99", "0000-00-00", "2026-01-30T050000Z",
    "sha256:" + "0" * 64, "0" * 64, "F" * 64, "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n",
    "amp_ssim >= ", "amp_ssim >= nan", "amp_ssim >= 1e999", "not not collapsed", "x" * 70 + " >= 1",
    "amp_ssim >= 0.5 or " * 300 + "collapsed", "((" * 200 + "amp_ssim >= 1" + "))" * 200,
    "succeeded", "failed", "not_run", "interrupted", "could_not_start", "configuration_differs",
    "cuda", "cpu", "docker", "process", "hub.json", "SHA256SUMS", "job.json", "result.json",
    "http://127.0.0.1:9/x", "file:///etc/passwd", "git+ssh://x", "s3://x/y", "{job}", "{out}",
)  # fmt: skip
NUMBERS = (
    0, 1, -1, 2, 7, 255, 10**6, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, -(2**63), 2**64, 10**19,
    10**20,
    0.0, -0.0, 0.1, -0.5, 1.5, 1e-300, 5e-324, 1e300, 1.7976931348623157e308, -1e308, 1e16,
)  # fmt: skip
PLAIN = (None, True, False, [], {}, [[]], [{}], [None], {"": None}, {"a": {"b": []}}, [[1, 2], 3])


@dataclass(frozen=True)
class Text:
    """A piece of JSON text that no JSON value is written as."""

    text: str


def odd_text(random: Random) -> Text:
    """What only a text can hold: NaN, numbers out of range, depths, keys twice, no JSON at all."""
    depth = random.choice((10, 63, 64, 65, 200, 990, 5_000, 100_000))
    return Text(
        random.choice(
            (
                "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "00", "1.", ".5",
                "9" * 30, "9" * 5_000, "-" + "9" * 20, "1" + "0" * 4_400, "0." + "3" * 5_000,
                "9e99999999999", "[" * depth + "]" * depth, "[" * depth,
                '{"a":' * depth + "1" + "}" * depth,
                '{"a":1,"a":2}', '{"\\ud800":1}', '"\\ud83d"', '"\\u0000"', '"\\x41"', "'a'", "tru",
                "undefined", "", ",", "}", "]", "//", "/**/1", "\x00", '"\x1b"', '"\t"',
            )
        )
    )  # fmt: skip


def odd_value(random: Random, known: tuple[str, ...] = ()) -> Any:
    """Any value that a file of another might hold in any place; ``known`` are words of its own."""
    kind = random.random()
    if kind < 0.40:
        return random.choice(STRINGS)
    if kind < 0.58:
        return random.choice(NUMBERS)
    if kind < 0.72:
        return copy.deepcopy(random.choice(PLAIN))
    if kind < 0.82 and known:
        return random.choice(known)
    if kind < 0.94:
        return odd_text(random)
    if kind < 0.97:
        return [odd_value(random, known) for _ in range(random.choice((1, 2, 3, 50)))]
    return {str(random.choice(STRINGS)): odd_value(random, known) for _ in range(3)}


# --- places in a value ---------------------------------------------------------------------------


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every table and key, and every list and index, in a value."""
    found: list[tuple[Any, Any]] = []
    todo = [value]
    while todo:
        one = todo.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        for key in keys:
            found.append((one, key))
            if isinstance(one[key], dict | list):
                todo.append(one[key])
    return found


def pick(value: Any, random: Random) -> tuple[Any, Any] | None:
    """A place: half the time any, half the time by a walk from the top, so that no table is lost
    among the many leaves of another."""
    if random.random() < 0.5:
        found = places(value)
        return random.choice(found) if found else None
    here, place = value, None
    while isinstance(here, dict | list) and here:
        place = (here, random.choice(list(here) if isinstance(here, dict) else range(len(here))))
        here = here[place[1]]
        if random.random() < 0.25:
            break
    return place


def shown(value: Any) -> str:
    """The beginning of a value for a person."""
    text = value.text if isinstance(value, Text) else repr(value)
    return text if len(text) < 60 else f"{text[:57]}… ({len(text)})"


def mutate(value: Any, random: Random, known: tuple[str, ...] = ()) -> tuple[Any, str]:
    """The value with one change made in place, or another value; and what was done."""
    if random.random() < 0.03:
        new = odd_value(random, known)
        return new, f"all = {shown(new)}"
    place = pick(value, random) if isinstance(value, dict | list) else None
    if place is None:
        new = odd_value(random, known)
        return new, f"all = {shown(new)}"
    table, key = place
    where = f"[{shown(key)}]"
    kind = random.random()
    if kind < 0.50:
        table[key] = odd_value(random, known)
        return value, f"{where} = {shown(table[key])}"
    if kind < 0.60:
        del table[key]
        return value, f"{where} dropped"
    if kind < 0.68:
        new = odd_value(random, known)
        name = str(random.choice(STRINGS))
        if isinstance(table, dict):
            table[name] = new
        else:
            table.insert(random.randrange(len(table) + 1), new)
        return value, f"beside {where} {shown(name)}: {shown(new)}"
    if kind < 0.74:
        return value, _doubled(table, key, where, random)
    if kind < 0.82 and isinstance(table, dict):
        name = random.choice(known) if known and random.random() < 0.3 else random.choice(STRINGS)
        table[str(name)] = table.pop(key)
        return value, f"{where} is called {shown(name)}"
    if kind < 0.92:
        other = pick(value, random)
        if other:
            table[key] = copy.deepcopy(other[0][other[1]])
            return value, f"{where} = that of [{shown(other[1])}]: {shown(table[key])}"
    return value, _bent(table, key, where, random)


def _doubled(table: Any, key: Any, where: str, random: Random) -> str:
    if isinstance(table, dict):
        table[f"{DOUBLE}{key}"] = copy.deepcopy(table[key])
        return f"{where} twice"
    times = random.choice((1, 1, 1, 3, 40))
    table[key:key] = [copy.deepcopy(table[key]) for _ in range(times)]
    return f"{where} {times + 1} times"


def _bent(table: Any, key: Any, where: str, random: Random) -> str:
    """A value that is still of its type, nearly."""
    old = table[key]
    if isinstance(old, bool):
        table[key] = random.choice((not old, int(old), str(old).lower(), None))
    elif isinstance(old, int | float):
        table[key] = random.choice(
            (old + 1, -old, old * 10**9, old / 3, str(old), float(old), int(old), [old], bool(old))
        )
    elif isinstance(old, str):
        table[key] = _bent_string(old, random)
    elif isinstance(old, list):
        table[key] = random.choice(
            ([], old[::-1], old[:-1], [old], {str(n): v for n, v in enumerate(old)})
        )
    elif isinstance(old, dict):
        table[key] = random.choice(
            ({}, [old], list(old), list(old.values()), [[k, v] for k, v in old.items()])
        )
    else:
        table[key] = random.choice((0, "", [], {}, "null"))
    return f"{where} bent to {shown(table[key])}"


def _bent_string(old: str, random: Random) -> str:
    cut = random.randrange(len(old) + 1)
    return random.choice(
        (
            old[:cut], old[:cut] + random.choice(STRINGS)[:300] + old[cut:], old + "\n", f" {old}",
            old.upper(), old * 3, f"../{old}", f"{old}/../../x", f"/{old}", f"{ESC}{old}",
            old[::-1],
        )
    )  # fmt: skip


# --- text ----------------------------------------------------------------------------------------

DOUBLE = "\ue000"
_MARK = "\ue001"


def dumped(value: Any, *, indent: int | None = None) -> bytes:
    """A value as JSON text, with the pieces that are not JSON as they are, keys twice included."""
    pieces: list[str] = []

    def spell(one: object) -> str:
        assert isinstance(one, Text), one
        pieces.append(one.text)
        return f"{_MARK}{len(pieces) - 1}{_MARK}"

    text = json.dumps(value, default=spell, ensure_ascii=False, indent=indent)
    text = text.replace(DOUBLE, "")
    text = re.sub(f'"{_MARK}(\\d+){_MARK}"', lambda m: pieces[int(m[1])], text)
    # A half of a pair has no bytes of its own; JSON spells it as an escape.
    return re.sub("[\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", text).encode()


def words(value: Any) -> tuple[str, ...]:
    """Short strings of a value, its keys included: what its parts call each other."""
    found: dict[str, None] = {}
    for table, key in places(value) if isinstance(value, dict | list) else ():
        for one in (key, table[key]):
            if isinstance(one, str) and 0 < len(one) < 80:
                found.setdefault(one)
    return tuple(found)
