"""Jobs side by side: one that fails takes nothing along, and nothing runs on when the run ends."""

import signal
from pathlib import Path

import pytest

from models.config import Dataset
from runner.core.errors import EngineError, EngineLostError
from runner.core.interrupts import interrupts
from runner.engines.base import Handle, Outcome
from runner.jobs.attempts import lay_out
from runner.jobs.progress import PlainDisplay
from runner.jobs.schedule import LOOK_S, run_attempts
from runner.jobs.slots import Slots
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution


class ScriptedEngine:
    """An engine of this test's own: each job ends after as many polls as its script says."""

    side_by_side = None

    def __init__(self, polls, refuses=(), fails_at=None):
        self.polls, self.refuses, self.fails_at = dict(polls), refuses, fails_at
        self.running, self.most, self.stopped, self.places = set(), 0, [], {}

    def start(self, launch):
        if launch.name in self.refuses:
            raise EngineError("no room")
        self.running.add(launch.name)
        self.places[launch.name] = launch.gpu_ids
        self.most = max(self.most, len(self.running))
        return Handle(
            engine="scripted", id=launch.name, name=launch.name, log_path="", out_dir="",
            started_at=0.0, timeout_s=1.0, disk_bytes=1,
        )  # fmt: skip

    def wait(self, handles, at_most_s):
        """Nothing here ends by itself."""

    def poll(self, handle):
        if handle.name == self.fails_at:
            raise EngineError("the daemon is gone")
        self.polls[handle.name] -= 1
        if self.polls[handle.name] > 0:
            return None
        return Outcome(status="succeeded", exit_code=0, message="", started_at=0.0, ended_at=1.0)

    def stop(self, handle):
        self.stopped.append(handle.name)
        self.running.discard(handle.name)
        if handle.name == self.fails_at:
            raise EngineError("the daemon is gone")


def attempts(folder: Path, *names, device="cpu"):
    return [
        lay_out(
            Job(
                name=name,
                experiment="train",
                parameters={"dataset": Dataset().model_dump(mode="json")},
                seed=1,
                execution=PlannedExecution(device=device, threads=1, determinism="native"),
                resources=Resources(),
                command=("true",),
                environment={},
                num_parameters=None,
                steps=None,
            ),
            folder=folder / name,
            labels={},
        )
        for name in names
    ]


def run(engine, jobs, slots, ended=lambda attempt, outcome: None):
    return run_attempts(
        engine, jobs, slots=slots, shown=PlainDisplay(), journal=lambda *a, **k: None, ended=ended
    )


def test_as_many_jobs_run_side_by_side_as_there_are_slots(tmp_path):
    engine = ScriptedEngine({"a": 3, "b": 1, "c": 2})
    outcomes = run(engine, attempts(tmp_path, "a", "b", "c"), Slots(2))
    assert engine.most == 2
    assert set(outcomes) == {"a", "b", "c"}
    assert sorted(engine.stopped) == ["a", "b", "c"]


class Telling(ScriptedEngine):
    """Its jobs end while they are waited for, one at a time."""

    def __init__(self, *names):
        super().__init__(dict.fromkeys(names, 2**31))
        self.waits = []

    def wait(self, handles, at_most_s):
        self.waits.append([handle.name for handle in handles])
        assert at_most_s == LOOK_S
        self.polls[handles[-1].name] = 1


def test_what_has_ended_gives_its_slot_away_before_anything_is_waited_for(tmp_path):
    engine = Telling("a", "b", "c")
    run(engine, attempts(tmp_path, "a", "b", "c"), Slots(2))
    assert engine.waits == [["a", "b"], ["a", "c"], ["a"]]


def test_no_two_jobs_share_a_gpu_at_a_time(tmp_path):
    engine = ScriptedEngine({"a": 2, "b": 2, "c": 1})
    jobs = attempts(tmp_path, "a", "b", "c", device="cuda")
    run(engine, jobs, Slots(gpu_ids=["GPU-1", "GPU-2"], folder=tmp_path))
    assert {engine.places["a"], engine.places["b"]} == {("GPU-1",), ("GPU-2",)}
    assert engine.places["c"] in {("GPU-1",), ("GPU-2",)}


