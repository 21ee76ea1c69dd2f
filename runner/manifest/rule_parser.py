"""Reads success rules. Errors name the column and what would be right there.

rule       = all, {"or", all}
all        = opposite, {"and", opposite}
opposite   = "not", opposite | "(", rule, ")" | comparison | flag
comparison = statistic, (">=" | "<=" | ">" | "<" | "==" | "!="), (number | statistic)
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, cast

from runner.experiment import EXPERIMENT
from runner.manifest.rules import HOLDS, AllOf, AnyOf, Flag, Not, Rule, StatComparison

LONGEST = 1000
"""Characters of a rule; what is longer is no rule that anyone could read."""
DEEPEST = 32
"""Levels of parentheses and of ``not`` inside each other."""

_EXAMPLE = EXPERIMENT.results.example_statistic
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<sign>[<>]=?|[!=]=|[()]))",
    re.ASCII,
)
_WORDS = ("and", "or", "not")
_MEANT = {
    "=": "==",
    "===": "==",
    "=>": ">=",
    "=<": "<=",
    "≥": ">=",
    "≤": "<=",
    "<>": "!=",
    "=!": "!=",
    "!==": "!=",
    "~=": "!=",
    "≠": "!=",
    "&": "and",
    "&&": "and",
    "|": "or",
    "||": "or",
    "!": "not",
    "¬": "not",
    "> =": ">=",
    "< =": "<=",
    "= =": "==",
    "! =": "!=",
    ">==": ">=",
    "<==": "<=",
}
"""Signs of other languages, and what they are here."""
_SLIP = re.compile(
    r"\s*(?:(?P<sign>"
    + "|".join(re.escape(sign) for sign in sorted(_MEANT, key=len, reverse=True) if len(sign) > 1)
    + r")|(?P<comma>[+-]?\d+,\d+(?:[eE][+-]?\d+)?)|(?P<share>[+-]?\d{1,9}(?:\.\d{1,9})?\s*%))",
    re.ASCII,
)
"""What begins like a part of a rule, and is meant as another one."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """A word of a rule; ``end`` is what stands behind the last one."""

    kind: Literal["number", "name", "word", "sign", "end"]
    text: str
    column: int
    """Counted from 1."""


def parse(text: str) -> Rule:
    """Read one rule.

    Raises:
        ValueError: what is wrong, in which column, and how to write it.
    """
    if len(text) > LONGEST:
        raise ValueError(f"a rule has at most {LONGEST} characters, this one {len(text)}")
    reader = _Reader(list(_tokens(text)))
    rule = reader.any_of(0)
    reader.expect_end()
    return rule


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text.rstrip()):
        if slip := _SLIP.match(text, position):
            kind = str(slip.lastgroup)
            raise _error(slip.start(kind) + 1, _meant(kind, slip[kind]))
        match = _TOKEN.match(text, position)
        if match is None:
            start = len(text) - len(text[position:].lstrip())
            raise _error(start + 1, _meaningless(text[start:]))
        group = cast("Literal['number', 'name', 'sign']", match.lastgroup)
        word, column = match[group], match.start(group) + 1
        if word.lower() in _WORDS and word not in _WORDS:
            raise _error(column, f"'{word}' has no meaning in a rule; write '{word.lower()}'")
        yield Token(kind="word" if word in _WORDS else group, text=word, column=column)
        position = match.end()
    yield Token(kind="end", text="the end", column=len(text.rstrip()) + 1)


def _meant(kind: str, found: str) -> str:
    """What is said of a slip: a sign, a comma in a number, a share in percent."""
    if kind == "sign":
        right = _MEANT[found]
    elif kind == "comma":
        right = found.replace(",", ".")
    else:
        right = f"{float(found.rstrip('% ')) / 100:g}"
    return f"'{found}' has no meaning in a rule; write '{right}'"


def _meaningless(text: str) -> str:
    word = re.match(r"[\w.]+|.", text, re.DOTALL)
    found = word[0] if word else text
    remedy = f"; write '{_MEANT[found]}'" if found in _MEANT else ""
    return f"'{found}' has no meaning in a rule{remedy}"


class _Reader:
    """Goes through the tokens once, from left to right."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens, self.next = tokens, 0

    def any_of(self, depth: int) -> Rule:
        """Rules with ``or`` between them, or one."""
        operands = [self.all_of(depth)]
        while self._take("or"):
            operands.append(self.all_of(depth))
        return operands[0] if len(operands) == 1 else AnyOf(tuple(operands))

    def all_of(self, depth: int) -> Rule:
        """Rules with ``and`` between them, or one."""
        operands = [self.opposite(depth)]
        while self._take("and"):
            operands.append(self.opposite(depth))
        return operands[0] if len(operands) == 1 else AllOf(tuple(operands))

    def opposite(self, depth: int) -> Rule:
        """``not``, parentheses, a comparison or a flag."""
        if depth > DEEPEST:
            raise _error(self._peek().column, f"more than {DEEPEST} levels; write it flatter")
        if self._take("not"):
            return Not(self.opposite(depth + 1))
        if opening := self._take("("):
            rule = self.any_of(depth + 1)
            if not self._take(")"):
                where = f"the '(' of column {opening.column}"
                raise _unexpected(self._peek(), f"'and', 'or' or the ')' that belongs to {where}")
            return rule
        return self.condition()

    def condition(self) -> Rule:
        """A comparison or a flag."""
        token = self._peek()
        if token.kind == "number":
            raise _error(
                token.column, f"write the statistic first, as in '{_EXAMPLE} >= {token.text}'"
            )
        if token.kind != "name":
            raise _unexpected(token, "a statistic, 'not' or '('")
        self.next += 1
        kind = _kind(token)
        sign = self._peek()
        if sign.text not in HOLDS:
            if kind == "number":
                remedy = f"compare it, as in '{token.text} >= 0.5'"
                raise _error(token.column, f"'{token.text}' is a number; {remedy}")
            return Flag(token.text)
        if kind == "flag":
            remedy = f"write '{token.text}' or 'not {token.text}'"
            raise _error(token.column, f"'{token.text}' is a flag; {remedy}")
        self.next += 1
        return StatComparison(token.text, sign.text, self.bound(sign))

    def bound(self, sign: Token) -> float | str:
        """What stands behind the operator."""
        token = self._peek()
        self.next += 1
        if token.kind == "name":
            if _kind(token) == "flag":
                raise _error(token.column, f"'{token.text}' is a flag and no bound")
            return token.text
        if token.kind != "number":
            raise _unexpected(token, f"a number or a statistic after '{sign.text}'")
        if not math.isfinite(bound := float(token.text)):
            raise _error(token.column, f"{token.text} is too large; write a finite number")
        return bound

    def expect_end(self) -> None:
        """Refuse whatever follows a complete rule."""
        if self._peek().kind != "end":
            raise _unexpected(self._peek(), "'and', 'or' or the end")

    def _peek(self) -> Token:
        return self.tokens[self.next]

    def _take(self, text: str) -> Token | None:
        token = self._peek()
        if token.text != text or token.kind not in ("word", "sign"):
            return None
        self.next += 1
        return token


def _kind(token: Token) -> Literal["number", "flag"]:
    """Whether a statistic is a number or a flag; refuses what is none."""
    kinds = EXPERIMENT.results.statistics
    if token.text in kinds:
        return kinds[token.text]
    nearest = difflib.get_close_matches(token.text, kinds, n=1)
    known = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(kinds)}"
    raise _error(token.column, f"'{token.text}' is not a statistic; {known}")


def _unexpected(token: Token, expected: str) -> ValueError:
    found = token.text if token.kind == "end" else f"'{token.text}'"
    return _error(token.column, f"expected {expected}, not {found}")


def _error(column: int, message: str) -> ValueError:
    return ValueError(f"column {column}: {message}")
