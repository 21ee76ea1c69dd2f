from __future__ import annotations

import hashlib
import json

import pytest

from models.job import (
    DETERMINISTIC,
    Events,
    JobError,
    is_deterministic,
    read_job,
    verify_inputs,
    write_json,
    write_result,
)


def digest(content):
    return hashlib.sha256(content).hexdigest()


EXECUTION = {"device": "cpu", "threads": 1, "determinism": "native"}


@pytest.fixture
def job_file(tmp_path):
    """Write ``job/job.json`` with changes to a valid train job: ``job_file(seed=3)``."""
    (tmp_path / "job").mkdir()
    (tmp_path / "data").mkdir()
    inputs = {}
    for name in ("train.npz", "test.npz", "metadata.json"):
        (tmp_path / "data" / name).write_bytes(name.encode())
        inputs[name] = {"path": f"../data/{name}", "sha256": digest(name.encode())}

    def write(**changes):
        table = {
            "schema_version": 1,
            "experiment": "train",
            "name": "arm",
            "parameters": {"train": {"epochs": 1}},
            "seed": 7,
            "execution": EXECUTION,
            "inputs": inputs,
        } | changes
        path = tmp_path / "job" / "job.json"
        path.write_text(
            json.dumps({key: value for key, value in table.items() if value is not None})
        )
        return path

    return write


def test_a_valid_job_is_read_as_it_stands(job_file):
    path = job_file()
    job = read_job(path, "train")
    assert (job.name, job.seed, job.device, job.threads) == ("arm", 7, "cpu", 1)
    assert job.parameters == {"train": {"epochs": 1}}
    assert job.sha256 == digest(path.read_bytes())
    assert job.inputs["train.npz"].path.read_bytes() == b"train.npz"
    verify_inputs(job)


def test_a_simulation_has_no_inputs(job_file):
    job = read_job(job_file(experiment="simulate", inputs={}), "simulate")
    assert job.inputs == {}


GOOD_INPUT = {"path": "../data/x", "sha256": "0" * 64}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2; this is version 1"),
        ({"experiment": "simulate"}, "experiment is 'simulate', but 'train' was asked for"),
        ({"seed": None}, "job lacks seed"),
        ({"colour": 1}, "job has unknown keys: colour"),
        ({"seed": -1}, "seed is -1, not an integer of at least 0"),
        ({"seed": True}, "seed is True, not an integer of at least 0"),
        ({"seed": 1.0}, "seed is 1.0, not an integer of at least 0"),
        ({"name": 3}, "name is 3, not a string"),
        ({"parameters": []}, "parameters is no JSON object"),
        ({"execution": {"device": "cpu"}}, "execution lacks determinism, threads"),
        ({"execution": EXECUTION | {"device": "tpu"}}, "execution.device is 'tpu'"),
        ({"execution": EXECUTION | {"threads": 0}}, "execution.threads is 0"),
        (
            {"execution": EXECUTION | {"determinism": "perfect"}},
            "execution.determinism is 'perfect'; give one of",
        ),
        ({"inputs": {}}, "inputs lacks metadata.json, test.npz, train.npz"),
    ],
)
def test_a_bad_job_is_refused_with_key_and_value(job_file, changes, message):
    with pytest.raises(JobError, match=f"^{message}"):
        read_job(job_file(**changes), "train")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "x"}, "inputs.test.npz lacks sha256"),
        (GOOD_INPUT | {"path": "/data/x"}, "inputs.test.npz.path is absolute"),
        (GOOD_INPUT | {"sha256": "A" * 64}, "inputs.test.npz.sha256 is 'AAA"),
        (GOOD_INPUT | {"sha256": "0" * 63}, "inputs.test.npz.sha256 is '000"),
        ("../data/x", "inputs.test.npz is no JSON object"),
    ],
)
def test_a_bad_input_entry_is_refused(job_file, entry, message):
    inputs = {"train.npz": GOOD_INPUT, "metadata.json": GOOD_INPUT, "test.npz": entry}
    with pytest.raises(JobError, match=f"^{message}"):
        read_job(job_file(inputs=inputs), "train")


@pytest.mark.parametrize(
    "content", ["", "{", '{"seed": 1, "seed": 2}', '{"seed": NaN}', "[1]", "\xff"]
)
def test_a_file_that_is_no_job_is_refused(tmp_path, content):
    path = tmp_path / "job.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(JobError):
        read_job(path, "train")


