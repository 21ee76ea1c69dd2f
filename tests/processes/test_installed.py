"""A wheel in an environment that has packages of its own called ``models`` and ``runner``."""

import email
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from runner import __version__
from runner.core.project import is_source, models_digest
from runner.hub import layout
from tests import phases
from tests.phases import ROOT

BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
BUNDLED = ("runner", "models")
MINE = "tests/models/test_mine.py"
SELECT = f"""
[[arms]]
name = "one"
[tests]
select = ["{MINE}"]
"""
READ = """
import json, sys
import runner, phasehub
hub = phasehub.open(sys.argv[1])
import models
told = {"files": hub.verify(), "scores": [arm.scores["amp_ssim"] for arm in hub.arms]}
print(json.dumps(told | {"whose": [models.WHOSE, runner.WHOSE], "api": phasehub.__file__}))
"""
OLDER = ROOT / "tests" / "processes" / "older" / "tiny-2026-11-22.tar.zst"
WHERE = """
import json, sys
from phasehub.__main__ import sources
sys.path.insert(0, str(sources()))
from runner.core.installation import SOURCES, state_dir
from runner.hub.provenance import take_code
code = take_code(SOURCES, state_dir())
told = {"sources": SOURCES, "state": state_dir(), "snapshot": code.snapshot.folder}
record = code.record.model_dump(mode="json")
print(json.dumps(record | {name: str(path) for name, path in told.items()}))
"""


