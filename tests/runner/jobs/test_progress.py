"""Progress: events become lines that a log file can keep, whatever a job writes."""

import json

import pytest

from runner.jobs.events import Started, StepDone, UnitDone
from runner.jobs.progress import JobProgress


def test_the_time_of_the_whole_is_told_once_when_ten_steps_are_timed():
    job = JobProgress("arm", 1000)
    assert job.update(StepDone(event="step", step=4, steps_per_s=1.0)) is None
    told = job.update(StepDone(event="step", step=19, steps_per_s=5.0))
    assert told == "arm: 1000 steps at 5 steps/s, about 0:03:20 in all"
    assert job.update(StepDone(event="step", step=30, steps_per_s=5.0)) is None


def test_an_epoch_says_losses_rate_pace_and_time_left():
    job = JobProgress("arm", 100)
    job.update(Started(event="started", epochs=4, steps_per_epoch=25))
    told = job.update(
        UnitDone(
            event="epoch",
            epoch=0,
            train_loss=0.5,
            val_loss=None,
            learning_rate=3e-4,
            steps_per_s=2.5,
        )
    )
    assert told == (
        "arm: epoch 1/4  train loss 0.5  val loss -  lr 0.0003  2.5 steps/s  0:00:30 left"
    )


def test_a_pace_of_zero_is_no_pace():
    job = JobProgress("arm", 100)
    job.update(StepDone(event="step", step=50, steps_per_s=0))
    assert job.pace() == ""


def test_a_pace_so_slow_that_no_clock_shows_it_is_told_all_the_same():
    job = JobProgress("arm", 10**12)
    told = job.update(StepDone(event="step", step=50, steps_per_s=1e-6))
    assert told.endswith("about more than 1000 days in all")
    assert job.pace() == "1e-06 steps/s  more than 1000 days left"


@pytest.mark.parametrize("total", [None, 0, 1, 10**12])
def test_the_extremes_that_the_contract_allows_can_all_be_shown(total):
    from runner.jobs.events import parse_event

    job = JobProgress("arm", total)
    extremes = (0, 10**12)
    lines = [{"event": "started", "epochs": n, "steps_per_epoch": n} for n in extremes]
    for n in extremes:
        for pace in (0, 1e-6, 1e12, None):
            lines.append({"event": "step", "step": n, "steps_per_s": pace})
            lines.append({"event": "epoch", "epoch": n, "train_loss": -1e308, "steps_per_s": pace})
    for line in lines:
        job.update(parse_event(json.dumps(line).encode()))
        assert len(job.pace()) < 100
        assert job.stage.isprintable()
