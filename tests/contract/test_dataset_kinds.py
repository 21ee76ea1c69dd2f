"""Jobs on datasets that are not the ordinary one, from simulation to scores."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from models.__main__ import main
from models.config import Parameters, count_parameters, steps_per_epoch

TINY = {
    "dataset": {"object_size": 64, "patch_size": 16, "train_stride": 8, "test_stride": 4},
    "model": {"hidden_channels": 2, "modes": 4, "fno_blocks": 2},
    "train": {"epochs": 1, "batch_size": 10, "inference_batch_size": 4},
}
INPUTS = ("train.npz", "test.npz", "metadata.json")


def read(path):
    return json.loads(path.read_text())


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Phase:
    """One dataset and one arm, run as their jobs would be, in a folder of its own."""

    def __init__(self, folder: Path, **changes):
        tables = {name: TINY.get(name, {}) | changes.get(name, {}) for name in TINY | changes}
        self.folder = folder
        self.planned = Parameters.model_validate_json(json.dumps(tables)).model_dump(mode="json")

    def job(self, experiment, parameters, inputs) -> Path:
        folder = self.folder / f"{experiment}-job"
        folder.mkdir(parents=True, exist_ok=True)
        table = {
            "schema_version": 1,
            "experiment": experiment,
            "name": "tiny",
            "parameters": parameters,
            "seed": 20260128,
            "execution": {"device": "cpu", "threads": 1, "determinism": "native"},
            "inputs": inputs,
        }
        (folder / "job.json").write_text(json.dumps(table))
        return folder / "job.json"

    def simulate(self, probe: Path | None = None, **inputs) -> int:
        if probe:
            (self.folder / "simulate-job").mkdir(parents=True)
            shutil.copyfile(probe, self.folder / "simulate-job" / "probe.npz")
            inputs = {"probe.npz": {"path": "probe.npz", "sha256": sha256(probe)}} | inputs
        job = self.job("simulate", {"dataset": self.planned["dataset"]}, inputs)
        return main(["simulate", "--job", str(job), "--out", str(self.folder / "data")])

    def train(self) -> Path:
        data = self.folder / "data"
        inputs = {
            name: {"path": f"../data/{name}", "sha256": sha256(data / name)} for name in INPUTS
        }
        job, out = self.job("train", self.planned, inputs), self.folder / "out"
        assert main(["train", "--job", str(job), "--out", str(out)]) == 0
        effective = read(out / "effective_config.json")["parameters"]
        assert effective["dataset"] == {
            name: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
            for name, value in self.planned["dataset"].items()
        }
        return out


# --- a measured probe ----------------------------------------------------------------------------


@pytest.fixture
def measured(tmp_path):
    """Write a file of a measured probe: its path, and the dataset that names it."""

    def write(probe, name="measured.npz"):
        np.savez(tmp_path / name, probeGuess=probe)
        path = tmp_path / name
        return path, {"probe": "file", "probe_sha256": sha256(path)}

    return write


def beam(side=24):
    row, column = np.indices((side, side)) - (side - 1) / 2
    return np.exp(-(row**2) / 40 - column**2 / 60 + 0.03j * row * (row + column))


def test_a_measured_probe_goes_from_the_job_to_the_effective_configuration(tmp_path, measured):
    path, dataset = measured(beam())
    phase = Phase(tmp_path / "phase", dataset=TINY["dataset"] | dataset)
    assert phase.simulate(path) == 0
    assert read(phase.folder / "data" / "metadata.json")["probe_sha256"] == sha256(path)
    stats = read(phase.train() / "stats.json")
    assert np.isfinite(stats["amp_mae"])


def test_a_probe_that_is_not_finite_ends_the_simulation_with_its_cause(tmp_path, measured, capsys):
    probe = beam()
    probe[2, 3] = np.nan
    path, dataset = measured(probe)
    phase = Phase(tmp_path / "phase", dataset=TINY["dataset"] | dataset)
    assert phase.simulate(path) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: DatasetError: probe.npz: probeGuess holds values that are not finite "
        "(NaN or infinite)"
    )
    left = sorted(one.name for one in (phase.folder / "data").iterdir())
    assert left == ["events.jsonl"]


def test_a_job_must_name_the_very_file_that_its_parameters_mean(tmp_path, measured, capsys):
    path, dataset = measured(beam())
    told = "error: inputs.probe.npz is not the file of parameters.dataset.probe_sha256\n"
    other, _ = measured(beam(20), "other.npz")
    assert Phase(tmp_path / "a", dataset=TINY["dataset"] | dataset).simulate(other) == 2
    assert Phase(tmp_path / "b", dataset=TINY["dataset"] | dataset).simulate() == 2
    assert Phase(tmp_path / "c").simulate(path) == 2
    assert capsys.readouterr().err == 3 * told
    for name in "abc":
        assert not (tmp_path / name / "data").exists()


def test_a_probe_with_other_bytes_is_refused_before_anything_is_computed(
    tmp_path, measured, capsys
):
    path, dataset = measured(beam())
    other, _ = measured(beam(20), "other.npz")
    phase = Phase(tmp_path / "phase", dataset=TINY["dataset"] | dataset)
    stated = {"probe.npz": {"path": "probe.npz", "sha256": sha256(path)}}
    assert phase.simulate(other, **stated) == 2
    assert capsys.readouterr().err == (
        f"error: input probe.npz has sha256 {sha256(other)}, but the job states {sha256(path)}\n"
    )


# --- an object without a phase -------------------------------------------------------------------


def test_of_a_flat_phase_every_phase_score_is_null_with_its_reason(tmp_path):
    phase = Phase(tmp_path, dataset=TINY["dataset"] | {"set_phi": False})
    assert phase.simulate() == 0
    out = phase.train()
    metrics, stats = read(out / "metrics.json"), read(out / "stats.json")
    for epoch, prefix in (("last_epoch", ""), ("best_epoch", "best_")):
        for name, (_, of_phase) in metrics[epoch].items():
            assert of_phase is None, name
            assert "no variance" in metrics["null_reasons"][f"{prefix}phase_{name}"]
        assert metrics["frc"][epoch][1] is None
    told = {"recon_phase_std", "phase_offset"}  # measured of the reconstruction, and no scores
    phases = {name for name in stats if "phase_" in name} - told
    assert {
        "best_phase_ssim",
        "phase_ssim",
        "phase_mae",
        "constant_phase_ssim",
        "constant_phase_mae",
    } <= phases
    assert {stats[name] for name in phases} == {None}
    assert all(np.isfinite(stats[name]) for name in ("amp_mae", "amp_ssim", "constant_amp_mae"))


# --- samples of four, and large patches ----------------------------------------------------------


def test_samples_of_four_go_from_the_job_to_the_scores(tmp_path):
    dataset = TINY["dataset"] | {"gridsize": 2}
    phase = Phase(tmp_path, dataset=dataset, diagnostics={"activations": True})
    assert phase.simulate() == 0
    out = phase.train()
    effective = read(out / "effective_config.json")
    planned = Parameters.model_validate_json(json.dumps(phase.planned))
    count, steps = count_parameters(planned).live, steps_per_epoch(planned.dataset, planned.train)
    # 7×7 positions make 6×6 samples, of which two are held out; batches of ten.
    assert effective["observed"]["steps_by_epoch"] == [steps] == [4]
    assert effective["observed"]["num_parameters"] == count
    stats = read(out / "stats.json")
    assert all(np.isfinite(stats[name]) for name in ("amp_mae", "phase_mae", "val_loss_final"))
    report = read(out / "activation_report.json")
    assert report["summary"]["num_samples"] == 32
    with np.load(out / "recon.npz", allow_pickle=False) as stored:
        assert stored["amplitude"].shape == (48, 48)


def test_patches_of_128_pixels_go_from_the_job_to_the_scores(tmp_path):
    dataset = {"object_size": 144, "patch_size": 128, "train_stride": 8, "test_stride": 8}
    train = {"epochs": 1, "batch_size": 4, "inference_batch_size": 4}
    phase = Phase(tmp_path, dataset=dataset, train=train)
    assert phase.simulate() == 0
    assert read(phase.folder / "data" / "metadata.json")["dataset"]["probe_defocus"] == 0.025
    stats = read(phase.train() / "stats.json")
    assert np.isfinite(stats["amp_mae"])
