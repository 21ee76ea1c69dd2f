"""The experiment's side of docs/contract.md: real jobs as processes, and what they leave."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from models.__main__ import main
from models.config import Parameters
from models.data.npz import load_split
from models.evaluation.metrics import score
from models.evaluation.reconstruct import reconstruct
from models.nets.registry import outline
from models.training.batches import as_tensor
from models.training.inference import infer
from models.training.weights import digest
from tests.contract.plots_in_a_browser import assert_all_can_be_read
from tests.models.collapse import LEFT_BY_A_COLLAPSE

ROOT = Path(__file__).parents[2]
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d .")

PARAMETERS = {
    "dataset": {"object_size": 64, "patch_size": 16, "train_stride": 8, "test_stride": 4},
    "model": {"hidden_channels": 2, "modes": 4, "fno_blocks": 2, "architecture": "stable_hybrid"},
    "train": {
        "epochs": 2,
        "batch_size": 10,
        "inference_batch_size": 4,
        "clip": {"kind": "norm", "max_norm": 0.5},
    },
    "diagnostics": {"activations": True, "activation_report": "activation_report_tiny.json"},
}


def with_lines(names):
    """The files of these names, and for each picture those that have it as lines."""
    pictures = [name.removesuffix(".png") for name in names if name.endswith(".png")]
    pictures += ["recon_85mm"] * ("recon" in pictures)
    return [*names, *(f"plots/{name}{kind}" for name in pictures for kind in (".svg", ".pdf"))]


TRAIN_FILES = {
    "history.json": True,
    "metrics.json": True,
    "stats.json": True,
    "effective_config.json": True,
    "model.pt": True,
    "model_best.pt": True,
    "grad_norms.csv": True,
    "recon.npz": True,
    "recon.png": True,
    "loss.png": True,
    "activation_report_tiny.json": True,
    "activation_profile_tiny.png": True,
    "checkpoints.json": True,
    "timing.json": False,
    "environment.json": False,
    "events.jsonl": False,
}
TRAIN_FILES |= dict.fromkeys(set(with_lines(list(TRAIN_FILES))) - set(TRAIN_FILES), True)
"""As docs/contract.md lists them."""

COLLAPSE_FILES = set(with_lines(LEFT_BY_A_COLLAPSE))
"""What an arm leaves beside them when it collapses."""


def parameters(**train):
    table = {**PARAMETERS, "train": PARAMETERS["train"] | train}
    return Parameters.model_validate_json(json.dumps(table)).model_dump(mode="json")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_job(folder, data=None, **changes):
    """``folder/job.json``: a simulation, or with ``data`` beside ``folder`` a training."""
    folder.mkdir(parents=True)
    table = {
        "schema_version": 1,
        "experiment": "train" if data else "simulate",
        "name": "tiny",
        "parameters": parameters() if data else {"dataset": parameters()["dataset"]},
        "seed": 20260128,
        "execution": {"device": "cpu", "threads": 1, "determinism": "native"},
        "inputs": {
            name: {"path": f"../{data.name}/{name}", "sha256": sha256(data / name)}
            for name in (("train.npz", "test.npz", "metadata.json") if data else ())
        },
    } | changes
    path = folder / "job.json"
    path.write_text(json.dumps(table))
    return path


def start(verb, job, out, *, cwd=ROOT, **variables):
    command = [sys.executable, "-m", "models", verb, "--job", str(job), "--out", str(out)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def assert_good_run(process):
    """It ends well, and its console has lines of its log alone: no library has anything to say."""
    stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    lines = stdout.splitlines()
    assert lines[-1][20:].startswith("wrote ")
    assert [line for line in lines if not LOG_LINE.match(line)] == []
    assert "warning" not in stdout


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    root = tmp_path_factory.mktemp("phase")
    process = start("simulate", write_job(root / "dataset-job"), root / "data")
    assert_good_run(process)
    return root


@pytest.fixture(scope="session")
def trained(simulated):
    """The same job twice at once, the second in odd surroundings: (out, out, work folder)."""
    job = write_job(simulated / "job", simulated / "data")
    odd, work = simulated / "an odd place" / "deeper" / "out", simulated / "work"
    work.mkdir()
    lost = {"HOME": "/nonexistent", "TMPDIR": str(simulated)}
    processes = [
        start("train", job, simulated / "out"),
        start("train", job, odd, cwd=work, **lost),
    ]
    for process in processes:
        assert_good_run(process)
    return simulated / "out", odd, work


def files_in(out):
    """The paths of all files in a folder."""
    return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}


def read(path):
    return json.loads(path.read_text())


def events(out):
    return [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]


def test_a_simulation_leaves_its_three_files_and_a_result(simulated):
    result = read(simulated / "data" / "result.json")
    assert {f["path"]: f["deterministic"] for f in result["files"]} == {
        "train.npz": True,
        "test.npz": True,
        "metadata.json": True,
        "events.jsonl": False,
    }
    told = events(simulated / "data")
    assert told[0]["event"] == "started"
    assert told[0]["experiment"] == "simulate"
    assert [e["stage"] for e in told if e["event"] == "stage"][:2] == ["objects", "diffraction"]
    assert told[-1]["event"] == "finished"


def test_training_leaves_exactly_the_files_of_the_contract(trained):
    out = trained[0]
    result = read(out / "result.json")
    assert {f["path"]: f["deterministic"] for f in result["files"]} == TRAIN_FILES
    assert files_in(out) == {*TRAIN_FILES, "result.json"}
    assert [f["path"] for f in result["files"]] == sorted(TRAIN_FILES)
    for file in result["files"]:
        assert file["sha256"] == sha256(out / file["path"])
        assert file["bytes"] == (out / file["path"]).stat().st_size
    assert result["job_sha256"] == sha256(out.parent / "job" / "job.json")
    assert (result["schema_version"], result["experiment"]) == (1, "train")


def test_deterministic_files_depend_neither_on_place_nor_time_nor_surroundings(trained):
    one, other, _ = trained
    for name, deterministic in TRAIN_FILES.items():
        if deterministic:
            assert sha256(one / name) == sha256(other / name), name


def test_nothing_is_left_outside_the_output_folder(trained):
    one, _, work = trained
    assert list(work.iterdir()) == []
    assert {path.name for path in one.parent.iterdir()} == {
        "an odd place",
        "data",
        "dataset-job",
        "job",
        "out",
        "work",
    }


def test_no_deterministic_file_names_a_path_of_the_machine(trained):
    _, other, _ = trained
    for name, deterministic in TRAIN_FILES.items():
        content = (other / name).read_bytes()
        assert not deterministic or str(other.parents[2]).encode() not in content, name


def test_the_effective_parameters_are_those_of_the_job(trained):
    out = trained[0]
    effective, planned = read(out / "effective_config.json"), parameters()
    assert set(effective) == {"schema_version", "parameters", "seed", "execution", "observed"}
    assert effective["seed"] == 20260128
    assert effective["execution"] == {
        "device": "cpu",
        "threads": 1,
        "determinism": "native",
        "deterministic_algorithms": True,
    }
    for table, knobs in planned.items():
        for knob, value in knobs.items():
            shown = effective["parameters"][table].pop(knob)
            assert shown == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value)
        assert effective["parameters"][table] == {}


def test_what_was_observed_agrees_with_the_files(trained):
    out = trained[0]
    observed, history = read(out / "effective_config.json")["observed"], read(out / "history.json")
    assert observed["learning_rate_by_epoch"] == history["learning_rate"] == [1e-3, 1e-3]
    assert observed["steps_by_epoch"] == [5, 5]
    assert observed["optimizer_class"] == "torch.optim.adam.Adam"
    assert observed["initial_weights_sha256"] != observed["final_weights_sha256"]
    data = out.parent / "data"
    assert observed["dataset_sha256"] == {n: sha256(data / n) for n in observed["dataset_sha256"]}
    assert len(observed["dataset_sha256"]) == 3
    rows = np.loadtxt(out / "grad_norms.csv", delimiter=",", skiprows=1)
    assert rows[:, 0].tolist() == list(range(10))
    assert rows[:, 3].max() == pytest.approx(observed["max_post_clip_norm"], rel=1e-8)
    assert rows[:, 3].max() <= 0.5 * (1 + 1e-5) < rows[:, 2].min()


def test_metrics_are_pairs_for_both_epochs_and_every_null_has_its_reason(trained):
    metrics = read(trained[0] / "metrics.json")
    reasons = metrics["null_reasons"]
    for epoch, prefix in (("last_epoch", ""), ("best_epoch", "best_")):
        assert {"mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50"} == set(metrics[epoch])
        for metric, pair in metrics[epoch].items():
            for part, value in zip(("amp", "phase"), pair, strict=True):
                assert (value is None) == (f"{prefix}{part}_{metric}" in reasons)
                assert value is None or isinstance(value, float)
        for metric in metrics[epoch]:
            value = metrics["phase_aligned"][epoch][metric]
            assert (value is None) == (f"{prefix}phase_aligned_{metric}" in reasons)


def test_stats_repeat_the_scores_of_the_last_epoch(trained):
    out = trained[0]
    stats, metrics = read(out / "stats.json"), read(out / "metrics.json")["last_epoch"]
    assert [stats["amp_ssim"], stats["phase_ssim"]] == metrics["ssim"]
    aligned = read(out / "metrics.json")["phase_aligned"]
    assert stats["phase_aligned_ssim"] == aligned["last_epoch"]["ssim"]
    assert stats["best_phase_aligned_mae"] == aligned["best_epoch"]["mae"]
    assert stats["score_definition"] == read(out / "metrics.json")["score_definition"] == 2
    assert stats["n_epochs"] == 2
    assert stats["val_loss_final"] == read(out / "history.json")["val_loss"][-1]


def test_weights_are_loaded_without_executing_anything(trained):
    for name in ("model.pt", "model_best.pt"):
        state = torch.load(trained[0] / name, weights_only=True)
        assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


def test_both_checkpoints_are_scored_where_the_best_epoch_is_not_the_last(failing):
    """A rate that grows until it is far too large: the loss falls and then rises a hundredfold."""
    schedule = {"kind": "warmup_cosine", "warmup_epochs": 3, "min_ratio": 0.5}
    settings = {
        "learning_rate": 0.3, "scheduler": schedule, "epochs": 4, "validation": "test",
    }  # fmt: skip
    table = parameters(**settings, validation_fraction=None)
    code, _, out = failing(parameters=table)
    assert code == 0
    losses = read(out / "history.json")["val_loss"]
    assert losses.index(min(losses)) == read(out / "stats.json")["val_loss_best_epoch"] < 3
    planned = Parameters.model_validate_json(json.dumps(table))
    test = load_split(out.parent / "data" / "test.npz")
    for name, epoch in (("model", "last_epoch"), ("model_best", "best_epoch")):
        net = outline(planned.model, side=16)
        net.load_state_dict(torch.load(out / f"{name}.pt", weights_only=True), assign=True)
        reconstruction = reconstruct(infer(net, as_tensor(test), 4), test, planned.dataset)
        assert read(out / "metrics.json")[epoch] == score(reconstruction).metrics
    observed = read(out / "effective_config.json")["observed"]
    last = torch.load(out / "model.pt", weights_only=True)
    assert digest(last) == observed["final_weights_sha256"]


def test_timing_and_environment_are_plain_facts(trained):
    timing, environment = (read(trained[0] / f"{n}.json") for n in ("timing", "environment"))
    assert set(timing) == {"wall_s", "steps_per_s", "peak_memory_bytes"}
    assert all(value > 0 for value in timing.values())
    assert environment["python"] == ".".join(map(str, sys.version_info[:3]))
    assert environment["variables"]["OMP_NUM_THREADS"] == "1"


def test_events_tell_the_course_of_the_fit(trained):
    told = events(trained[0])
    assert told[0] | {"time": 0} == {
        "event": "started",
        "time": 0,
        "experiment": "train",
        "epochs": 2,
        "steps_per_epoch": 5,
    }
    assert [e["stage"] for e in told if e["event"] == "stage"] == [
        "fit",
        "evaluate",
        "write",
        "diagnose",
    ]
    epochs = [e for e in told if e["event"] == "epoch"]
    assert [e["epoch"] for e in epochs] == [0, 1]
    assert [e["train_loss"] for e in epochs] == read(trained[0] / "history.json")["train_loss"]
    steps = [e for e in told if e["event"] == "step"]
    assert steps[0]["step"] == 0
    assert all(later["time"] - e["time"] >= 0.9 for e, later in itertools.pairwise(steps))
    assert told[-1]["event"] == "finished"
    assert all(e["time"] > 1.6e9 for e in told)


def test_a_stored_checkpoint_gives_the_same_report_again(trained, tmp_path):
    out = trained[0]
    job, npz = out.parent / "job" / "job.json", out.parent / "data" / "test.npz"
    command = ["activations", "--checkpoint", str(out / "model.pt"), "--job", str(job)]
    command += ["--npz", str(npz), "--out", str(tmp_path), "--name", "activation_report_again.json"]
    assert main(command) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["activation_report_again.json"]
    again = (tmp_path / "activation_report_again.json").read_bytes()
    assert again == (out / "activation_report_tiny.json").read_bytes()
    assert read(tmp_path / "activation_report_again.json")["summary"] == {
        "architecture": "stable_hybrid",
        "num_samples": 32,
        "batch_size": 4,
        "checkpoint_sha256": sha256(out / "model.pt"),
    }


# --- diagnosing a stored checkpoint --------------------------------------------------------------


def diagnose_job(out, folder, *, checkpoint="model.pt", **changes):
    """A ``diagnose`` job for a checkpoint of a trained arm, beside the arm's data."""
    wanted = {"reports": ["activations", "gradient_histograms"], "name": "last", "epoch": 1}
    path = write_job(out.parent / folder, out.parent / "data")
    job = read(path)
    shutil.copy(out / checkpoint, path.parent / "checkpoint.pt")
    job["inputs"]["checkpoint.pt"] = {
        "path": "checkpoint.pt",
        "sha256": sha256(path.parent / "checkpoint.pt"),
    }
    job["experiment"] = "diagnose"
    job["parameters"] |= {"diagnose": wanted}
    path.write_text(json.dumps(job | changes))
    return path


