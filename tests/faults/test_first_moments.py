"""Signals in the first moments of a run, in which it becomes one that can be gone on with."""

import signal
import subprocess
import sys

import pytest

from runner.hub import layout
from tests.faults.phase import words_of_run
from tests.runner.conftest import ROOT

AS_IT_IS_DECLARED = """
import os, signal, sys
from runner.cli import main
from runner.phase import execute

declare, number = execute.begin, int(sys.argv.pop(1))

def interrupted(*told):
    declare(*told)
    os.kill(os.getpid(), number)

execute.begin = interrupted
main()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_interrupted_as_it_is_declared_says_how_to_go_on(
    tmp_path, interpreter, number
):
    words = words_of_run(tmp_path, interpreter)
    done = subprocess.run(
        [sys.executable, "-c", AS_IT_IS_DECLARED, str(int(number)), *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    (staging,) = layout.all_staged(tmp_path / "artifacts")
    assert f"phasehub resume {staging.path}\n" in done.stderr
