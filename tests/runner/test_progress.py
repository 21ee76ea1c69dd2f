"""Progress: events become lines that a log file can keep, whatever a job writes."""

import json

from runner.progress import EventReader, JobProgress


def line(**event):
    return json.dumps(event).encode() + b"\n"


def test_only_complete_lines_are_read_and_each_once(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = EventReader(path)
    assert reader.new() == []
    path.write_bytes(line(event="started", epochs=2) + b'{"event": "ep')
    assert [event["event"] for event in reader.new()] == ["started"]
    assert reader.new() == []
    with path.open("ab") as stream:
        stream.write(b'och", "epoch": 0}\n')
    assert reader.new() == [{"event": "epoch", "epoch": 0}]


def test_what_is_no_event_is_passed_over(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'not json\n[1]\n{"event": 3}\n\xff\n' + line(event="finished"))
    assert EventReader(path).new() == [{"event": "finished"}]


def test_the_time_of_the_whole_is_told_once_when_ten_steps_are_timed():
    job = JobProgress("arm", 1000)
    assert job.update({"event": "step", "step": 4, "steps_per_s": 1.0}) is None
    told = job.update({"event": "step", "step": 19, "steps_per_s": 5.0})
    assert told == "arm: 1000 steps at 5 steps/s, about 0:03:20 in all"
    assert job.update({"event": "step", "step": 30, "steps_per_s": 5.0}) is None


def test_an_epoch_says_losses_rate_pace_and_time_left():
    job = JobProgress("arm", 100)
    job.update({"event": "started", "epochs": 4, "steps_per_epoch": 25})
    told = job.update(
        {
            "event": "epoch",
            "epoch": 0,
            "train_loss": 0.5,
            "val_loss": None,
            "learning_rate": 3e-4,
            "steps_per_s": 2.5,
        }
    )
    assert told == (
        "arm: epoch 1/4  train loss 0.5  val loss -  lr 0.0003  2.5 steps/s  0:00:30 left"
    )


def test_a_pace_of_zero_is_no_pace():
    job = JobProgress("arm", 100)
    job.update({"event": "step", "step": 50, "steps_per_s": 0})
    assert job.pace() == ""
