"""Slips in TOML's syntax: from the line where the parser gave up to what to write instead.

Each slip is a pattern over that line, with a NUL where the parser stood, and what is said of it.
The first that fits is given; where none does, the parser's own words are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from runner.manifest.overrides import SECTIONS
from runner.manifest.value_slips import number_of

WINDOW = 300
"""Characters on each side of the place that are looked at."""
MOST_ROWS = 20_000
"""Lines above the place that are looked at."""


@dataclass(frozen=True, kw_only=True)
class TomlProblem:
    """What is wrong, and where."""

    line: int
    column: int
    problem: str


@dataclass(frozen=True, kw_only=True)
class _Failure:
    """Where the parser gave up."""

    rows: list[str]
    line: int
    column: int

    @property
    def marked(self) -> str:
        """The line with a NUL where the parser stood."""
        row = self.rows[self.line - 1].replace("\0", "")
        at = self.column - 1
        return f"{row[max(0, at - WINDOW) : at]}\0{row[at : at + WINDOW]}"

    def earlier(self, pattern: str) -> int | None:
        """The nearest line above that fits, counted from 1."""
        return _nearest(self.rows[: self.line - 1], pattern)

    def earlier_in_table(self, pattern: str) -> int | None:
        """As ``earlier``, no further up than the header of the table."""
        header = self.earlier(r"\s*\[") or 0
        line = _nearest(self.rows[header : self.line - 1], pattern)
        return None if line is None else header + line


Remedy = str | Callable[[_Failure, re.Match[str]], str | None]
"""A template over the pattern's groups, or what makes the text."""


def remedy(text: str, line: int, column: int, message: str) -> TomlProblem:
    """What is wrong with ``text`` where the parser said ``message``; with what to do if known."""
    rows = text.split("\n")
    if (start := _UNCLOSED.get(message)) and (begun := _nearest(rows, start)):
        line, column = begun, len(rows[begun - 1]) + 1
    failure = _Failure(rows=rows, line=line, column=column)
    for said, pattern, answer in _SLIPS:
        if re.match(said, message) and (match := re.search(pattern, failure.marked)):
            problem = (
                answer.format(**match.groupdict())
                if isinstance(answer, str)
                else answer(failure, match)
            )
            if problem:
                return TomlProblem(line=line, column=column, problem=problem)
    return TomlProblem(line=line, column=column, problem=message)


def _nearest(rows: list[str], pattern: str) -> int | None:
    """The last of some lines that fits, counted from 1."""
    for index in range(len(rows) - 1, max(-1, len(rows) - 1 - MOST_ROWS), -1):
        if re.match(pattern, rows[index][:WINDOW]):
            return index + 1
    return None


# --- what is said where it takes more than a template --------------------------------------------


def _decimal(_failure: _Failure, match: re.Match[str]) -> str:
    return f"{match['whole']},{match['part']} has a comma; write {match['whole']}.{match['part']}"


def _leading_zero(_failure: _Failure, match: re.Match[str]) -> str:
    digits = match["digits"].lstrip("0_") or "0"
    digits = f"0{digits}" if digits.startswith(".") else digits
    return f"a number does not begin with 0; write {match['sign']}{digits}"


def _unit(_failure: _Failure, match: re.Match[str]) -> str:
    key, value = match["key"].rpartition(".")[2], f"{match['number']}{match['unit']}"
    number = number_of(key, value)
    written = f"write {key} = {number}" if number else "write the number alone"
    return f"{value} has a unit, and numbers stand without; {written}"


def _truth(_failure: _Failure, match: re.Match[str]) -> str:
    word = match["word"]
    meant = "true" if word.lower() in ("true", "yes", "on") else "false"
    return f"{word} means nothing here; write {meant}"


def _words(_failure: _Failure, match: re.Match[str]) -> str:
    return f'a text stands in quotes; write "{match["words"].rstrip()}"'


def _unclosed_quote(_failure: _Failure, match: re.Match[str]) -> str:
    word, quote = match["word"].rstrip(", \t]}\r").rstrip("”“„’‘"), match["quote"]
    return f"the quote is not closed; write {quote}{word}{quote}"


