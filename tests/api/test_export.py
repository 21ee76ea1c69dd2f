"""A hub in the files of other tools, read back by the tools' own libraries."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

import phasehub
from runner.commands.export import MODULES, ExportRequest, export
from runner.commands.export.runs import exported
from runner.core.errors import ExportError, VerificationError
from runner.hub.checksums import write_checksums
from runner.verify.checked_hub import open_checked

ROOT = Path(__file__).parents[2]
HUB = "artifacts/tiny/2026-11-22T104255Z"
MLFLOW = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(f"sqlite:///{sys.argv[1]}")
(experiment,) = [one for one in client.search_experiments() if one.name == "tiny"]
runs = {}
for run in client.search_runs([experiment.experiment_id]):
    curve = client.get_metric_history(run.info.run_id, "val_loss")
    runs[run.info.run_name] = {
        "status": run.info.status,
        "time": [run.info.start_time, run.info.end_time],
        "rate": run.data.params["train.learning_rate"],
        "seed": run.data.params["seed"],
        "amp_ssim": run.data.metrics["score.amp_ssim"],
        "undefined": "score.amp_ms_ssim" in run.data.metrics,
        "collapsed": run.data.tags["collapsed"],
        "hub": run.data.tags["phasehub.hub"],
        "val_loss": [(point.step, point.value) for point in curve],
    }
print(json.dumps(runs))
"""
TENSORBOARD = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray
read = EventAccumulator(sys.argv[1]).Reload()
found = {
    name: [(event.step, float(make_ndarray(event.tensor_proto))) for event in read.Tensors(name)]
    for name in ("val_loss", "score.amp_ssim")
}
print(json.dumps(found))
"""

WANDB = """
import glob, json, struct, sys
from wandb.proto.wandb_internal_pb2 import Record


def records(path):
    'A LevelDB log behind 7 bytes: blocks of 32 KiB, each part with 7 bytes before it.'
    data, place, part = open(path, "rb").read(), 7, b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        if (room := 32768 - place % 32768) < 7:
            place += room
            continue
        _, size, kind = struct.unpack("<IHB", data[place : place + 7])
        part, place = part + data[place + 7 : place + 7 + size], place + 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(part)
            part = b""


runs = {}
for path in glob.glob(sys.argv[1] + "/wandb/offline-run-*/run-*.wandb"):
    run = {"logged": {}, "said": {}}
    for record in records(path):
        if record.HasField("run"):
            runs[record.run.display_name] = run
            knobs = {one.key: json.loads(one.value_json) for one in record.run.config.update}
            run |= {"project": record.run.project, "rate": knobs["train.learning_rate"]}
        for item in record.history.item:
            run["logged"]["".join(item.nested_key)] = json.loads(item.value_json)
        for item in record.summary.update:
            run["said"][item.key] = json.loads(item.value_json)
        if record.HasField("exit"):
            run["exit"] = record.exit.exit_code
