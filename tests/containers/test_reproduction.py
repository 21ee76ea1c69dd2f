"""From an archive alone, without a network: quick phase 8 comes out again, wherever it runs.

Its object is a smaller one here, and the limit of a test counts what makes its fixtures.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.installation import state_dir
from runner.engines.images.build import build
from runner.hub import layout

ROOT = Path(__file__).parents[2]
PHASE = ROOT / "manifests" / "phase8.toml"
pytestmark = pytest.mark.timeout(3000)
GRANTED = "--allow-limits"
"""The phase asks for more time than a manifest has that says nothing of it."""
WITHOUT_NETWORK = ("unshare", "--net") if os.geteuid() == 0 else ()


def phasehub(*arguments, state, words=()):
    """The command line; of the caller's settings for packages nothing is left."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        [*words, sys.executable, "-m", "runner", *arguments],
        cwd=ROOT, env=settings | {"PHASEHUB_STATE": str(state)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def archive(client, image, code, tmp_path_factory):
    """Quick phase 8, run in containers and archived with its image, which is then removed."""
    folder = tmp_path_factory.mktemp("phase8")
    whole = PHASE.read_text()
    shutil.copytree(ROOT / "tests" / "models", folder / "tests" / "models")
    manifest = folder / PHASE.name
    manifest.write_text(whole.replace("object_size = 224", "object_size = 96"))
    assert manifest.read_text() != whole
    done = phasehub(
        *("run", manifest, "--profile", "quick", "--engine", "docker", "--out", folder),
        state=state_dir(),
    )
    assert done.returncode == 0, done.stderr
    sealed = Path(done.stdout.splitlines()[-1])
    file = folder / "phase8.phasehub.tar.zst"
    done = phasehub("archive", sealed, "--with-image", "-o", file, state=state_dir())
    assert done.returncode == 0, done.stderr
    shutil.rmtree(sealed)
    client.images.remove(image.id, force=True)
    yield file
    build("cpu", base=None, cache=state_dir(), say=print, root=code.root)


@pytest.fixture(scope="module")
def restored(archive, tmp_path_factory):
    """The hub on another machine: nothing but the archive, and Docker."""
    there = tmp_path_factory.mktemp("there")
    done = phasehub("restore", archive, "--out", there / "artifacts", state=there / "state")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def answer(done):
    assert done.stdout, done.stderr
    return json.loads((Path(done.stdout.splitlines()[-1]) / layout.RECORD).read_bytes())[
        "reproduction"
    ]


def test_quick_phase8_comes_out_again_from_its_archive_without_a_network(restored):
    state = restored.parents[2] / "state"
    done = phasehub("reproduce", restored, GRANTED, state=state, words=WITHOUT_NETWORK)
    assert done.returncode == 0, done.stderr
    told = answer(done)
    assert (told["outcome"], told["facts"]) == ("identical", [])
    assert told["image"].startswith("the original's own, sha256:")
    files = {file["path"] for file in told["files"]}
    for arm in ("stable_sgd", "stable_adamw"):
        assert {f"arms/{arm}/model.pt", f"arms/{arm}/history.json"} < files
    assert {"arms/stable_sgd/activation_report_sgd.json", "statistics.json"} < files


def test_without_its_image_one_arm_comes_out_again_in_an_image_built_from_the_hub(
    client, restored, image
):
    client.images.remove(image.id, force=True)
    shutil.rmtree(restored.parents[2] / "state" / "restored")
    done = phasehub("reproduce", restored, GRANTED, "--arm", "stable_sgd", state=state_dir())
    assert done.returncode == 0, done.stderr
    told = answer(done)
    assert (told["outcome"], told["facts"]) == ("identical", [])
    assert told["image"].startswith("built again from the hub's locks and source")


def test_quick_phase8_has_the_same_bits_as_processes(restored):
    done = phasehub(
        "reproduce", restored, GRANTED, "--engine", "process", "--python", sys.executable,
        state=restored.parents[2] / "state",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = answer(done)
    assert told["outcome"] == "identical"
    assert "engine.name" in {fact["name"] for fact in told["facts"]}
