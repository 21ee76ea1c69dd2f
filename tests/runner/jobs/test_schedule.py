"""Jobs side by side: one that fails takes nothing along, and nothing runs on when the run ends."""

from pathlib import Path

import pytest

from models.config import Dataset
from runner.core.errors import EngineError
from runner.engines.base import Handle, Outcome
from runner.jobs.attempts import lay_out
from runner.jobs.progress import PlainDisplay
from runner.jobs.schedule import run_attempts
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution


class ScriptedEngine:
    """An engine of this test's own: each job ends after as many polls as its script says."""

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


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("runner.jobs.schedule.POLL_S", 0)


def run(engine, jobs, places, ended=lambda attempt, outcome: None):
    return run_attempts(
        engine, jobs, places=places, shown=PlainDisplay(), journal=lambda *a, **k: None, ended=ended
    )


def test_as_many_jobs_run_side_by_side_as_there_are_places(tmp_path):
    engine = ScriptedEngine({"a": 3, "b": 1, "c": 2})
    outcomes = run(engine, attempts(tmp_path, "a", "b", "c"), [(), ()])
    assert engine.most == 2
    assert set(outcomes) == {"a", "b", "c"}
    assert sorted(engine.stopped) == ["a", "b", "c"]


def test_no_two_jobs_share_a_gpu_at_a_time(tmp_path):
    engine = ScriptedEngine({"a": 2, "b": 2, "c": 1})
    jobs = attempts(tmp_path, "a", "b", "c", device="cuda")
    run(engine, jobs, [("GPU-1",), ("GPU-2",)])
    assert {engine.places["a"], engine.places["b"]} == {("GPU-1",), ("GPU-2",)}
    assert engine.places["c"] in {("GPU-1",), ("GPU-2",)}


def test_without_any_place_nothing_waits_for_one(tmp_path):
    engine = ScriptedEngine({"a": 1})
    with pytest.raises(ValueError, match="no place to run a"):
        run(engine, attempts(tmp_path, "a"), [])
    assert run(engine, [], []) == {}


def test_a_job_that_cannot_start_takes_nothing_along(tmp_path):
    engine = ScriptedEngine({"a": 1, "c": 1}, refuses=("b",))
    outcomes = run(engine, attempts(tmp_path, "a", "b", "c"), [()])
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
        run(engine, attempts(tmp_path, "a", "b", "c"), [(), (), ()], ended)
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
    outcomes = run(engine, jobs, [(), (), ()])
    assert {outcome.status for outcome in outcomes.values()} == {"succeeded"}
    assert {name: bool(outcome.notes) for name, outcome in outcomes.items()} == {
        "a": False,
        "b": True,
        "c": False,
    }
    (note,) = outcomes["b"].notes
    assert note.startswith("events.jsonl: a line is no event: step.step: ")
