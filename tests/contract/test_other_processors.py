"""A portable job gives the same bytes on other processors, which QEMU stands in for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.config import PORTABLE, Parameters
from models.job import sha256_file, write_json

ROOT = Path(__file__).parents[2]
QEMU = shutil.which("qemu-x86_64")
TABLES = {
    "dataset": {"object_size": 32, "patch_size": 16, "train_stride": 4, "test_stride": 8},
    "model": {"hidden_channels": 4, "modes": 4, "fno_blocks": 2, "architecture": "stable_hybrid"},
    "train": {"epochs": 2, "batch_size": 16, "inference_batch_size": 4, "learning_rate": 1e-2},
    "diagnostics": {"on_collapse": False},
}
DATASET = ("train.npz", "test.npz", "metadata.json")
SAME = (
    *("model.pt", "model_best.pt", "history.json", "stats.json", "metrics.json", "grad_norms.csv"),
    *("recon.npz", "recon.png", "loss.png"),
)
ONE_AFTER_ANOTHER = """
import json, sys
from models.__main__ import main
sys.exit(any(main(words) for words in json.loads(sys.argv[1])))
"""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "0",
}  # fmt: skip


@pytest.fixture(scope="module")
def parameters():
    return Parameters.model_validate(TABLES).model_dump(mode="json")


def lay_out(folder, experiment, parameters, inputs=None):
    """Write a job into ``folder``, as the plan would; the words of its command line."""
    (folder / "job").mkdir(parents=True)
    job = {
        "schema_version": 1,
        "experiment": experiment,
        "name": "arm",
        "parameters": parameters,
        "seed": 7,
        "execution": {"device": "cpu", "threads": 1, "determinism": "portable"},
        "inputs": inputs or {},
    }
    write_json(folder / "job" / "job.json", job)
    return [experiment, "--job", str(folder / "job" / "job.json"), "--out", str(folder / "out")]


def run(console, *command):
    """Run a command as an engine would start a job."""
    with console.open("wb") as log:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | ENVIRONMENT | dict(PORTABLE),
            stdout=log,
            stderr=log,
            check=False,
        )
    assert done.returncode == 0, console.read_text(errors="replace")[-3000:]


def simulation(folder, parameters):
    return lay_out(folder, "simulate", {"dataset": parameters["dataset"]})


def training(folder, parameters, dataset):
    inputs = {
        name: {"path": os.path.relpath(dataset / name, folder / "job"), "sha256": digest}
        for name, digest in digests(dataset, DATASET).items()
    }
    return lay_out(folder, "train", parameters, inputs)


def digests(folder, names):
    return {name: sha256_file(folder / name) for name in names}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, parameters):
    """The dataset as it is simulated here."""
    folder = tmp_path_factory.mktemp("here")
    words = simulation(folder / "dataset", parameters)
    run(folder / "console.log", sys.executable, "-m", "models", *words)
    return folder / "dataset" / "out"


@pytest.fixture(scope="module")
def haswell(tmp_path_factory, parameters, dataset):
    """Both jobs on a Haswell that QEMU emulates, in one process: torch takes a minute to load."""
    folder = tmp_path_factory.mktemp("there")
    jobs = [
        simulation(folder / "dataset", parameters),
        training(folder / "arm", parameters, dataset),
    ]
    emulated = (QEMU, "-cpu", "Haswell", sys.executable, "-c", ONE_AFTER_ANOTHER)
    run(folder / "console.log", *emulated, json.dumps(jobs))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _emulator():
    if QEMU is None:
        if os.environ.get("CI"):
            pytest.fail("qemu-user is not installed; .ci/run installs it")
        pytest.skip("qemu-user is not installed")


@pytest.mark.timeout(900)
def test_a_haswell_simulates_the_same_dataset(dataset, haswell):
    assert digests(haswell / "dataset" / "out", DATASET) == digests(dataset, DATASET)


@pytest.mark.timeout(900)
def test_a_haswell_trains_the_same_weights_and_scores_them_the_same(
    tmp_path, parameters, dataset, haswell
):
    words = training(tmp_path / "arm", parameters, dataset)
    run(tmp_path / "console.log", sys.executable, "-m", "models", *words)
    assert digests(haswell / "arm" / "out", SAME) == digests(tmp_path / "arm" / "out", SAME)