def files(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    relative = (PurePosixPath(path.relative_to(folder).as_posix()) for path in found)
    return {str(path) for path in relative if is_source(path)}


def do(*words, **options):
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from an archive of the sources, where an earlier build has left something."""
    work = tmp_path_factory.mktemp("build")
    for name in ("phasehub", *BUNDLED):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, work / "checkout" / name, ignore=ignored)
    for name in ("Dockerfile", "README.md", "pyproject.toml", "setup.py"):
        shutil.copy(ROOT / name, work / "checkout")
    (work / "checkout" / "models" / "__pycache__").mkdir()
    (work / "checkout" / "models" / "__pycache__" / "arm.pyc").touch()
    do(sys.executable, "-c", BUILD_SDIST, work, cwd=work / "checkout")
    with tarfile.open(work / f"phasehub-{__version__}.tar.gz") as archive:
        archive.extractall(work, filter="data")
    source = work / f"phasehub-{__version__}"
    for left in ("build/lib/runner/old.py", "build/lib/phasehub/sources/models/old.py"):
        (source / left).parent.mkdir(parents=True)
        (source / left).touch()
    alone = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
    do(sys.executable, "-m", "pip", "wheel", *alone, "--wheel-dir", work / "wheels", source)
    (built,) = (work / "wheels").iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment with the wheel; its dependencies are those of the tests' own environment."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "bin" / "python"
    do(sys.executable, "-m", "venv", "--without-pip", folder)
    alone = ("--no-deps", "--no-index", "--disable-pip-version-check")
    do(sys.executable, "-m", "pip", f"--python={python}", "install", *alone, wheel)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in BUNDLED:
        (site / name).mkdir()
        (site / name / "__init__.py").write_text(f"WHOSE = 'the {name} of the user'\n")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


@pytest.fixture
def project(tmp_path):
    """A project elsewhere, whose manifest names a test of its own."""
    folder = tmp_path / "study"
    for name in ("manifests", "tests/models"):
        (folder / name).mkdir(parents=True)
    phases.write(folder / "manifests", SELECT)
    (folder / MINE).write_text(
        "from models.config import Parameters\n\n\ndef test_mine():\n    assert Parameters\n"
    )
    return folder


@pytest.fixture
def run(environment, project, tmp_path):
    """Run a program of the environment in the project's folder, with a home of its own."""
    dropped = {"PHASEHUB_STATE", "PYTHONPATH", "XDG_CACHE_HOME"}
    inherited = {name: value for name, value in os.environ.items() if name not in dropped}

    def run_in(program, *words):
        home = {"HOME": str(tmp_path / "home")}
        return do(environment / "bin" / program, *words, cwd=project, env=inherited | home)

    return run_in


def test_a_wheel_has_one_name_and_all_that_runs(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        metadata = email.message_from_bytes(
            opened.read(f"phasehub-{__version__}.dist-info/METADATA")
        )
    assert {name.partition("/")[0] for name in names} == {
        "phasehub", f"phasehub-{__version__}.dist-info"
    }  # fmt: skip
    bundle = "phasehub/sources/"
    assert {name.removeprefix(bundle) for name in names if name.startswith(bundle)} == {
        "Dockerfile", *(f"{name}/{path}" for name in BUNDLED for path in files(ROOT / name))
    }  # fmt: skip
    assert "phasehub/py.typed" in names
    assert metadata["Version"] == __version__


def test_an_index_would_take_both_archives(wheel):
    """As `nox -s release` asks: metadata is complete, and the README can be shown."""
    sdist = wheel.parents[1] / f"phasehub-{__version__}.tar.gz"
    said = do(ROOT / ".venv-publish" / "bin" / "twine", "check", "--strict", sdist, wheel)
    assert said.count("PASSED") == 2


def test_the_user_s_own_packages_are_what_the_user_imports(run):
    told = run("python", "-c", "import models, runner; print(models.WHOSE, runner.WHOSE)")
    assert told == "the models of the user the runner of the user\n"


@pytest.mark.parametrize("program", [("phasehub",), ("python", "-m", "phasehub")])
def test_the_command_runs_beside_them(run, program):
    assert run(*program, "--version") == f"phasehub {__version__}\n"


def test_a_program_reads_a_hub_beside_them(run, environment):
    """The API finds phasehub's own packages; ``runner``, imported before it, is the user's."""
    path = run("phasehub", "restore", OLDER).splitlines()[-1]
    told = json.loads(run("python", "-c", READ, path))
    assert told["files"] == 223
    assert told["scores"] == [0.03724097020938123, 0.0357078934977801]
    assert told["whose"] == ["the models of the user", "the runner of the user"]
    assert Path(told["api"]).is_relative_to(environment)


def test_a_manifest_anywhere_is_checked_and_planned_with_the_tests_of_its_project(run):
    told = run("phasehub", "check", "manifests/trial.toml")
    assert told == "manifests/trial.toml: phase trial, arms one\n"
    assert f"Regression tests\n  {MINE}\n" in run("phasehub", "plan", "manifests/trial.toml")


def test_the_code_is_taken_from_the_package_and_named_by_its_version(run, environment, tmp_path):
    told = json.loads(run("python", "-c", WHERE))
    (site,) = environment.glob("lib/python*/site-packages")
    assert told["sources"] == str(site / "phasehub" / "sources")
    assert told["state"] == str(tmp_path / "home" / ".cache" / "phasehub")
    assert files(Path(told["snapshot"], "code", "models")) == files(ROOT / "models")
    assert told["models_sha256"] == models_digest(ROOT)
    assert (told["commit"], told["dirty"]) == (None, None)
    assert told["note"] == (
        f"the commit is not known: this is phasehub {__version__}, which does not run from a "
        "checkout"
    )


def test_a_phase_runs_beside_them_too(run, environment, project, tmp_path):
    """Its jobs start ``python -m models`` under an interpreter that has another of that name."""
    python = environment / "bin" / "python"
    told = run(
        *("phasehub", "run", "manifests/trial.toml", "--engine", "process", "--python", python)
    )
    path = project / told.splitlines()[-1]
    record = layout.read(path)
    assert record.arm("one").status == "succeeded"
    assert [result.outcome for result in record.tests.results] == ["passed"]
    assert record.code.models_sha256 == models_digest(ROOT)
    assert (tmp_path / "home" / ".cache" / "phasehub" / "code").is_dir()
    assert do(environment / "bin" / "phasehub", "verify", path)
