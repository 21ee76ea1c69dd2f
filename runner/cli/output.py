"""What verbs print: texts that fit the terminal, JSON, and what is said beside them."""

from __future__ import annotations

import sys
from collections.abc import Callable


def print_fitting(render: Callable[[], str]) -> None:
    """Print a text, folded where it is wider than the terminal."""
    from runner.report.folding import fitting, terminal_width

    print(fitting(terminal_width(), render), flush=True)


def print_text(text: str) -> None:
    """Print a text that has no table, in the same way."""
    print_fitting(lambda: text)


def print_json(facts: object) -> None:
    """Print facts as indented JSON."""
    from runner.core.digest import pretty_json

    print(pretty_json(facts).decode(), end="")


def say(line: str) -> None:
    """Print a line beside the result, on stderr, folded where it is wider than the terminal."""
    from runner.report.folding import fitting, terminal_width

    print(fitting(terminal_width(sys.stderr), lambda: line), file=sys.stderr, flush=True)