def test_a_key_that_appears_twice_is_refused(job_file):
    path = job_file()
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 7, "seed": 8'))
    with pytest.raises(JobError, match="a key appears twice"):
        read_job(path, "train")


def test_a_missing_job_is_refused(tmp_path):
    with pytest.raises(JobError, match=r"cannot be read: No such file"):
        read_job(tmp_path / "job.json", "train")


def test_an_input_with_a_flipped_byte_is_refused_by_name(job_file, tmp_path):
    job = read_job(job_file(), "train")
    (tmp_path / "data" / "test.npz").write_bytes(b"tesu.npz")
    with pytest.raises(JobError, match=r"^input test\.npz has sha256 .*, but the job states"):
        verify_inputs(job)


def test_a_missing_input_is_refused_by_name(job_file, tmp_path):
    job = read_job(job_file(), "train")
    (tmp_path / "data" / "metadata.json").unlink()
    with pytest.raises(JobError, match=r"^input metadata\.json cannot be read"):
        verify_inputs(job)


def test_each_event_is_on_disk_as_soon_as_it_is_written(tmp_path):
    path = tmp_path / "events.jsonl"
    with Events(path) as events:
        events.write("epoch", epoch=0, val_loss=float("nan"))
        events.stage("evaluate")
        first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["event"] == "epoch"
    assert first["val_loss"] is None
    assert second["stage"] == "evaluate"
    assert first["time"] <= second["time"]


def test_the_result_lists_every_file_with_digest_size_and_kind(job_file, tmp_path):
    job, out = read_job(job_file(), "train"), tmp_path / "out"
    out.mkdir()
    (out / "stats.json").write_bytes(b"{}\n")
    (out / "events.jsonl").write_bytes(b"")
    (out / "activation_report_sgd.json").write_bytes(b"1")
    write_result(job, out)
    result = json.loads((out / "result.json").read_text())
    assert result["job_sha256"] == job.sha256
    assert result["experiment"] == "train"
    assert [(f["path"], f["bytes"], f["deterministic"]) for f in result["files"]] == [
        ("activation_report_sgd.json", 1, True),
        ("events.jsonl", 0, False),
        ("stats.json", 3, True),
    ]
    assert result["files"][2]["sha256"] == digest(b"{}\n")
    assert sorted(path.name for path in out.iterdir()) == [
        "activation_report_sgd.json",
        "events.jsonl",
        "result.json",
        "stats.json",
    ]


@pytest.mark.parametrize("every", [None, {"epochs": 2}, {"epochs": 2, "keep": True}])
def test_checkpoints_are_gone_with_the_result_unless_they_are_to_be_kept(job_file, tmp_path, every):
    job = read_job(job_file(checkpoint_every=every), "train")
    assert job.checkpoint_every == every
    out = tmp_path / "out"
    out.mkdir()
    for name in ("fit_checkpoint_000002.pt", "fit_checkpoint_000002.json", "history.json"):
        (out / name).write_text("x")
    write_result(job, out)
    listed = {file["path"]: file for file in json.loads((out / "result.json").read_text())["files"]}
    kept = every is not None and "keep" in every
    assert len(listed) == (3 if kept else 1)
    assert {path.name for path in out.iterdir()} == {"result.json", *listed}
    assert [name for name, file in listed.items() if file["deterministic"]] == ["history.json"]


def test_only_a_training_leaves_checkpoints(job_file):
    path = job_file(experiment="simulate", inputs={}, checkpoint_every={"epochs": 2})
    with pytest.raises(JobError, match="unknown keys: checkpoint_every"):
        read_job(path, "simulate")


def test_there_is_no_result_with_a_file_whose_kind_is_not_declared(job_file, tmp_path):
    job, out = read_job(job_file(), "train"), tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("?")
    with pytest.raises(ValueError, match=r"notes\.txt is not declared"):
        write_result(job, out)
    assert not (out / "result.json").exists()


def test_what_tells_of_times_and_machines_is_observational():
    observational = {name for name, deterministic in DETERMINISTIC.items() if not deterministic}
    assert observational == {
        "fit_checkpoint_*",
        "regression_tests.json",
        "timing.json",
        "environment.json",
        "events.jsonl",
    }


def test_a_declared_name_in_a_subfolder_is_another_file():
    with pytest.raises(ValueError, match="not declared"):
        is_deterministic("extra/stats.json")


def test_json_refuses_what_is_no_number(tmp_path):
    with pytest.raises(ValueError, match="Out of range float"):
        write_json(tmp_path / "stats.json", {"loss": float("nan")})
