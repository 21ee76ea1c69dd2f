"""The job at the end of a phase, run for real on small files, and what is kept of it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.core.digest import sha256_file
from runner.engines.base import Outcome
from runner.hub.records.base import FileRecord
from runner.manifest.tables import Resources
from runner.phase.summary import ArmsOf, summarise
from runner.verify.statistics import read_statistics

ROOT = Path(__file__).parents[3]
PLOTS = ("correlations", "gradient_norms", "learning_rates", "losses", "scores")


def run(attempt):
    """The job as a process of this interpreter."""
    places = {"{job}": str(attempt.launch.job_dir), "{out}": str(attempt.launch.out_dir)}
    words = [
        word.format(**{k.strip("{}"): v for k, v in places.items()}) for word in attempt.job.command
    ]
    data = attempt.launch.job_dir.parent / "data"
    if not data.exists():
        data.symlink_to(attempt.launch.data_dir)
    with attempt.launch.log_path.open("w") as log:
        done = subprocess.run(
            [sys.executable, *words[1:]],
            cwd=ROOT,
            env=os.environ | attempt.launch.environment,
            stdout=log,
            stderr=log,
            check=False,
        )
    now = time.time()
    status = "succeeded" if done.returncode == 0 else "failed"
    message = "" if status == "succeeded" else f"exit status {done.returncode}"
    return Outcome(
        status=status, exit_code=done.returncode, message=message, started_at=now, ended_at=now
    )


@pytest.fixture
def hub(record, tmp_path):
    """A hub on disk whose succeeded arms left their small files."""
    folder = tmp_path / "hub"
    arms = []
    for arm in record.arms:
        files = {
            "stats.json": json.dumps(arm.stats),
            "history.json": json.dumps({"train_loss": [0.2, 0.1], "val_loss": [0.2, None]}),
            "grad_norms.csv": "step,epoch,pre_clip,post_clip\n0,0,1.5,0.5\n",
        }
        inner = folder / "arms" / arm.name
        inner.mkdir(parents=True)
        for name, text in files.items() if arm.status == "succeeded" else ():
            (inner / name).write_text(text)
        kept = tuple(
            FileRecord(path=name, sha256=sha256_file(inner / name), bytes=1, deterministic=True)
            for name in (files if arm.status == "succeeded" else ())
        )
        arms.append(arm.model_copy(update={"files": kept}))
    return ArmsOf(
        name="phase8/1", record=record.model_copy(update={"arms": tuple(arms)}), folder=folder
    )


def summarised(hub, tmp_path, **options):
    return summarise(
        [hub],
        work=tmp_path / "work",
        folder=hub.folder,
        seed=7,
        resources=Resources(),
        labels={},
        run=run,
        **options,
    )


def test_statistics_and_plots_lie_in_the_hub_and_the_job_beside_them(hub, tmp_path):
    summary = summarised(hub, tmp_path)
    assert (summary.status, summary.message) == ("succeeded", "")
    files = {file.path: file.deterministic for file in summary.files}
    assert files == {
        "statistics.json": True,
        "summary/events.jsonl": False,
        **{f"{name}.png": True for name in PLOTS},
        **{
            f"plots/{name}_{width}mm.{kind}": True
            for name in PLOTS
            for width in (180, 85)
            for kind in ("svg", "pdf")
        },
    }
    for file in summary.files:
        assert sha256_file(hub.folder / file.path) == file.sha256
    job = json.loads((hub.folder / "summary/job.json").read_text())
    assert (job["experiment"], job["seed"]) == ("summarise", 7)
    assert (hub.folder / "summary/result.json").is_file()
    log = (hub.folder / summary.log).read_text()
    assert log.splitlines()[-1][20:].startswith("wrote "), log


def test_the_statistics_read_back_and_count_what_ran_as_planned(hub, tmp_path):
    summarised(hub, tmp_path)
    found = read_statistics(hub.folder, "statistics.json")
    counted = {group.label: (group.num_arms, group.num_reached) for group in found.groups}
    assert counted == {
        "stable_sgd": (1, 0), "stable_adamw": (1, 1), "stable_sgd_clip": (1, 0),
        "stable_large": (0, 0), "stable_dropped": (0, 0),
    }  # fmt: skip
    told = {arm.name: arm.status for group in found.groups for arm in group.not_counted}
    assert told == {"stable_large": "out_of_memory", "stable_dropped": "configuration_differs"}
    assert all("one seed each" in pair.endpoint.words for pair in found.comparisons)
    controlled = [pair for pair in found.comparisons if pair.controlled]
    assert [pair.knobs for pair in controlled] == [("train.optimizer",), ("train.clip",)]


def test_a_file_that_is_gone_from_a_hub_takes_its_arm_out_of_the_count(hub, tmp_path):
    (hub.folder / "arms/stable_sgd/stats.json").unlink()
    assert summarised(hub, tmp_path).status == "succeeded"
    found = read_statistics(hub.folder, "statistics.json")
    assert found.groups[0].not_counted[0].name == "stable_sgd"


def test_a_job_that_fails_leaves_its_log_and_loses_nothing(hub, tmp_path):
    (hub.folder / "arms/stable_sgd/stats.json").write_text("[]")
    summary = summarised(hub, tmp_path)
    assert (summary.status, summary.message) == ("failed", "exit status 1")
    assert summary.log_tail[-1] == ("error: ValueError: arm stable_sgd: stats.json holds no table")
    assert (hub.folder / "summary.log").is_file()
    assert not (hub.folder / "statistics.json").exists()
    assert read_statistics(hub.folder, "statistics.json") is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "statistics.json is not valid JSON: Expecting property name"),
        ('{"schema_version": 2}', "statistics.json: schema_version: Input should be 1"),
        ('{"schema_version": 1}', "statistics.json: confidence: Field required"),
        ('{"schema_version": NaN}', "statistics.json is not valid JSON: holds NaN"),
    ],
)
def test_statistics_that_cannot_be_used_say_why(tmp_path, text, told):
    (tmp_path / "statistics.json").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_statistics(tmp_path, "statistics.json")
