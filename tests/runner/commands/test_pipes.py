"""A command whose reader has gone ends as a Unix tool does: no traceback, and not with 0."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HUBS = sorted(path.parent for path in ROOT.glob("docs/study/hubs/phase8/*/hub.json"))
OF_SIGPIPE = 141


def phasehub(*words, unbuffered, **streams):
    environment = {name: value for name, value in os.environ.items() if name[:8] != "PYTHONUN"}
    environment |= {"PYTHONUNBUFFERED": "1"} if unbuffered else {}
    return subprocess.run(
        [sys.executable, "-m", "runner", *words], cwd=ROOT, env=environment, check=False, **streams
    )


@pytest.fixture
def closed():
    """The end of a pipe whose other end nobody holds."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize("unbuffered", [False, True])
@pytest.mark.parametrize(
    "words", [("--help",), ("check", "manifests/quickstart.toml"), ("show", HUBS[0])]
)
def test_nobody_reads_what_is_printed(closed, words, unbuffered):
    done = phasehub(*words, unbuffered=unbuffered, stdout=closed, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (OF_SIGPIPE, b"")


@pytest.mark.parametrize("unbuffered", [False, True])
def test_nobody_reads_the_errors(closed, unbuffered):
    done = phasehub(
        "verify", "/nowhere", unbuffered=unbuffered, stdout=subprocess.PIPE, stderr=closed
    )
    assert (done.returncode, done.stdout) == (OF_SIGPIPE, b"")