def _backslash(_failure: _Failure, match: re.Match[str]) -> str:
    text = match["before"] + match["after"]
    return f"in \"…\" a backslash begins a sign; write '{text}', in single quotes"


def _unseen(_failure: _Failure, match: re.Match[str]) -> str:
    return f"U+{ord(match['sign']):04X} cannot stand here; take it out or write a blank"


def _key_again(failure: _Failure, match: re.Match[str]) -> str:
    line = failure.earlier_in_table(rf"\s*{re.escape(match['key'])}\s*=")
    if line is None:
        return f"{match['key']} has a value already; remove one of the two"
    return f"{match['key']} stands on line {line} already; remove one of the two"


def _table_again(failure: _Failure, match: re.Match[str]) -> str | None:
    name = re.sub(r"\s", "", match["name"])
    arms = failure.earlier(r"\s*\[\[\s*arms\s*\]\]")
    if arms and name.split(".")[0] in (*SECTIONS, "resources"):
        return (
            f"[{name}] is the phase's, wherever it stands, and the phase has it already; for the "
            f"arm above write [arms.{name}]"
        )
    if line := failure.earlier(rf"\s*\[\[\s*{re.escape(name)}\s*\]\]"):
        return f"[[{name}]] of line {line} is an array of tables; write [[{name}]] here, too"
    if line := failure.earlier(rf"\s*\[\s*{re.escape(name)}\s*\]"):
        return f"[{name}] stands on line {line} already; write all its keys there"
    return f"{name} has a value already; write all its keys in one place"


def _array_again(failure: _Failure, match: re.Match[str]) -> str | None:
    name = re.sub(r"\s", "", match["name"])
    line = failure.earlier(rf"\s*\[\s*{re.escape(name)}\s*\]")
    if line is None:
        return None
    return f"[{name}] of line {line} is one table; write [[{name}]] there, too"


# --- the slips -----------------------------------------------------------------------------------

_UNCLOSED = {
    "Unterminated string": r"(?:.*=\s*(?:\"\"\"|''')(?!.*(?:\"\"\"|'''))|.*=\s*\"[^\"]*$)",
    'Expected "\'"': r".*=\s*\[?\s*'[^']*$",
    "Expected \"'''\"": r".*=\s*'''(?!.*''')",
}
"""What the parser says at the end of the file, and the line where it begins."""

_KEY = r"(?P<key>[\w.\"'-]+)"
_END = r"\s*(?:#.*)?$"
_VALUE = "Invalid value"
_AFTER = "Expected newline or end of document|Unclosed"
_EQUALS = "Expected '=' after a key"
_AGAIN = "Cannot|Duplicate"
_UNSEEN = (
    r"\0(?P<sign>[\x01-\x08\x0b-\x1f\x7f-\xa0\u1680"
    r"\u2000-\u200f\u2028-\u202f\u2060-\u2069\u3000\ufeff])"
)