print(json.dumps(runs))
"""


def test_csv_has_every_arm_and_every_curve(artifacts, tmp_path):
    made = export(ExportRequest(hub=artifacts.parent / HUB, to="csv", output=tmp_path / "out"))
    with (made / "arms.csv").open(newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["arm"], first["status"], first["collapsed"]) == ("one", "succeeded", "false")
    assert [float(row["train.learning_rate"]) for row in (first, second)] == [0.001, 0.002]
    assert float(first["amp_ssim"]) == 0.03724097020938123
    assert first["amp_ms_ssim"] == ""
    with (made / "history.csv").open(newline="") as file:
        rows = [
            (row["arm"], int(row["epoch"]), float(row["val_loss"])) for row in csv.DictReader(file)
        ]
    assert rows == [("one", 0, 3.7518060207366943), ("two", 0, 3.5095033645629883)]


def test_no_cell_is_a_formula(hub_folder, tmp_path):
    record = json.loads((hub_folder / "hub.json").read_bytes())
    record["arms"][0]["stats"] |= {"=1+1": "=HYPERLINK(1)", "amp_ssim": -0.5}
    (hub_folder / "hub.json").write_text(json.dumps(record))
    write_checksums(hub_folder)
    made = export(ExportRequest(hub=hub_folder, to="csv", output=tmp_path / "out"))
    with (made / "arms.csv").open(newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["'=1+1"], row["amp_ssim"]) == ("'=HYPERLINK(1)", "-0.5")


def test_every_arm_says_what_was_set_over_its_manifest(hub_folder, tmp_path):
    record = json.loads((hub_folder / "hub.json").read_bytes())
    record |= {"profile": "quick", "set_knobs": {"train.epochs": 1, "train.loss": "mae"}}
    (hub_folder / "hub.json").write_text(json.dumps(record))
    write_checksums(hub_folder)
    made = export(ExportRequest(hub=hub_folder, to="csv", output=tmp_path / "out"))
    told = {"profile": "quick", "set": '--set train.epochs=1 --set train.loss="mae"'}
    with (made / "arms.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            assert {name: row[name].removeprefix("'") for name in told} == told
    for arm in exported(open_checked(hub_folder)).arms:
        assert told.items() <= arm.words.items()


def test_a_hub_that_was_changed_is_not_exported(hub_folder, tmp_path):
    (hub_folder / "arms" / "two" / "history.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"arms/two/history\.json is not as it was sealed"):
        export(ExportRequest(hub=hub_folder, to="csv", output=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_nothing_is_written_over(artifacts, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(ExportError, match="exists already"):
        export(ExportRequest(hub=artifacts.parent / HUB, to="csv", output=tmp_path / "out"))


@pytest.mark.parametrize("to", sorted(MODULES.keys() - {"csv"}))
def test_a_library_that_is_missing_is_named_with_its_extra(to, artifacts, tmp_path, monkeypatch):
    for name in ("mlflow", "tensorboard", "tensorboard.summary", "wandb"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ExportError, match=rf"pip install 'phasehub\[{to.partition('-')[0]}\]'"):
        export(ExportRequest(hub=artifacts.parent / HUB, to=to, output=tmp_path / "out"))


def test_the_formats_of_the_command_are_those_there_are(artifacts, tmp_path):
    from runner.cli.options import ExportName

    assert {one.value for one in ExportName} == {*MODULES}
    done = subprocess.run(
        [sys.executable, "-m", "runner", "export", artifacts.parent / HUB,
         "--to", "csv", "-o", tmp_path / "o"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == f"{tmp_path / 'o'}\n"


def written(tools, artifacts, target, to):
    tools("-m", "runner", "export", HUB, "--to", to, "-o", target, cwd=artifacts.parent)
    return target


def test_mlflow_finds_every_arm_with_its_knobs_scores_and_curves(tools, artifacts, tmp_path):
    store = written(tools, artifacts, tmp_path / "mlflow.db", "mlflow")
    runs = json.loads(tools("-c", MLFLOW, store, cwd=tmp_path))
    arm = phasehub.open(artifacts.parent / HUB).arm("two")
    assert runs["two"] == {
        "time": [round(one.timestamp() * 1000) for one in (arm.started, arm.ended)],
        "status": "FINISHED", "rate": "0.002", "seed": "7", "amp_ssim": 0.0357078934977801,
        "undefined": False, "collapsed": "false", "hub": "tiny/2026-11-22T104255Z",
        "val_loss": [[0, 3.5095033645629883]],
    }  # fmt: skip
    assert set(runs) == {"one", "two"}
    with pytest.raises(AssertionError, match=r"has tiny/2026-11-22T104255Z already"):
        written(tools, artifacts, store, "mlflow")


def test_tensorboard_finds_the_curves_and_scores_of_an_arm(tools, artifacts, tmp_path):
    logs = written(tools, artifacts, tmp_path / "logs", "tensorboard")
    assert sorted(one.name for one in logs.iterdir()) == ["one", "two"]
    found = json.loads(tools("-c", TENSORBOARD, logs / "two", cwd=tmp_path))
    assert found["val_loss"] == [[0, pytest.approx(3.5095033645629883, rel=1e-7)]]
    assert found["score.amp_ssim"] == [[0, pytest.approx(0.0357078934977801, rel=1e-7)]]


def test_weights_and_biases_has_an_offline_run_of_every_arm(tools, artifacts, tmp_path):
    """wandb has no reader of its files in Python; its own messages are in them."""
    folder = written(tools, artifacts, tmp_path / "runs", "wandb-offline")
    runs = json.loads(tools("-c", WANDB, folder, cwd=tmp_path))
    assert set(runs) == {"one", "two"}
    run = runs["two"]
    assert (run["project"], run["rate"], run["exit"]) == ("tiny", 0.002, 0)
    assert run["logged"]["val_loss"] == 3.5095033645629883
    assert run["logged"]["score.amp_ssim"] == 0.0357078934977801
    assert (run["said"]["status"], run["said"]["proof"]) == ("succeeded", "audited")
