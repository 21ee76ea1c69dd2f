"""Events are read from a file that a hostile job writes: what is none is counted, and no more."""

import json
import os
import threading
import time

import pytest

from runner.jobs.events import BLOCK, LONGEST_LINE, MOST_BAD, EventReader, Finished, parse_event

FINISHED = b'{"event": "finished"}\n'


def line(**event):
    return json.dumps(event).encode() + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def test_only_complete_lines_are_read_and_each_once(path):
    reader = EventReader(path)
    assert reader.new() == []
    path.write_bytes(line(event="started", epochs=2) + b'{"event": "ep')
    assert [event.event for event in reader.new()] == ["started"]
    assert reader.new() == []
    with path.open("ab") as stream:
        stream.write(b'och", "epoch": 0}\n')
    (epoch,) = reader.new()
    assert (epoch.event, epoch.epoch, epoch.train_loss) == ("epoch", 0, None)
    assert reader.note is None


def test_what_is_no_event_is_passed_over_and_counted(path):
    path.write_bytes(b'not json\n[1]\n{"event": 3}\n\xff\n' + FINISHED)
    reader = EventReader(path)
    assert reader.new() == [Finished(event="finished")]
    assert reader.note == (
        "events.jsonl: 4 lines are no events, the first of them: Expecting value: line 1 column 1 "
        "(char 0)"
    )


def test_keys_that_the_contract_does_not_name_are_passed_over():
    told = b'{"event": "finished", "time": 1.5, "more": [1]}'
    assert parse_event(told) == Finished(event="finished")


POISON = {
    "null for a step": b'{"event": "step", "step": null}',
    "no step": b'{"event": "step"}',
    "a list for an epoch": b'{"event": "epoch", "epoch": [0]}',
    "a flag for a number": b'{"event": "step", "step": true}',
    "a text for a number": b'{"event": "step", "step": "3"}',
    "a fraction of a step": b'{"event": "step", "step": 1.5}',
    "a negative step": b'{"event": "step", "step": -1}',
    "a negative pace": b'{"event": "step", "step": 1, "steps_per_s": -1.0}',
    "a flag for a pace": b'{"event": "step", "step": 1, "steps_per_s": true}',
    "false for a pace": b'{"event": "step", "step": 1, "steps_per_s": false}',
    "a pace of almost nothing": b'{"event": "step", "step": 20, "steps_per_s": 1e-300}',
    "a pace beyond floats": b'{"event": "step", "step": 20, "steps_per_s": 1e400}',
    "a huge pace": b'{"event": "step", "step": 20, "steps_per_s": 1e300}',
    "infinity": b'{"event": "epoch", "epoch": 1, "train_loss": Infinity}',
    "not a number": b'{"event": "epoch", "epoch": 1, "train_loss": NaN}',
    "5,000 digits": b'{"event": "step", "step": 1' + b"0" * 5000 + b"}",
    "20 digits": b'{"event": "started", "epochs": 99999999999999999999}',
    "100,000 brackets": b"[" * 50_000,
    "a deep table": b'{"event": "stage", "stage": ' + b"[" * 500 + b"]" * 500 + b"}",
    "a key twice": b'{"event": "stage", "event": "finished"}',
    "half a character": b'{"event": "stage", "stage": "\\ud800"}',
    "no text": b'{"event": "stage", "stage": 7}',
    "an endless word": b'{"event": "stage", "stage": "' + b"x" * 1000 + b'"}',
    "an unknown event": b'{"event": "surprise"}',
    "an unknown event that steers a terminal": b'{"event": "\\u001b[2J\\u202e\\n"}',
    "no event": b"{}",
    "a null": b"null",
    "a bare NUL": b"\0",
    "no UTF-8": b'{"event": "stage", "stage": "\xff"}',
    "a byte order mark": b"\xef\xbb\xbf" + b'{"event": "finished"}',
    "an empty line": b"",
    "a long line": b'{"event": "finished", "x": "' + b"x" * LONGEST_LINE + b'"}',
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_a_poisoned_line_is_one_note_and_what_follows_is_read(path, poison):
    path.write_bytes(poison + b"\n" + FINISHED)
    reader = EventReader(path)
    assert reader.new() == [Finished(event="finished")]
    assert reader.note.startswith("events.jsonl: a line is no event: ")
    assert len(reader.note) < 600
    assert reader.note.isprintable()


def test_what_a_stage_is_called_cannot_steer_a_terminal():
    stage = parse_event(b'{"event": "stage", "stage": "fit\\u001b[2J\\u202e\\u0000"}').stage
    assert stage == "fit\ufffd\ufffd"


def test_a_line_without_end_is_one_bad_line_and_takes_no_memory(path):
    reader = EventReader(path)
    with path.open("ab", buffering=0) as stream:
        for _ in range(5):
            stream.write(b"x" * BLOCK)
            assert reader.new() == []
        stream.write(b"\n" + FINISHED)
    found = [event for _ in range(10) for event in reader.new()]
    assert found == [Finished(event="finished")]
    assert reader.note == (
        f"events.jsonl: a line is no event: is longer than {LONGEST_LINE:,} bytes"
    )


def test_a_flood_is_read_a_bounded_piece_at_a_time_and_whole_in_the_end(path):
    path.write_bytes(FINISHED * 50_000)
    reader = EventReader(path)
    numbers = []
    while found := reader.new():
        numbers.append(len(found))
    assert sum(numbers) == 50_000
    assert max(numbers) <= 1000
    assert reader.note is None


def test_after_a_thousand_bad_lines_a_file_is_not_read_any_further(path):
    path.write_bytes(b"x\n" * 5000 + FINISHED)
    reader = EventReader(path)
    assert [event for _ in range(20) for event in reader.new()] == []
    assert f"{MOST_BAD} lines are no events" in reader.note
    assert reader.note.endswith("it was not read further: it has 1000 such lines and more")


def in_time(action, at_most_s=20):
    """The result of an action, which must not wait for ever."""
    found = []
    thread = threading.Thread(target=lambda: found.append(action()), daemon=True)
    began = time.monotonic()
    thread.start()
    thread.join(at_most_s)
    assert time.monotonic() - began < at_most_s
    return found[0]


def fifo(path):
    os.mkfifo(path)


def link_to_zeros(path):
    path.symlink_to("/dev/zero")


def link_to_a_file(path):
    (path.parent / "secret").write_bytes(FINISHED)
    path.symlink_to(path.parent / "secret")


def folder(path):
    path.mkdir()


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (fifo, "events.jsonl is not a regular file"),
        (link_to_zeros, "events.jsonl is a symbolic link, and must be a file"),
        (link_to_a_file, "events.jsonl is a symbolic link, and must be a file"),
        (folder, "events.jsonl is not a regular file"),
    ],
)
def test_what_is_no_regular_file_is_not_read_and_said(path, planted, said):
    planted(path)
    reader = EventReader(path)
    assert in_time(reader.new) == []
    assert in_time(reader.new) == []
    assert reader.note == f"events.jsonl: it was not read further: {said}"


def test_a_file_that_is_exchanged_or_shortened_is_not_read_further(path):
    reader, other = EventReader(path), EventReader(path)
    path.write_bytes(FINISHED * 3)
    assert len(reader.new()) == len(other.new()) == 3
    path.write_bytes(FINISHED)
    assert reader.new() == []
    assert "was replaced or shortened" in reader.note
    (path.parent / "new").write_bytes(FINISHED * 9)
    (path.parent / "new").rename(path)
    assert other.new() == []
    assert "was replaced or shortened" in other.note
