"""What an attempt leaves to go on from is kept whole, given to the next one, or not at all."""

import json
import os

import pytest

from runner.core.digest import sha256_bytes
from runner.engines.base import Launch, Limits, Outcome
from runner.jobs.attempts import Attempt
from runner.jobs.checkpoints import (
    KEPT,
    RESUME,
    drop,
    give,
    given,
    in_words,
    is_kept,
    keep_last,
    require_resumed_from,
    was_refused,
)

JOB = b'{"schema_version": 1}\n'
STATE, EVIDENCE = b"the state of a fit", b"evidence"
MUCH = 10**6


@pytest.fixture
def arm(tmp_path):
    folder = tmp_path / ".attempts" / "arm"
    folder.mkdir(parents=True)
    return folder


def begun(arm, number):
    """The folder of an attempt at the arm."""
    for part in ("job", "out"):
        (arm / str(number) / part).mkdir(parents=True)
    (arm / str(number) / "job" / "job.json").write_bytes(JOB)
    return arm / str(number)


def leave(folder, epochs, changed=None):
    """Have a checkpoint lie in a folder."""
    folder.mkdir(exist_ok=True)
    files = {f"fit_checkpoint_{epochs:06d}.pt": STATE + bytes([epochs]), "audit.pt": EVIDENCE}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    table = {
        "schema_version": 1,
        "job_sha256": sha256_bytes(JOB),
        "made_with": {"torch": "2"},
        "epochs": epochs,
        "files": [
            {"path": name, "sha256": sha256_bytes(content), "bytes": len(content)}
            for name, content in files.items()
        ],
    } | (changed or {})
    (folder / f"fit_checkpoint_{epochs:06d}.json").write_text(json.dumps(table))
    return folder / f"fit_checkpoint_{epochs:06d}.pt"


def attempt(arm, number, job=JOB):
    folder = begun(arm, number)
    bounds = {"timeout_s": 1.0, "memory_bytes": 1, "pids": 1, "shm_bytes": 1, "tmp_bytes": 1}
    launch = Launch(
        name="arm",
        command=("true",),
        job_dir=folder / "job",
        data_dir=None,
        out_dir=folder / "out",
        log_path=folder / "console.log",
        environment={},
        limits=Limits(**bounds, disk_bytes=1, threads=1),
    )
    return Attempt(job=None, number=number, launch=launch, job_sha256=sha256_bytes(job))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


WHOLE = ["audit.pt", "fit_checkpoint_000004.json", "fit_checkpoint_000004.pt"]


def test_the_last_checkpoint_of_all_attempts_is_kept_and_given_to_the_next(arm):
    leave(begun(arm, 1) / "out", 2)
    leave(begun(arm, 2) / "out", 3)
    leave(arm / "2" / "out", 4)
    assert keep_last(arm, most=MUCH) == 4
    assert names(arm / KEPT) == WHOLE
    third = attempt(arm, 3)
    assert give(third) == 4
    assert names(third.launch.job_dir / RESUME) == WHOLE
    assert given(third) == 4
    assert names(third.launch.out_dir) == []


def test_an_attempt_that_left_none_has_that_which_it_was_given(arm):
    leave(begun(arm, 1) / "out", 4)
    keep_last(arm, most=MUCH)
    second = attempt(arm, 2)
    give(second)
    drop(second)
    assert not (arm / KEPT).exists()
    leave(second.launch.out_dir, 5).write_bytes(b"torn")
    assert keep_last(arm, most=MUCH) == 4
    assert names(arm / KEPT) == WHOLE


def test_what_was_kept_stands_until_there_is_a_later_one(arm):
    leave(begun(arm, 1) / "out", 4)
    keep_last(arm, most=MUCH)
    leave(begun(arm, 2) / "out", 2)
    assert keep_last(arm, most=MUCH) == 4
    leave(arm / "2" / "out", 6)
    assert keep_last(arm, most=MUCH) == 6


