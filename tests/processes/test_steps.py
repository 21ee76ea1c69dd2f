"""A phase whose one arm collapses, run as processes: its steps, and a diagnosis afterwards."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runner.core.installation import state_dir
from runner.hub import layout

ROOT = Path(__file__).parents[2]

PHASE = """
schema_version = 1
[phase]
name = "demo"
title = "A phase for tests"
question = "Does it look into a collapse?"
seed = 20260128
[resources]
threads = 1
timeout_s = 300
memory_gib = 1.0
[dataset]
object_size = 64
patch_size = 16
train_stride = 8
test_stride = 4
[model]
hidden_channels = 2
modes = 4
fno_blocks = 3
[train]
epochs = 4
batch_size = 10
inference_batch_size = 4
[verdict]
success = ["amp_ssim >= 0.99"]
[audit]
level = "read back"
[[arms]]
name = "slow"
train.learning_rate = 1e-5
[[arms]]
name = "dead"
train.learning_rate = 1.0
[[steps]]
name = "before"
when = "an_arm_collapses"
capture = ["activations"]
checkpoint = "before_collapse"
[[steps]]
name = "gradients"
when = "an_arm_collapses"
capture = ["gradient_histograms"]
[[steps]]
name = "failures"
when = "an_arm_misses_success"
capture = ["activations"]
checkpoint = "last"
"""


def phasehub(*words):
    return subprocess.run(
        [sys.executable, "-m", "runner", *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PHASEHUB_STATE": str(state_dir())},
    )


def diagnose(*words):
    return phasehub("diagnose", *words, "--engine", "process", "--python", sys.executable)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    (folder / "demo.toml").write_text(PHASE)
    done = phasehub(
        "run", folder / "demo.toml", "--out", folder / "artifacts",
        "--engine", "process", "--python", sys.executable,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


def zero_share(path_npz):
    """Share of elements without any gradient, by tensor."""
    with np.load(path_npz, allow_pickle=False) as arrays:
        counted = ("below", "above", "not_finite", "zero")
        sizes = arrays["counts"].sum(axis=1) + sum(arrays[name] for name in counted)
        return dict(zip(arrays["names"].tolist(), arrays["zero"] / sizes, strict=True))


def test_the_steps_are_taken_for_the_arms_that_they_speak_of(sealed):
    record = layout.read(sealed)
    assert record.arm("dead").collapse_reason.startswith("flat")
    assert {step.name: step.held for step in record.steps} == {
        "before": True,
        "gradients": True,
        "failures": True,
    }
    before, gradients, failures = record.steps
    assert [(one.arm, one.status) for one in before.captures] == [("dead", "succeeded")]
    assert [(one.arm, one.checkpoint, one.status) for one in gradients.captures] == [
        ("dead", "at_collapse", "succeeded")
    ]
    assert gradients.captures[0].epoch == record.arm("dead").collapse_epoch
    assert [one.arm for one in failures.captures] == ["slow", "dead"]
    assert failures.basis == "2 of 2 arms missed the success rules"


def test_what_a_step_made_is_in_the_hub_and_sealed(sealed):
    made = sealed / "steps" / "gradients" / "dead"
    assert {path.name for path in made.iterdir()} == {
        "console.log",
        "environment.json",
        "events.jsonl",
        "grad_hist.npz",
        "grad_hist.png",
        "job.json",
        "plots",
        "result.json",
    }
    assert layout.verify(sealed).intact
    kinds = {file.path: file.deterministic for file in layout.read(sealed).artifacts}
    assert kinds["steps/gradients/dead/grad_hist.npz"] is True
    assert kinds["steps/gradients/dead/environment.json"] is False


def test_a_step_finds_what_the_arm_itself_found(sealed):
    own = sealed / "arms" / "dead" / "grad_hist_at_collapse.npz"
    assert (sealed / "steps/gradients/dead/grad_hist.npz").read_bytes() == own.read_bytes()


def test_the_pages_say_which_steps_were_taken(sealed):
    text = (sealed / "README.md").read_text()
    assert "Step gradients: " in text
    assert "gradient histograms of dead are under steps/gradients/" in text


def test_a_diagnosis_afterwards_is_that_of_the_arm_and_leaves_the_hub_alone(sealed, tmp_path):
    listed = json.loads((sealed / "arms/dead/checkpoints.json").read_text())["checkpoints"]
    out, epoch = tmp_path / "reports", listed["at_collapse"]["epoch"]
    done = diagnose(sealed, "dead", "--checkpoint", "at_collapse", "--out", out)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]) == out
    for name in ("activation_report{}.json", "activation_profile{}.png", "grad_hist{}.npz"):
        own = sealed / "arms" / "dead" / name.format("_at_collapse")
        assert (out / "dead" / name.format("")).read_bytes() == own.read_bytes()
    record = json.loads((out / "diagnosis.json").read_text())
    assert (record["phase"], record["hub"]) == ("demo", sealed.name)
    assert (record["capture"]["checkpoint"], record["capture"]["epoch"]) == ("at_collapse", epoch)
    assert record["notes"] == []
    assert layout.verify(out).intact
    assert layout.verify(sealed).intact


def test_without_a_folder_the_reports_lie_beside_the_hubs_of_the_phase(sealed):
    done = diagnose(sealed, "slow", "--epoch", "3")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    assert folder.parent == sealed.parent / "diagnoses"
    shares = zero_share(folder / "slow" / "grad_hist.npz")
    assert all(share < 1 for name, share in shares.items() if name.startswith("encoder."))
    assert layout.find_hubs(sealed.parents[1]) == [sealed]


def test_weights_or_an_arm_that_are_not_there_are_named(sealed):
    unknown = diagnose(sealed, "dead", "--epoch", "99")
    assert unknown.returncode == 4
    assert "no checkpoint of epoch 99; stored are last (epoch 3), " in unknown.stderr
    arm = diagnose(sealed, "daed")
    assert arm.returncode == 4
    assert "has no arm 'daed'; arms are slow, dead; did you mean 'dead'?" in arm.stderr
    both = diagnose(sealed, "dead", "--epoch", "1", "--checkpoint", "last")
    assert both.returncode == 2
    assert "give --epoch or --checkpoint, not both" in both.stderr
    assert not list(sealed.parent.glob("diagnoses/.staging*"))


def test_a_folder_that_exists_is_not_written_into(sealed, tmp_path):
    done = diagnose(sealed, "dead", "--out", tmp_path)
    assert done.returncode == 3
    assert f"{tmp_path} exists already; name a folder that does not" in done.stderr


def test_a_hub_that_was_changed_is_refused(sealed, tmp_path):
    copy = tmp_path / "demo" / sealed.name
    shutil.copytree(sealed, copy)
    weights = copy / "arms" / "dead" / "model.pt"
    weights.chmod(0o644)
    weights.write_bytes(b"other weights")
    done = diagnose(copy, "dead")
    assert done.returncode == 4
    assert "changed: arms/dead/model.pt" in done.stderr
    assert not (copy.parent / "diagnoses").exists()
