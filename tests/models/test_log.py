"""The log of an arm reads like that of a training: nothing is made up, nothing is left out."""

import json
import math

import pytest

from models.__main__ import main
from models.job import Events
from models.training.collapse_monitor import CollapseSample
from models.training.history import Epoch, changes


@pytest.fixture
def trained(workshop, capfd):
    """A job run from the command line: its log and the folder that it left."""
    parameters = workshop.parameters(train={"epochs": 3})
    out = workshop.fresh()
    assert main(["train", "--job", str(workshop.job(parameters)), "--out", str(out)]) == 0
    return capfd.readouterr().out, out


def test_it_has_every_epoch_with_losses_rate_and_pace(trained):
    log, out = trained
    history = json.loads((out / "history.json").read_text())
    lines = [line for line in log.splitlines() if "  train loss " in line]
    assert len(lines) == len(history["train_loss"]) == 3
    for number, line in enumerate(lines):
        assert f"epoch {number:>4}  train loss {history['train_loss'][number]:.5g}  " in line
        assert f"validation loss {history['val_loss'][number]:.5g}  " in line
        assert f"rate {history['learning_rate'][number]:.5g}  " in line
        assert line.endswith(" steps/s")


def test_it_says_what_is_fitted_and_what_was_written(trained):
    log, out = trained
    assert "train begins: 3 epochs of " in log
    assert "arm tiny, seed " in log
    stats = json.loads((out / "stats.json").read_text())
    assert f"{stats['num_parameters']:,} live parameters" in log
    assert f"amp: SSIM {stats['amp_ssim']}, MAE {stats['amp_mae']}" in log
    for file in json.loads((out / "result.json").read_text())["files"]:
        assert f"wrote {file['path']}, {file['bytes']:,} bytes\n" in log


def test_every_event_but_steps_is_a_line_with_its_time(tmp_path, capfd):
    with Events(tmp_path / "events.jsonl") as events:
        events.write("started", experiment="audit")
        events.write("step", epoch=0, step=3, steps_per_s=2.0)
        events.write("epoch", epoch=0, train_loss=math.nan, val_loss=0.5, learning_rate=1e-3,
                     steps_per_s=12.345)  # fmt: skip
        events.stage("evaluate")
        events.write("test", id="test_a", outcome="passed")
        events.write("finished")
    told = [line.split(" ", 2)[2] for line in capfd.readouterr().out.splitlines()]
    assert told == [
        "audit begins",
        "epoch    0  train loss nan  validation loss 0.5  rate 0.001  12.3 steps/s",
        "stage: evaluate",
        "passed: test_a",
        "all is computed",
    ]


def epoch(loss, rel_std):
    return Epoch(
        train_loss=loss, val_loss=loss, learning_rates=(1e-3,), steps=1,
        sample=CollapseSample(recon_amp_rel_std=rel_std, decoder={}),
    )  # fmt: skip


def test_what_bodes_ill_is_said_once_and_so_is_its_end():
    course = [
        epoch(0.2, 0.3), epoch(math.nan, math.nan), epoch(math.nan, math.nan), epoch(0.1, 1e-9),
        epoch(0.1, 0.2),
    ]  # fmt: skip
    told = [list(changes(course[: number + 1])) for number in range(len(course))]
    assert told == [
        [],
        [
            "a loss is not finite",
            "the amplitude of the watched patches is constant, or not finite: relative std nan",
        ],
        [],
        ["the losses are finite again"],
        ["the amplitude of the watched patches is no longer constant: relative std 0.2"],
    ]
