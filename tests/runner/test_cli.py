"""What the command line offers beside its verbs."""

import os
import subprocess
import sys
from pathlib import Path

from runner import __version__

PHASEHUB = Path(sys.executable).parent / "phasehub"


def run(*words, **variables):
    return subprocess.run(
        [PHASEHUB, *words],
        capture_output=True, text=True, check=False, env={**os.environ, **variables},
    )  # fmt: skip


def test_it_says_its_version():
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"phasehub {__version__}\n")


def test_a_shell_completes_verbs_and_options():
    def completed(words):
        given = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return run(_PHASEHUB_COMPLETE="complete_bash", **given).stdout.split()

    assert completed("phasehub re") == ["resume", "report", "reproduce", "restore"]
    assert completed("phasehub run --prof") == ["--profile"]