@pytest.fixture
def diagnosed(trained, tmp_path, capsys):
    """Run a ``diagnose`` job of a copy of the arm in this process: exit code, stderr, folder."""
    shutil.copytree(trained[0], tmp_path / "arm")
    shutil.copytree(trained[0].parent / "data", tmp_path / "data")

    def run(**changes):
        job = diagnose_job(tmp_path / "arm", "diagnose-job", **changes)
        code = main(["diagnose", "--job", str(job), "--out", str(tmp_path / "out")])
        return code, capsys.readouterr().err, tmp_path / "out"

    return run


def test_diagnosing_a_checkpoint_leaves_its_reports_and_a_result(diagnosed, trained):
    code, _, out = diagnosed()
    assert code == 0
    left = ["activation_report.json", "activation_profile.png", "grad_hist.npz", "grad_hist.png"]
    assert {f["path"]: f["deterministic"] for f in read(out / "result.json")["files"]} == {
        **dict.fromkeys(with_lines(left), True),
        "environment.json": False,
        "events.jsonl": False,
    }
    again = (out / "activation_report.json").read_bytes()
    assert again == (trained[0] / "activation_report_tiny.json").read_bytes()
    with np.load(out / "grad_hist.npz", allow_pickle=False) as arrays:
        observed = read(trained[0] / "effective_config.json")["observed"]
        assert str(arrays["weights_sha256"]) == observed["final_weights_sha256"]
        assert int(arrays["epoch"]) == 1
    stages = [e["stage"] for e in events(out) if e["event"] == "stage"]
    assert stages == ["activations", "gradient_histograms"]


