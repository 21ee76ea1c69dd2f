"""Verbs on a terminal of 80 columns: no line is wider, and into a pipe a row is a line."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from runner.report.folding import fitting, markdown_in_columns

ROOT = Path(__file__).parents[3]
CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
VERBS = {
    "--help": 0,
    "check {manifests}/phase11.toml": 0,
    "plan {manifests}/phase11.toml": 0,
    "list --out {artifacts}": 0,
    "show {hub}": 0,
    "verify {hub}": 0,
    "diff {hub} {other}": 4,
    "status --out {artifacts}": 0,
    "show nowhere-that-anybody-would-look-for-a-hub-as-there-is-no-such-phase-at-all": 66,
    "verify nowhere": 66,
}
"""Words after phasehub → exit status."""


def on_a_terminal(*words):
    """The exit status, and the lines that a terminal of 80 columns and 24 lines is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    surroundings = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [sys.executable, "-m", "runner", *words],
        cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, env=surroundings | {"TERM": "xterm"},
    ) as process:  # fmt: skip
        os.close(theirs)
        sent = b""
        while block := read(ours):
            sent += block
    os.close(ours)
    return process.returncode, CONTROLS.sub("", sent.decode()).replace("\r\n", "\n").splitlines()


def read(terminal):
    """What the other end has sent; nothing once it is closed, which is an error there."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


@pytest.mark.parametrize("words", VERBS)
def test_no_line_is_wider_than_the_terminal_but_for_words_that_are(tiny_hubs, words):
    hub, _, other = tiny_hubs
    places = {
        "manifests": "manifests", "hub": hub, "other": other, "artifacts": hub.parents[1],
    }  # fmt: skip
    status, lines = on_a_terminal(*(word.format(**places) for word in words.split()))
    assert status == VERBS[words], lines
    assert lines or words.startswith("status")
    wide = [line for line in lines if len(line) > 80]
    assert [line for line in wide if max(map(len, line.split())) < 60] == []


def test_markdown_on_a_terminal_has_its_tables_in_columns():
    cells = [["hub", "what it is"], [r"one\|two", "sealed"], ["three", "as written"]]
    table = "\n".join(f"| {first} | {second} |" for first, second in cells)
    text = f"# Hubs\n\n{table.replace(chr(10), chr(10) + '|---|:--|' + chr(10), 1)}\n\nThe end.\n"
    assert markdown_in_columns(text) == text
    assert fitting(40, lambda: markdown_in_columns(text)).splitlines() == [
        *("# Hubs", "", "hub      what it is", "one|two  sealed", "three    as written"),
        *("", "The end."),
    ]
    assert max(map(len, fitting(40, lambda: markdown_in_columns(table * 9)).splitlines())) <= 40
