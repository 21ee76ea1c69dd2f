"""A portable job gives the same bytes on other processors, which QEMU stands in for."""

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
SAME = (
    *("model.pt", "model_best.pt", "history.json", "stats.json", "metrics.json", "grad_norms.csv"),
    *("recon.npz", "recon.png", "loss.png"),
)
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONHASHSEED": "0",
}  # fmt: skip


@pytest.fixture(scope="module")
def parameters():
    return Parameters.model_validate(TABLES).model_dump(mode="json")


def run(folder, experiment, parameters, *, inputs=None, processor=None):
    """Run a job as the plan would start it, on a processor that QEMU emulates if one is named."""
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
    emulated = [QEMU, "-cpu", processor] if processor else []
    command = [
        *emulated, sys.executable, "-m", "models", experiment,
        "--job", folder / "job" / "job.json", "--out", folder / "out",
    ]  # fmt: skip
    console = folder / "console.log"
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
    return folder / "out"


def digests(folder, names):
    return {name: sha256_file(folder / name) for name in names}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, parameters):
    folder = tmp_path_factory.mktemp("here") / "dataset"
    return run(folder, "simulate", {"dataset": parameters["dataset"]})


def train(folder, parameters, dataset, processor=None):
    inputs = {
        name: {"path": os.path.relpath(dataset / name, folder / "job"), "sha256": digest}
        for name, digest in digests(dataset, ("train.npz", "test.npz", "metadata.json")).items()
    }
    return run(folder, "train", parameters, inputs=inputs, processor=processor)


@pytest.fixture(scope="module", autouse=True)
def _emulator():
    if QEMU is None:
        if os.environ.get("CI"):
            pytest.fail("qemu-user is not installed; .ci/run installs it")
        pytest.skip("qemu-user is not installed")


@pytest.mark.timeout(900)
def test_a_haswell_simulates_the_same_dataset(tmp_path, parameters, dataset):
    there = run(tmp_path / "x", "simulate", {"dataset": parameters["dataset"]}, processor="Haswell")
    names = ("train.npz", "test.npz", "metadata.json")
    assert digests(there, names) == digests(dataset, names)


@pytest.mark.timeout(900)
def test_a_haswell_trains_the_same_weights_and_scores_them_the_same(tmp_path, parameters, dataset):
    here = train(tmp_path / "here", parameters, dataset)
    there = train(tmp_path / "there", parameters, dataset, processor="Haswell")
    assert digests(there, SAME) == digests(here, SAME)