def test_only_the_reports_that_were_named_are_made(diagnosed):
    table = parameters() | {
        "diagnose": {"reports": ["gradient_histograms"], "name": "best", "epoch": None}
    }
    _, _, out = diagnosed(parameters=table)
    assert files_in(out) == {
        *with_lines(["grad_hist.npz", "grad_hist.png"]),
        "environment.json",
        "events.jsonl",
        "result.json",
    }


def test_a_diagnosis_of_nothing_is_refused(diagnosed):
    code, told, out = diagnosed(parameters=parameters())
    assert (code, told) == (2, "error: parameters lacks diagnose\n")
    assert not out.exists()


def test_a_checkpoint_with_other_bytes_is_not_diagnosed(diagnosed, tmp_path):
    inputs = {
        name: {"path": f"../data/{name}", "sha256": sha256(tmp_path / "data" / name)}
        for name in ("train.npz", "test.npz", "metadata.json")
    } | {"checkpoint.pt": {"path": "checkpoint.pt", "sha256": "0" * 64}}
    code, told, out = diagnosed(inputs=inputs)
    assert code == 2
    assert told.startswith("error: input checkpoint.pt has sha256 ")
    assert not out.exists()


# --- an arm that collapses -----------------------------------------------------------------------


def test_an_arm_that_collapses_leaves_both_sides_of_it(failing):
    """At this rate the first epochs kill the decoder."""
    code, _, out = failing(parameters=parameters(learning_rate=30.0))
    assert code == 0
    stats = read(out / "stats.json")
    assert (stats["collapsed"], stats["collapse_kind"]) == (True, "flat")
    epoch, listed = stats["collapse_epoch"], read(out / "checkpoints.json")["checkpoints"]
    assert listed["before_collapse"]["epoch"] == (epoch - 1 if epoch else None)
    assert listed["at_collapse"]["epoch"] == epoch
    assert files_in(out) == {*TRAIN_FILES, *COLLAPSE_FILES, "result.json"}
    assert_all_can_be_read(sorted((out / "plots").glob("*.svg")), out)
    observed = read(out / "effective_config.json")["observed"]
    assert read(out / "effective_config.json")["parameters"]["diagnostics"]["on_collapse"] is True
    last = torch.load(out / "model.pt", weights_only=True)
    assert digest(last) == observed["final_weights_sha256"]