def test_a_job_that_cannot_start_takes_nothing_along(tmp_path):
    engine = ScriptedEngine({"a": 1, "c": 1}, refuses=("b",))
    outcomes = run(engine, attempts(tmp_path, "a", "b", "c"), Slots(1))
    assert {name: outcome.status for name, outcome in outcomes.items()} == {
        "a": "succeeded",
        "b": "could_not_start",
        "c": "succeeded",
    }
    assert outcomes["b"].message == "no room"


def test_an_engine_that_is_gone_ends_the_run_and_keeps_what_is_known(tmp_path):
    engine = ScriptedEngine({"a": 1, "c": 9}, fails_at="b")
    ends = {}

    def ended(attempt, outcome):
        ends[attempt.job.name] = outcome

    with pytest.raises(EngineError, match="the daemon is gone"):
        run(engine, attempts(tmp_path, "a", "b", "c"), Slots(3), ended)
    assert ends["a"].status == "succeeded"
    assert ends["b"].status == ends["c"].status == "interrupted"
    assert "the daemon is gone" in ends["c"].message
    assert engine.running == set()


def test_poisoned_events_are_a_note_on_their_job_and_end_nothing(tmp_path):
    engine = ScriptedEngine({"a": 2, "b": 9, "c": 3})
    jobs = attempts(tmp_path, "a", "b", "c")
    for attempt in jobs:
        poison = b'{"event": "step", "step": null}\n' if attempt.launch.name == "b" else b""
        good = b'{"event": "step", "step": 50, "steps_per_s": 1e-06}\n'
        (attempt.launch.out_dir / "events.jsonl").write_bytes(poison + good)
    outcomes = run(engine, jobs, Slots(3))
    assert {outcome.status for outcome in outcomes.values()} == {"succeeded"}
    assert {name: bool(outcome.notes) for name, outcome in outcomes.items()} == {
        "a": False,
        "b": True,
        "c": False,
    }
    (note,) = outcomes["b"].notes
    assert note.startswith("events.jsonl: a line is no event: step.step: ")


# --- what is cut short, lost, or taken over ------------------------------------------------------


def handle_of(name, gpu_ids=()):
    return Handle(
        engine="scripted", id=name, name=name, log_path="", out_dir="", started_at=0.0,
        timeout_s=1.0, disk_bytes=1, gpu_ids=gpu_ids,
    )  # fmt: skip


class Interrupting(ScriptedEngine):
    """Has a signal come at the first look at a job; ``then_ended`` have ended by that time."""

    def __init__(self, polls, at, then_ended=()):
        super().__init__(polls)
        self.at, self.then_ended = at, then_ended

    def poll(self, handle):
        if handle.name == self.at:
            self.at = None
            self.polls.update(dict.fromkeys(self.then_ended, 1))
            signal.raise_signal(signal.SIGTERM)
        return super().poll(handle)


def test_an_interrupt_stops_all_jobs_and_loses_none_that_has_ended(tmp_path):
    engine = Interrupting({"a": 9, "b": 9, "c": 9}, at="b", then_ended=["c"])
    ended, cut = [], []
    with pytest.raises(KeyboardInterrupt), interrupts():
        run_attempts(
            engine, attempts(tmp_path, "a", "b", "c", "d"), slots=Slots(3),
            shown=PlainDisplay(), journal=lambda *a, **k: None,
            ended=lambda attempt, outcome: ended.append((attempt.job.name, outcome.status)),
            cut_short=lambda attempt, outcome: cut.append((attempt.job.name, outcome.status)),
        )  # fmt: skip
    assert ended == [("c", "succeeded")]
    assert cut == [("a", "interrupted"), ("b", "interrupted")]
    assert sorted(engine.stopped) == ["a", "b", "c"]


def test_a_signal_while_a_job_is_collected_waits_until_it_is_on_record(tmp_path):
    engine = ScriptedEngine({"a": 1, "b": 9})
    told = []

    def ended(attempt, outcome):
        if outcome.status == "succeeded":
            signal.raise_signal(signal.SIGHUP)
        told.append((attempt.job.name, outcome.status))

    with pytest.raises(KeyboardInterrupt), interrupts():
        run(engine, attempts(tmp_path, "a", "b"), Slots(2), ended)
    assert told == [("a", "succeeded"), ("b", "interrupted")]