def shorten(state):
    state.write_bytes(state.read_bytes()[:-1])


def flip(state):
    state.write_bytes(b"X" + state.read_bytes()[1:])


def link(state):
    state.rename(state.with_name("elsewhere"))
    state.symlink_to("elsewhere")


def pipe(state):
    state.unlink()
    os.mkfifo(state)


def cut_table(state):
    table = state.with_suffix(".json")
    table.write_text(table.read_text()[:-9])


@pytest.mark.parametrize("spoil", [shorten, flip, link, pipe, cut_table, os.unlink])
def test_of_a_torn_checkpoint_the_one_before_is_taken(arm, spoil):
    out = begun(arm, 1) / "out"
    leave(out, 4)
    spoil(leave(out, 5))
    assert keep_last(arm, most=MUCH) == 4
    assert names(arm / KEPT) == WHOLE


@pytest.mark.parametrize(
    "changed",
    [
        {"schema_version": 2},
        {"job_sha256": "0" * 64},
        {"epochs": 0},
        {"epochs": "4"},
        {"files": []},
        {"files": [{"path": "audit.pt", "sha256": sha256_bytes(EVIDENCE), "bytes": 8}] * 2},
        {"files": [{"path": "../../../secret", "sha256": sha256_bytes(b""), "bytes": 0}]},
        {"files": [{"path": "/etc/passwd", "sha256": sha256_bytes(b""), "bytes": 0}]},
    ],
)
def test_what_is_no_checkpoint_of_this_job_is_passed_over(arm, changed):
    leave(begun(arm, 1) / "out", 4, changed)
    assert keep_last(arm, most=MUCH) is None
    assert not (arm / KEPT).exists()


def test_a_checkpoint_that_is_larger_than_an_arm_may_be_is_not_kept(arm):
    leave(begun(arm, 1) / "out", 4)
    assert keep_last(arm, most=10) is None


def test_an_attempt_at_another_job_is_given_nothing(arm):
    leave(begun(arm, 1) / "out", 4)
    keep_last(arm, most=MUCH)
    other = attempt(arm, 2, job=b"other data")
    assert give(other) is None
    assert given(other) is None
    assert not (other.launch.job_dir / RESUME).exists()


def test_what_was_damaged_since_it_was_kept_is_not_given(arm):
    leave(begun(arm, 1) / "out", 4)
    keep_last(arm, most=MUCH)
    flip(arm / KEPT / "fit_checkpoint_000004.pt")
    second = attempt(arm, 2)
    assert give(second) is None
    assert is_kept(second)
    assert not (second.launch.job_dir / RESUME).exists()


def test_without_attempts_there_is_nothing(arm, tmp_path):
    assert keep_last(arm, most=MUCH) is None
    assert keep_last(tmp_path / "nowhere", most=MUCH) is None


def test_an_arm_has_to_say_that_it_went_on(arm):
    require_resumed_from({"resumed_from_epoch": 4}, 4)
    require_resumed_from({}, None)
    for told, done in (({}, 4), ({"resumed_from_epoch": 3}, 4), ({"resumed_from_epoch": 4}, None)):
        with pytest.raises(ValueError, match="resumed_from_epoch"):
            require_resumed_from(told, done)


def test_a_checkpoint_is_refused_by_a_job_that_had_one_and_will_not_begin(arm):
    leave(begun(arm, 1) / "out", 4)
    keep_last(arm, most=MUCH)
    without, with_one = attempt(arm, 2), attempt(arm, 3)
    give(with_one)
    for code, refused in ((2, True), (1, False)):
        outcome = Outcome(status="failed", exit_code=code, message="", started_at=0.0, ended_at=0.0)
        assert was_refused(with_one, outcome) == refused
        assert not was_refused(without, outcome)


def test_what_was_done_is_said_in_the_words_of_the_fit():
    assert (in_words(1), in_words(5)) == ("1 epoch", "5 epochs")