# --- failures ------------------------------------------------------------------------------------


@pytest.fixture
def failing(simulated, tmp_path, capsys):
    """Run a changed train job in this process: exit code, stderr, output folder."""

    def run(**changes):
        shutil.copytree(simulated / "data", tmp_path / "data", dirs_exist_ok=True)
        job = write_job(tmp_path / "job", tmp_path / "data", **changes)
        code = main(["train", "--job", str(job), "--out", str(tmp_path / "out")])
        return code, capsys.readouterr().err, tmp_path / "out"

    return run


def test_a_job_that_is_wrong_ends_with_2_and_computes_nothing(failing):
    code, told, out = failing(seed=-1)
    assert code == 2
    assert told == "error: seed is -1, not an integer of at least 0\n"
    assert not out.exists()


def test_parameters_that_are_wrong_are_all_named(failing):
    wrong = parameters()
    wrong["train"] |= {"epochs": 0, "colour": 1}
    wrong["model"]["architecture"] = "transformer"
    code, told, _ = failing(parameters=wrong)
    assert code == 2
    for knob in (
        "parameters.train.epochs",
        "parameters.train.colour",
        "parameters.model.architecture",
    ):
        assert knob in told
    assert told.count("\n") == 1


def test_an_input_with_other_bytes_is_refused_before_anything_is_computed(
    failing, tmp_path, simulated
):
    inputs = {
        name: {"path": f"../data/{name}", "sha256": "0" * 64}
        for name in ("train.npz", "test.npz", "metadata.json")
    }
    code, told, out = failing(inputs=inputs)
    assert code == 2
    assert told.startswith("error: input metadata.json has sha256 ")
    assert not out.exists()