_SLIPS: tuple[tuple[str, str, Remedy], ...] = (
    ("", r"\0\r", "a carriage return alone ends no line; save the file with the line ends of Unix"),
    ("", _UNSEEN, _unseen),
    ("", r"\0[“”„‘’«»]", 'this quote is a typographic one; write the straight " on both sides'),
    (_VALUE, r"\0(?i:nan|inf\w*)\b", "numbers of a manifest are finite; write one that is"),
    # a value
    (
        _VALUE,
        rf"{_KEY}\s*=\s*\0{_END}",
        "{key} has no value; write one behind the '=', or remove it",
    ),
    (
        _VALUE,
        rf"{_KEY}\s*=\0=+\s*(?P<value>[^#]*[^#\s])",
        "one '=' gives a value; write {key} = {value}",
    ),
    (_VALUE, r"\0(?P<word>(?i:true|false|yes|no|on|off))\b", _truth),
    (
        _VALUE,
        r"\0(?P<word>(?i:none|null|nil))\b",
        'TOML has no {word}; leave the key out, or write "{word}" if it is a name',
    ),
    (
        _VALUE,
        r"\0(?P<sign>[+-]?)\.(?P<part>\d[^\s,\]}]*)",
        "write {sign}0.{part}, with a digit before the point",
    ),
    (_VALUE, r"\0(?P<sign>[+-])\s+(?P<number>[\d.]+)", "write {sign}{number}, without a blank"),
    (_VALUE, r"\0\((?P<inner>[^()]*)\)", "arrays stand in square brackets; write [{inner}]"),
    (_VALUE, r"\0(?P<word>[^\"'\s,\[\]{}#]+)\"", 'the first quote is missing; write "{word}"'),
    (_VALUE, r"\0(?P<words>[^\W\d][^\"'#,\[\]{}=]*)", _words),
    (_VALUE, r"\0(?P<words>[./~][^\"'#,\[\]{}=\s]*)", _words),
    (_VALUE, r"\0", "this is no value of TOML; texts stand in quotes"),
    # behind a value
    (
        _AFTER,
        rf"(?:=|,|\[)\s*(?P<whole>[+-]?\d+)\0,(?P<part>\d+(?:[eE][+-]?\d+)?)\s*,?{_END}",
        _decimal,
    ),
    (
        "Expected newline",
        rf"\0(?P<sign>[,;]){_END}",
        "a line does not end with '{sign}'; take it away",
    ),
    (
        _AFTER,
        r"(?P<whole>\d+)\0\.(?P<part>[eE][+-]?\d+)?(?!\d)",
        lambda _, m: f"write {m['whole']}.0{m['part'] or ''}, with a digit behind the point",
    ),
    (_AFTER, r"(?P<sign>[+-]?)\b0\0(?P<digits>[\d_]+(?:\.\d+)?)(?=[\s,\]}#]|$)", _leading_zero),
    (_AFTER, r"\b0\0X(?P<digits>[0-9A-Fa-f]+)", "write 0x{digits}, with a small x"),
    (
        _AFTER,
        r"(?P<number>\d+(?:\.\d+)?)\s*\0\s*%",
        lambda _, m: f"a share is written as a number; write {number_of('', m['number'] + '%')}",
    ),
    (
        _AFTER,
        r"\d{4}\0-\d",
        "there is no such date, and dates mean nothing here; write texts in quotes",
    ),
    (_AFTER, r"\d\0\s*[*/^+-]", "TOML does not calculate; write the result"),
    ("Expected newline", r"\0(?://|--|;)", "a comment begins with '#'"),
    (
        _AFTER,
        rf"{_KEY}\s*=\s*(?P<number>[+-]?\d+(?:\.\d+)?)\s*\0\s*(?P<unit>(?![xob]|[eE][\d+-]*(?:\s|$))[A-Za-zµ]+){_END}",
        _unit,
    ),
    (
        _AFTER,
        r"^\s*\[(?P<name>[^\[\]]+)\]\0\]",
        "an array of tables has two brackets on each side; write [[{name}]]",
    ),
    (
        _AFTER,
        r"^\s*(?P<name>\[.*\])\s*\0[\w\"']",
        "{name} stands on a line of its own; write what follows on the next one",
    ),
    (
        "Unclosed array",
        r",\s*\"\0(?P<word>\w+)",
        "a quote is missing before the comma or before {word}; put each text in its own quotes",
    ),
    (
        _AFTER,
        r"(?P<quote>[\"'])\0[\w]",
        "the {quote} before this place ends the text; write the other kind of quotes around it",
    ),
    ("Expected newline", r"\0[\w.-]+\s*=", "one key a line; write this one on the next line"),
    ("Unclosed array", r"\0;", "items stand with commas between them; write , for ;"),
    (
        "Unclosed array",
        r"^\s*\0\s*(?:\[|[\w\"'.-]+\s*=|$)",
        "the array above is not closed; end it with ]",
    ),
    ("Unclosed array", rf"\0{_END}", "the array is not closed; end it with ]"),
    ("Unclosed array", r"\0(?P<word>[^\s,\]]+)", "a comma is missing before {word}"),
    (
        "Unclosed inline",
        r"^\s*\0\s*(?:\[|[\w\"'.-]+\s*=|$)",
        "the table above is not closed; end it with }}",
    ),
    ("Unclosed inline", rf"\0{_END}", "the table is not closed; end it with }}"),
    ("Unclosed inline", r"\0(?P<word>[^\s,}]+)", "a comma is missing before {word}"),
    # texts
    (
        "Unterminated",
        r"(?P<quote>\"\"\"|''').*\0",
        "the text that begins here is not closed; end it with {quote}",
    ),
    ("Expected \"'''", r"\0", "the text that begins here is not closed; end it with '''"),
    (
        r"Illegal character '\\n'|Unterminated|Found invalid character '\\n'",
        r"(?P<quote>\"|')(?P<word>[^\"']*)\0",
        _unclosed_quote,
    ),
    (r"Illegal character '\\n'", r"\0", "a quote on this line is not closed; close it"),
    ("Expected \"'", r"(?P<quote>')(?P<word>[^']*)\0", _unclosed_quote),
    ("Unescaped|Invalid hex", r"\"(?P<before>[^\"']*)\0(?P<after>[^\"']*)\"", _backslash),
    (
        "Unescaped|Invalid hex",
        r"\0",
        'in "…" a backslash begins a sign; write \\\\ for each of them',
    ),
    # a key
    (
        _EQUALS,
        rf"{_KEY}\s*\0\s*:=?\s*(?P<value>[^#]*[^#\s,}}])",
        "a key gets its value by '='; write {key} = {value}",
    ),
    (_EQUALS, rf"{_KEY}\s*\0\s*:{_END}", "a key gets its value by '='; tables begin with [{key}]"),
    (
        _EQUALS,
        r"(?P<one>[\w-]+)\s+\0(?P<two>[\w-]+)\s*=",
        "a key has no blanks; perhaps {one}_{two}",
    ),
    (_EQUALS, r"^\s*--?\s*\0", "a comment begins with '#', and the items of an array stand in [ ]"),
    (
        _EQUALS,
        rf"{_KEY}\s*\0\s*[+]=",
        "a manifest does not calculate; write {key} = and the result",
    ),
    (
        _EQUALS,
        rf"{_KEY}\s*\0{_END}",
        "{key} has no value; write {key} = and the value, or remove it",
    ),
    (
        _EQUALS,
        rf"{_KEY}\s+\0(?P<value>[\w\"'\[{{][^#]*[^#\s]|\w)",
        "a key gets its value by '='; write {key} = {value}",
    ),
    (_EQUALS, r"\0(?P<sign>[^\x00-\x7f])", "{sign} cannot stand in a key without quotes"),
    (
        "Invalid initial",
        r"\0",
        "a part of this key is empty; write letters, digits, _ or - on each side of a dot",
    ),
    ("Invalid statement", r"\0(?://|;|%|/\*)", "a comment begins with '#'"),
    (
        "Invalid statement",
        r"\0\.",
        "a key begins with a letter, a digit, _ or -; take the dot away",
    ),
    (
        "Invalid statement",
        r"\0\{",
        "a manifest is TOML and no JSON; see manifests/README.md for the format",
    ),
    (
        r"Expected '\]' at",
        r"\[\s*(?P<name>[\w.\"'-]+)\s*\0",
        "the bracket is not closed; write [{name}]",
    ),
    (
        r"Expected '\]\]' at",
        r"\[\[\s*(?P<name>[\w.\"'-]+)\s*\0",
        "an array of tables has two brackets on each side; write [[{name}]]",
    ),
    # twice
    (_AGAIN, r"^\s*\[\[(?P<name>[^\[\]]+)\0\]\]", _array_again),
    (_AGAIN, r"^\s*\[(?P<name>[^\[\]]+)\0\]", _table_again),
    (
        "Duplicate",
        rf"{_KEY}\s*=[^=]*\0",
        "{key} has a value already in this table; remove one of the two",
    ),
    (_AGAIN, rf"^\s*{_KEY}\s*=.*\0", _key_again),
)
"""What the parser says, the line with a NUL where it stood, and what is said instead."""
