"""Odd places and circumstances to run in: the files are those of any other run."""

import os
import subprocess
import sys

import pytest

from runner.core.installation import state_dir
from tests.faults.phase import (
    PLAIN,
    Begun,
    phasehub,
    remains,
    results,
    wait_until,
    words_of_run,
)
from tests.runner.conftest import ROOT

LONG = "a folder – ünïcode, 日本語 – " + "und so weiter " * 8
CASES = {
    "umask": "umask 077; exec",
    "no output at all": "exec >&- 2>&-; exec",
    "no input": "exec <&-; exec",
    "language C": "unset LC_ALL LC_CTYPE; LANG=C exec",
    "ASCII alone": "export LC_ALL=C PYTHONUTF8=0; exec",
    "no home": "unset HOME; exec",
}


def run_by(shell, folder, interpreter):
    """Run a phase by a shell that was told something before."""
    folder.mkdir()
    words = [sys.executable, "-m", "runner", *words_of_run(folder, interpreter)]
    return subprocess.run(
        ["/bin/sh", "-c", f'{shell} "$@"', "sh", *map(str, words)],
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_files_are_the_same(case, tmp_path, interpreter, undisturbed):
    folder = tmp_path / LONG
    done = run_by(CASES[case], folder, interpreter)
    run = Begun.__new__(Begun)
    run.artifacts = folder / "artifacts"
    assert done.returncode == 1, done.stderr
    assert "a bug" not in done.stderr
    (hub,) = run.hubs
    assert results(hub) == undisturbed
    assert phasehub("verify", hub).returncode == 0
    wait_until(lambda: remains(folder) == [])


def test_two_runs_of_one_manifest_at_once_make_two_hubs(tmp_path, interpreter, undisturbed):
    first = Begun(tmp_path, interpreter, PLAIN)
    second = Begun(tmp_path, interpreter, PLAIN)
    try:
        assert [first.end(), second.end()] == [1, 1], second.said.read_text()
    finally:
        first.end_all()
        second.end_all()
    one, other = first.hubs
    assert results(one) == results(other) == undisturbed
    wait_until(lambda: remains(tmp_path) == [])