def test_an_output_folder_that_is_not_empty_is_refused(failing, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stats.json").write_text("{}")
    code, told, out = failing()
    assert code == 2
    assert "is not empty" in told
    assert [path.name for path in out.iterdir()] == ["stats.json"]


def test_a_failure_ends_with_1_its_cause_in_one_line_and_without_a_result(failing):
    other = parameters()
    other["dataset"]["test_stride"] = 6
    code, told, out = failing(parameters=other)
    assert code == 1
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("error: ValueError: the stitched image")
    assert not (out / "result.json").exists()


def test_a_dataset_of_other_parameters_is_seen_in_the_effective_configuration(failing):
    other = parameters()
    other["dataset"]["photons"] = 5e8
    code, _, out = failing(parameters=other)
    assert code == 0
    shown = read(out / "effective_config.json")["parameters"]["dataset"]["photons"]
    assert shown == pytest.approx(1e9, rel=1e-6)


def test_a_fit_that_is_not_finite_still_writes_everything(failing):
    code, _, out = failing(parameters=parameters(learning_rate=1e30, epochs=2))
    assert code == 0
    assert files_in(out) == {*TRAIN_FILES, *COLLAPSE_FILES, "result.json"}
    stats, metrics = read(out / "stats.json"), read(out / "metrics.json")
    assert (stats["has_nan"], stats["collapsed"], stats["n_epochs"]) == (True, False, 2)
    assert (stats["collapse_kind"], stats["not_finite"]) == ("not_finite", True)
    assert (stats["nonfinite_epoch"], stats["recovered_epoch"]) == (0, None)
    assert (stats["collapse_epoch"], stats["val_loss_best_epoch"]) == (0, None)
    assert stats["collapse_reason"].startswith("not finite")
    assert metrics["last_epoch"]["ssim"] == [None, None]
    assert read(out / "history.json")["train_loss"] == [None, None]
    assert read(out / "effective_config.json")["parameters"]["train"]["epochs"] == 2


def test_a_checkpoint_that_holds_code_is_not_executed(trained, tmp_path, capsys):
    torch.save({"weights": Path("x")}, tmp_path / "evil.pt")
    out = trained[0]
    command = ["activations", "--checkpoint", str(tmp_path / "evil.pt")]
    command += ["--job", str(out.parent / "job" / "job.json")]
    command += ["--npz", str(out.parent / "data" / "test.npz"), "--out", str(tmp_path / "out")]
    assert main(command) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"error: CheckpointError: {tmp_path / 'evil.pt'} is no checkpoint of ")
    assert not (tmp_path / "out").exists()


def test_the_command_line_starts_without_anything_heavy():
    code = (
        "import sys\n"
        "from models.__main__ import main\n"
        "try:\n    main(['train', '--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'lightning', 'numpy', 'pydantic', 'matplotlib'} & set(sys.modules)\n"
        "sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
