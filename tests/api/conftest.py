"""A hub that is older than the API, given back from its archive."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.archive import restore

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-tools" / "bin" / "python"
"""Where pandas, xarray and the tools that take exports stand beside phasehub."""
ARCHIVE = ROOT / "tests" / "processes" / "older" / "tiny-2026-11-22.tar.zst"


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory):
    """The folder ``artifacts``, with the hub ``tiny/2026-11-22T104255Z``; nobody writes to it."""
    folder = tmp_path_factory.mktemp("kept")
    made = restore(
        ARCHIVE, artifacts=folder / "artifacts", state=folder / "state", limit_bytes=2**30
    )
    assert made.hub.name == "2026-11-22T104255Z"
    return folder / "artifacts"


@pytest.fixture(scope="session")
def tools():
    """Runs a program with the tools' environment, and gives what it prints."""
    if not PYTHON.exists():
        pytest.fail("the environment of tools is not installed; `nox -s tests` installs it")

    def run(*words, cwd):
        done = subprocess.run(
            [PYTHON, *words],
            cwd=cwd, capture_output=True, text=True, check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def hub_folder(artifacts, tmp_path):
    """A copy of the hub that can be written."""
    folder = tmp_path / "artifacts" / "tiny" / "2026-11-22T104255Z"
    shutil.copytree(artifacts / "tiny" / folder.name, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder
