"""Whatever numbers an arm leaves, it has a record, and its siblings go on."""

import json
from pathlib import Path

import pytest

from runner.core.digest import sha256_bytes
from runner.engines.base import Outcome
from runner.jobs.attempts import lay_out
from runner.manifest.model import load
from runner.manifest.rule_parser import parse
from runner.phase.arms import conclude
from runner.plan.make import make_plan

ROOT = Path(__file__).parents[3]
SUCCEEDED = Outcome(status="succeeded", exit_code=0, message="", started_at=0.0, ended_at=1.0)
SUMMARIES = ("effective_config", "stats", "metrics", "timing", "history")


def leave_checkpoint(folder, epochs):
    """What lies beside the job of an attempt that goes on after so many epochs."""
    folder.mkdir()
    state = {"path": "fit_checkpoint_000004.pt", "sha256": sha256_bytes(b""), "bytes": 0}
    table = {"schema_version": 1, "job_sha256": "0" * 64, "epochs": epochs, "files": [state]}
    (folder / "fit_checkpoint_000004.json").write_text(json.dumps(table))


@pytest.fixture
def concluded(tmp_path):
    """The record of an arm that left these summaries."""

    def run(rule="amp_ssim >= 0.8", given=None, **summaries):
        job = make_plan(load(ROOT / "manifests" / "quickstart.toml")).arms[0]
        attempt = lay_out(job, folder=tmp_path / "attempt", labels={})
        if given is not None:
            leave_checkpoint(attempt.launch.job_dir / "resume", given)
        files = []
        for name in SUMMARIES:
            content = json.dumps(summaries.get(name, {})).encode()
            (attempt.launch.out_dir / f"{name}.json").write_bytes(content)
            files.append(
                {
                    "path": f"{name}.json",
                    "sha256": sha256_bytes(content),
                    "bytes": len(content),
                    "deterministic": True,
                }
            )
        result = {
            "schema_version": 1,
            "experiment": "train",
            "job_sha256": attempt.job_sha256,
            "files": files,
        }
        (attempt.launch.out_dir / "result.json").write_text(json.dumps(result))
        return conclude(
            attempt, SUCCEEDED, folder=tmp_path / "hub", stage="stage_a", rules=[parse(rule)]
        )

    return run


@pytest.mark.parametrize(
    ("summaries", "told"),
    [
        ({"effective_config": {"observed": {"final_weights_sha256": "x"}}}, "final_weights_sha256"),
        ({"effective_config": {"observed": {"final_weights_sha256": [1]}}}, "final_weights_sha256"),
        ({"stats": {"collapsed": "perhaps"}}, "collapsed"),
        ({"stats": {"collapse_epoch": 1e300}}, "collapse_epoch"),
        ({"metrics": {"null_reasons": [1]}}, "null_reasons"),
        (
            {"rule": "amp_ssim >= amp_mae", "stats": {"amp_ssim": 1.7e308, "amp_mae": -1.7e308}},
            "margin",
        ),
    ],
)
def test_numbers_that_no_record_holds_are_an_invalid_output_with_its_files(
    concluded, summaries, told
):
    record = concluded(**summaries)
    assert record.status == "invalid_output"
    assert record.message.startswith("the arm's summaries hold what they must not: ")
    assert told in record.message
    assert {file.path for file in record.files} == {f"{name}.json" for name in SUMMARIES}


def test_an_arm_that_went_on_from_a_checkpoint_says_so_in_its_record(concluded):
    record = concluded(given=4, timing={"resumed_from_epoch": 4})
    assert record.resumed_from == 4
    assert record.status != "invalid_output"
    assert record.notes == (
        "attempt 1 went on from a checkpoint after 4 epochs; log, events and times are those of "
        "this attempt",
    )


def test_an_arm_without_checkpoints_says_nothing_of_them(concluded):
    record = concluded()
    assert record.notes == ()
    assert "resumed_from" not in record.model_dump(mode="json")


@pytest.mark.parametrize(
    ("given", "timing"),
    [(4, {}), (4, {"resumed_from_epoch": 2}), (None, {"resumed_from_epoch": 4})],
)
def test_an_arm_that_says_another_beginning_than_it_had_is_an_invalid_output(
    concluded, given, timing
):
    record = concluded(given=given, timing=timing)
    assert record.status == "invalid_output"
    assert "resumed_from_epoch" in record.message


def test_very_many_differences_are_told_by_the_first_ones(concluded):
    knobs = {f"knob{number}": "x" * 1000 for number in range(5000)}
    record = concluded(effective_config={"parameters": knobs})
    assert record.status == "configuration_differs"
    assert "; and " in record.message
    assert len(record.message) < 100_000
