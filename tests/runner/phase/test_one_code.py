"""A real run whose checkout is edited under it, in folders whose names would tell where it was."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from runner.core.project import models_digest
from runner.hub import layout
from runner.hub.layout import find_hubs
from runner.jobs.dataset_cache import address
from runner.plan.model import Plan
from tests.runner.conftest import TINY

ROOT = Path(__file__).parents[3]
TELLING = "marys-secret-project"
EDIT = """#!/bin/sh
case "$*" in
  *simulate*) echo 'raise RuntimeError("edited")' >> {checkout}/models/__init__.py ;;
esac
exec {python} "$@"
"""


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """A tiny phase; as soon as its data are simulated, the sources no longer work."""
    folder = tmp_path_factory.mktemp("somewhere") / TELLING
    checkout, home = folder / "checkout", folder / "home"
    for name in ("runner", "models"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, checkout / name, ignore=ignored)
    shutil.copy(ROOT / "Dockerfile", checkout)
    (home / "bin").mkdir(parents=True)
    python = home / "bin" / "python"
    python.write_text(EDIT.format(checkout=checkout, python=sys.executable))
    python.chmod(0o755)
    (folder / "phases").mkdir()
    (folder / "phases" / "tiny.toml").write_text(TINY)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "runner", "run", folder / "phases" / "tiny.toml"),
            *("--engine", "process", "--python", python, "--out", folder / "hubs"),
        ],
        cwd=checkout, capture_output=True, text=True, check=False,
        env=os.environ | {
            "PYTHONPATH": str(checkout), "PHASEHUB_STATE": str(folder / "state"), "HOME": str(home)
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = find_hubs(folder / "hubs")
    return SimpleNamespace(folder=folder, checkout=checkout, hub=path, record=layout.read(path))


def test_code_data_and_record_are_of_the_one_copy(edited):
    ran = models_digest(ROOT)
    assert models_digest(edited.checkout) != ran
    assert edited.record.code.models_sha256 == ran
    assert edited.record.engine.facts["models_sha256"] == ran
    assert models_digest(edited.hub / layout.CODE) == ran


def test_the_data_are_filed_under_the_address_of_the_code_that_made_them(edited):
    plan = Plan.model_validate_json((edited.hub / layout.PLAN).read_bytes())
    packages = edited.record.engine.facts["packages_sha256"]
    key = address(plan.datasets[0], edited.hub / layout.CODE / "models", packages)
    assert edited.record.datasets[0].parameters_sha256 == key
    entry = json.loads((edited.folder / "state" / "datasets" / key / "entry.json").read_text())
    assert entry["models_sha256"] == edited.record.code.models_sha256


def test_no_file_of_a_hub_names_a_folder_of_the_machine(edited):
    """The consoles of processes are kept as they came, and of these no line has a path either."""
    told = [
        path.relative_to(edited.hub).as_posix()
        for path in edited.hub.rglob("*")
        if path.is_file() and TELLING.encode() in path.read_bytes()
    ]
    assert told == []


def test_what_stands_for_the_folders_can_be_read(edited):
    journal = [json.loads(line) for line in (edited.hub / layout.JOURNAL).read_text().splitlines()]
    handles = [line["handle"] for line in journal if line["event"] == "started"]
    assert "<hub>/.attempts/one/1/out" in [handle["out_dir"] for handle in handles]
    assert any(handle["log_path"].startswith("<state>/datasets/") for handle in handles)
    command = json.loads((edited.hub / layout.ENVIRONMENT).read_text())["command"]
    assert "<manifests>/tiny.toml" in command
    assert edited.record.engine.facts["interpreter"] == "~/bin/python"
