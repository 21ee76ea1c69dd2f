"""Every command of the tutorial, run in order in an empty project: it shows what comes out.

Only the set-up is not run again here: it is how the machine that runs the tests has been set up.
"""

import math
import os
import re
import subprocess
import sys

import pytest

from runner.core.installation import state_dir
from tests.phases import ROOT

PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
SET_UP = ["sh setup.sh", ". .venv/bin/activate"]
NUMBER = re.compile(r"\d+\.\d+")
TOLERANCE = 0.02
"""Of numbers with a decimal point: whoever uses another processor or release sees much the same."""


def agrees(shown, word):
    if NUMBER.fullmatch(shown) and NUMBER.fullmatch(word):
        return math.isclose(float(shown), float(word), rel_tol=TOLERANCE)
    return word.startswith(shown)


def says(line, shown):
    """Whether a line of output has the words of a shown line in a row, or longer ones."""
    words, wanted = line.split(), shown.split()
    starts = range(len(words) - len(wanted) + 1)
    return any(all(map(agrees, wanted, words[at:])) for at in starts)


def missing(shown, output):
    """The shown lines that do not come in this order."""
    lines = iter(output.splitlines())
    return [want for want in shown.splitlines() if not any(says(line, want) for line in lines)]


def test_a_line_that_does_not_come_is_missed():
    output = "a  b\namp SSIM  0.7411  0.185\nexit status 2\n"
    assert missing("a b\namp SSIM 0.74\nexit status 2\n", output) == []
    assert missing("amp SSIM 0.9\n", output) == ["amp SSIM 0.9"]
    assert missing("exit status 2\na b\n", output) == ["a b"]


@pytest.fixture
def project(tmp_path):
    """An empty project, and a shell's environment as the set-up leaves it; without Docker."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "phasehub"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m phasehub "$@"\n')
    command.chmod(0o755)
    (tmp_path / "clone" / "manifests").mkdir(parents=True)
    return tmp_path / "clone", os.environ | {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PHASEHUB_STATE": str(state_dir()),
        "DOCKER_HOST": f"unix://{tmp_path}/no-daemon",
    }


def run_lines(block, folder, environment):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder, env=environment, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_tutorial_does_what_it_says(project):
    folder, environment = project
    first, *blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert first[2].splitlines() == SET_UP
    assert f"\n{SET_UP[0]}\n" in (ROOT / ".ci" / "run").read_text()
    file, output, ran = None, "", 0
    for kind, title, text in blocks:
        if kind == "toml" and title:
            file = folder / title
            file.write_text(text)
        elif kind == "toml":
            file.write_text(file.read_text() + text)
        elif kind == "sh":
            output = run_lines(text, folder, environment)
            ran += len(text.splitlines())
        else:
            assert missing(text, output) == [], output
    assert ran > 6
    assert PAGE.read_text(encoding="utf-8").count("```") == 2 * (1 + len(blocks))
