"""Foreign text on a screen."""

import contextlib
import io
import os

import pytest

from runner.core.text import ReaderGone, Screen, visible


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain text, φ and 漢\n\ttoo", "plain text, φ and 漢\n\ttoo"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\rb", r"a\x0db"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\x9b31m", r"\x9b31m"),
        ("\ud800", r"\ud800"),
        ("1\u2009000\u00a0s", "1\u2009000\u00a0s"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_does_not_print_is_spelled_out(text, seen):
    assert visible(text) == seen


def test_a_screen_shows_what_is_written_to_it_and_is_else_the_stream():
    stream = io.StringIO()
    screen = Screen(stream)
    print("a\x1b[31mb", file=screen, flush=True)
    assert stream.getvalue() == "a\\x1b[31mb\n"
    assert not screen.isatty()


def test_a_terminal_that_was_closed_has_no_reader():
    ours, theirs = os.openpty()
    stream = os.fdopen(theirs, "w", buffering=1)
    os.close(ours)
    with pytest.raises(ReaderGone):
        Screen(stream).write("somebody there?\n")
    with contextlib.suppress(OSError):
        stream.close()