def test_one_job_that_cannot_be_stopped_does_not_keep_the_others(tmp_path):
    engine = ScriptedEngine({"b": 9, "c": 9}, fails_at="a")
    with pytest.raises(EngineError):
        run(engine, attempts(tmp_path, "a", "b", "c"), Slots(3))
    assert engine.stopped == ["a", "b", "c"]


class Away(ScriptedEngine):
    """Does not answer for a number of looks."""

    def __init__(self, polls, away):
        super().__init__(polls)
        self.away = away

    def poll(self, handle):
        self.away -= 1
        if self.away >= 0:
            raise EngineLostError("the daemon does not answer")
        return super().poll(handle)


def test_an_engine_that_comes_back_is_waited_for(tmp_path, capsys):
    outcomes = run(Away({"a": 2, "b": 1}, away=3), attempts(tmp_path, "a", "b"), Slots(2))
    assert [outcome.status for outcome in outcomes.values()] == ["succeeded"] * 2
    assert capsys.readouterr().err.count("waiting for it for 60 s") == 1


class AwayAtFirst(ScriptedEngine):
    """Does not answer the first questions for a start."""

    def __init__(self, polls, away):
        super().__init__(polls)
        self.away = away

    def start(self, launch):
        self.away -= 1
        if self.away >= 0:
            raise EngineLostError("the daemon does not answer")
        return super().start(launch)


def test_a_start_waits_for_an_engine_that_comes_back(tmp_path, capsys):
    told = []
    outcomes = run_attempts(
        AwayAtFirst({"a": 1, "b": 1}, away=3), attempts(tmp_path, "a", "b"), slots=Slots(2),
        shown=PlainDisplay(), journal=lambda event, **facts: told.append((event, facts["name"])),
    )  # fmt: skip
    assert [outcome.status for outcome in outcomes.values()] == ["succeeded"] * 2
    assert capsys.readouterr().err.count("waiting for it for 60 s") == 1
    assert told[:6] == [("intended", "a"), ("postponed", "a")] * 3
    assert [name for event, name in told if event == "started"] == ["a", "b"]


def test_a_start_is_given_up_with_an_engine_that_stays_away(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.jobs.schedule.PATIENCE_S", 0)
    engine = AwayAtFirst({"a": 1}, away=99)
    with pytest.raises(EngineLostError, match="does not answer"):
        run(engine, attempts(tmp_path, "a"), Slots(1))
    assert engine.running == set()


def test_the_jobs_of_an_engine_that_stays_away_are_left_to_who_takes_over(tmp_path, monkeypatch):
    monkeypatch.setattr("runner.jobs.schedule.PATIENCE_S", 0)
    engine = Away({"a": 9, "b": 9}, away=99)
    told = []
    with pytest.raises(EngineLostError, match="does not answer"):
        run(engine, attempts(tmp_path, "a", "b"), Slots(2), lambda *ended: told.append(ended))
    assert (told, engine.stopped, engine.running) == ([], [], {"a", "b"})


def test_a_job_that_runs_already_is_followed_in_its_slot_and_not_started(tmp_path):
    engine = ScriptedEngine({"a": 2, "b": 1, "c": 1})
    told = []
    outcomes = run_attempts(
        engine, attempts(tmp_path, "a", "b", "c", device="cuda"),
        slots=Slots(gpu_ids=["GPU-1", "GPU-2"], folder=tmp_path), shown=PlainDisplay(),
        journal=lambda event, **facts: told.append((event, facts["name"])),
        adopted={"a": handle_of("a", ("GPU-2",))},
    )  # fmt: skip
    assert {name: outcome.status for name, outcome in outcomes.items()} == dict.fromkeys(
        "abc", "succeeded"
    )
    assert engine.places == {"b": ("GPU-1",), "c": ("GPU-1",)}
    assert told[0] == ("adopted", "a")
    assert ("started", "a") not in told


def test_what_is_about_to_be_done_is_in_the_journal_first(tmp_path):
    told = []
    run_attempts(
        ScriptedEngine({"a": 1}), attempts(tmp_path, "a"), slots=Slots(1), shown=PlainDisplay(),
        journal=lambda event, **facts: told.append(event),
        ended=lambda attempt, outcome: told.append("collected"),
    )  # fmt: skip
    assert told == ["intended", "started", "ended", "collected", "concluded"]
