"""A hub that was changed and sealed anew contradicts itself; every kind of change is named."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.digest import pretty_json, sha256_file
from runner.hub import layout
from runner.hub.checksums import write_checksums
from runner.verify import consistency
from runner.verify.sealed_hub import SealedHub

ROOT = Path(__file__).parents[3]


@pytest.fixture
def original(tiny_hubs):
    return tiny_hubs[0]


@pytest.fixture
def copy(tiny_copy):
    return tiny_copy


def inconsistencies(folder):
    return consistency.inconsistencies(SealedHub(folder=folder))


def rewrite(path, change):
    """Change a JSON file in place."""
    table = json.loads(path.read_bytes())
    change(table)
    path.write_bytes(pretty_json(table))


def sealed_anew(folder, *, listed=True):
    """Write the digests again, in ``hub.json`` too if ``listed``; what ``verify`` cannot see."""

    def update(record):
        for file in record["artifacts"]:
            if (folder / file["path"]).is_file():
                file["sha256"] = sha256_file(folder / file["path"])
                file["bytes"] = (folder / file["path"]).stat().st_size

    if listed:
        rewrite(folder / layout.RECORD, update)
    write_checksums(folder)
    assert layout.verify(folder).intact
    return inconsistencies(folder)


def test_a_hub_as_the_runner_seals_it_agrees_with_itself(original):
    assert inconsistencies(original) == ()


def test_the_command_line_names_the_contradiction_and_exits_with_4(copy):
    rewrite(copy / layout.RECORD, lambda record: record["arms"][0].update(collapse_epoch=99))
    sealed_anew(copy)
    done = subprocess.run(
        [sys.executable, "-m", "runner", "verify", copy],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "arm one: its collapse in hub.json are not those of its files" in done.stderr


def test_a_changed_file_that_hub_json_still_has_as_it_was(copy):
    (copy / "arms/one/model.pt").write_bytes(b"other weights")
    found = sealed_anew(copy, listed=False)
    assert "arms/one/model.pt has another digest in hub.json" in found


def test_other_weights_with_every_digest_of_the_hub_renewed(copy):
    (copy / "arms/one/model.pt").write_bytes(b"other weights")
    found = sealed_anew(copy)
    assert "arms/one/model.pt is not the file that its job left" in found
    assert "provenance.json does not name arms/one/model.pt as it is" in found
    assert "ro-crate-metadata.json does not name arms/one/model.pt as it is" in found


def test_a_better_score_in_the_statistics_of_an_arm(copy):
    rewrite(copy / "arms/one/stats.json", lambda stats: stats.update(amp_ssim=0.999))
    found = sealed_anew(copy)
    assert "arm one: its stats in hub.json are not those of its files" in found
    assert "arm one: its rules in hub.json are not those of its files" in found


def test_a_better_score_in_the_record_alone(copy):
    rewrite(copy / layout.RECORD, lambda record: record["arms"][0]["stats"].update(amp_ssim=0.999))
    found = sealed_anew(copy)
    assert "arm one: its stats in hub.json are not those of its files" in found
    assert "stage_a_metrics_tiny.json is not the table of the record's arms" in found


def test_a_checkpoint_that_an_arm_is_said_to_have_gone_on_from(copy):
    rewrite(copy / layout.RECORD, lambda record: record["arms"][0].update(resumed_from=3))
    found = sealed_anew(copy)
    assert "arm one: its checkpoint in hub.json are not those of its files" in found


def test_a_rule_that_is_said_to_hold(copy):
    rewrite(copy / layout.RECORD, lambda record: record["arms"][0]["rules"][0].update(holds=True))
    assert "arm one: its rules in hub.json are not those of its files" in sealed_anew(copy)


def test_another_seed_or_knob_than_the_plan_has(copy):
    def change(record):
        record["arms"][0]["seed"] = 8
        record["arms"][1]["parameters"]["train"]["learning_rate"] = 1e-3

    rewrite(copy / layout.RECORD, change)
    found = sealed_anew(copy)
    assert "arm one: seed differs between hub.json and plan.json" in found
    assert "arm two: parameters differs between hub.json and plan.json" in found
    assert "arms/one/job.json has other parameters or another seed than hub.json" in found
    assert "arm two: its differences from the plan in hub.json are not those of its files" in found


def test_a_plan_with_another_arm(copy):
    rewrite(copy / layout.PLAN, lambda plan: plan["arms"].pop())
    assert "arm two is not in both plan.json and hub.json" in sealed_anew(copy)


def test_a_job_that_reads_other_data(copy):
    def change(job):
        job["inputs"]["train.npz"]["sha256"] = "0" * 64

    rewrite(copy / "arms/one/job.json", change)
    found = sealed_anew(copy)
    assert "arms/one/job.json is not the job that ran" in found
    assert "arms/one/job.json reads another train.npz than the hub's dataset has" in found


def test_a_file_that_was_added_or_taken_away(copy):
    (copy / "arms/one/notes.txt").write_text("added")
    (copy / "summary.md").unlink()
    found = sealed_anew(copy)
    assert "arms/one/notes.txt is in the hub and not in hub.json" in found
    assert "summary.md is in hub.json and not in the hub" in found


def test_a_knob_that_the_live_objects_do_not_show(copy):
    def change(effective):
        effective["parameters"]["train"]["learning_rate"] = 5e-3

    rewrite(copy / "arms/one/effective_config.json", change)
    found = sealed_anew(copy)
    assert "arm one: its differences from the plan in hub.json are not those of its files" in found


def test_arms_that_are_said_to_be_identical(copy):
    def change(record):
        record["identical_arms"] = [
            {"arms": ["one", "two"], "knobs": ["seed"], "final_weights_sha256": "0" * 64}
        ]

    rewrite(copy / layout.RECORD, change)
    found = sealed_anew(copy)
    assert "hub.json names other identical arms than the weights show" in found
