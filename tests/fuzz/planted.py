"""Defects for the harness to find, so that a fuzzer that sees nothing is no good news."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from runner.core.errors import EngineError
from tests.fuzz import harness
from tests.fuzz.outcome import Case, Finding, watched
from tests.fuzz.watch import Watch


def _raises(case: Case) -> None:
    raise KeyError("x")


def _sleeps(case: Case) -> None:
    time.sleep(600)


def _computes(case: Case) -> None:
    while True:
        pass


def _eats(case: Case) -> None:
    bytearray(4 * 2**30)


def _dies(case: Case) -> None:
    os.abort()


def _outside(case: Case) -> None:
    Path(case.root.parent, "x").write_text("x")


def _beside(case: Case) -> None:
    Path("beside").write_text("x")


def _linked(case: Case) -> None:
    (case.out / "link").symlink_to("/tmp")
    (case.out / "link" / "phasehub-fuzz-planted").write_text("x")


def _starts(case: Case) -> None:
    subprocess.run(["true"], check=True)


def _connects(case: Case) -> None:
    with socket.socket() as one:
        one.connect(("127.0.0.1", 9))


def _escape(case: Case) -> None:
    print("\x1b[2J")


def _secret(case: Case) -> None:
    print(case.secret.read_text())


def _much(case: Case) -> None:
    print("x" * 200_000, file=sys.stderr)


def _odd(case: Case) -> None:
    sys.exit(42)


def _vague(case: Case) -> None:
    raise EngineError("no")


DEFECTS: dict[str, Callable[[Case], None]] = {
    "raises": _raises,
    "sleeps": _sleeps,
    "computes": _computes,
    "eats memory": _eats,
    "dies": _dies,
    "writes outside": _outside,
    "writes beside": _beside,
    "follows a link out": _linked,
    "starts a program": _starts,
    "connects": _connects,
    "prints an escape": _escape,
    "prints a secret": _secret,
    "prints too much": _much,
    "exits oddly": _odd,
    "names no place": _vague,
}


def main(name: str) -> None:
    """Print the kinds of findings that the harness has for a defect."""

    def judge(case: Case, watch: Watch) -> Iterator[Finding]:
        yield from watched(case, watch, lambda: DEFECTS[name](case)).findings

    with tempfile.TemporaryDirectory() as below:
        tally = harness.run_many(
            "planted", judge, [(1, 0), (1, 1)], jobs=1, below=Path(below), wall_s=1.0
        )
    assert tally.cases == 2, tally
    print(json.dumps(sorted({found.finding.kind for found in tally.found.values()})))
