"""Runs that were cut short: gone on with to the same bits, taken over, sealed as they are."""

import signal
import sys
from pathlib import Path

import pytest

from runner.core.errors import EngineLostError
from runner.hub import layout
from runner.phase.unfinished import unfinished
from tests.faults.phase import (
    PLAIN,
    Begun,
    arms,
    light_interpreter,
    manifest,
    phasehub,
    remains,
    wait_until,
)
from tests.runner.conftest import AUDITED, run_phase

HELD = manifest(one=0, two="held", three=0)


def is_under_way(run):
    ended = all(run.told("concluded", name) for name in ("one", "three"))
    return ended and run.told("started", "two")


@pytest.fixture
def held(tmp_path, interpreter):
    """A run of which two arms are on record and another runs until it is let go."""
    run = Begun(tmp_path, interpreter, HELD)
    assert run.wait_for(is_under_way), run.said.read_text()
    yield run
    run.end_all()


def kill(run):
    run.runner.send_signal(signal.SIGKILL)
    run.end()


# --- what trains ---------------------------------------------------------------------------------


def test_a_killed_training_is_finished_to_the_same_bits(tmp_path):
    done = run_phase(tmp_path / "undisturbed", AUDITED)
    assert done.returncode == 0, done.stderr
    undisturbed = Path(done.stdout.splitlines()[-1])
    run = Begun(tmp_path / "killed", Path(sys.executable), AUDITED)
    # Every arm is on record, and an audit and the summary are still to come.
    both = [f".run-*/arms/{name}.json" for name in ("one", "two")]
    assert run.wait_for(lambda run: all(map(run.has, both))), "it had ended before"
    kill(run)
    (one,) = unfinished(run.artifacts)
    assert not one.alive
    assert str(one.staging.path) in phasehub("status", "--out", run.artifacts).stdout
    done = run.resume()
    assert done.returncode == 0, done.stderr
    (hub,) = run.hubs
    assert phasehub("verify", hub).returncode == 0
    compared = phasehub("diff", undisturbed, hub)
    assert compared.returncode == 0, compared.stdout


# --- taken over ----------------------------------------------------------------------------------


def test_a_job_that_still_runs_is_taken_over(held):
    kill(held)
    before = held.job_of("two").identity
    second = Begun.resumed(held)
    assert second.wait_for(lambda run: "two: taken over" in run.said.read_text())
    assert before in [one.identity for one in held.supervisors()]
    held.let_go("two")
    assert second.end() == 1, second.said.read_text()
    assert {name: arm.attempts for name, arm in arms(held.hubs[0]).items()} == {
        "one": 1,
        "two": 1,
        "three": 1,
    }
    assert remains(held.folder) == []


def test_a_job_that_ended_while_nobody_looked_is_collected(held):
    kill(held)
    held.let_go("two")
    wait_until(lambda: held.supervisors() == [])
    done = held.resume()
    assert "two: taken over" in done.stderr
    assert arms(held.hubs[0])["two"].attempts == 1
    assert "arms/two/weights" in [one.path for one in layout.read(held.hubs[0]).artifacts]


def test_a_job_of_other_inputs_is_not_taken_over(held):
    kill(held)
    (job,) = held.artifacts.glob("tiny/.staging-*/.attempts/two/*/job/job.json")
    job.write_bytes(job.read_bytes() + b"\n")
    second = Begun.resumed(held)
    assert second.wait_for(lambda run: run.has(".staging-*/.attempts/two/2/out"))
    held.let_go("two")
    assert second.end() == 1
    assert "two: taken over" not in second.said.read_text()
    assert arms(held.hubs[0])["two"].attempts == 2


def test_a_time_limit_holds_while_nobody_looks_and_is_told_afterwards(tmp_path, interpreter):
    text = HELD.replace("threads = 1", "threads = 1\ntimeout_s = 1")
    run = Begun(tmp_path, interpreter, text)
    assert run.wait_for(lambda run: run.told("started", "two"))
    kill(run)
    wait_until(lambda: run.supervisors() == [])
    assert run.resume().returncode == 1
    arm = arms(run.hubs[0])["two"]
    assert (arm.status, arm.attempts) == ("timed_out", 1)
    assert arm.started < arm.ended


# --- interrupted, and sealed as it is ------------------------------------------------------------


def test_an_interrupt_stops_the_jobs_and_says_how_to_go_on_and_how_to_seal(held):
    held.runner.send_signal(signal.SIGINT)
    assert held.end() == 130
    assert held.supervisors() == []
    path = held.staging.path
    first, *rest = held.said.read_text().rstrip().splitlines()[-4:]
    assert [first.partition("Z ")[2], *rest] == [
        "interrupted. What has ended is kept. To go on with the run:",
        f"    phasehub resume {path}",
        "To seal its hub as it is, without the rest:",
        f"    phasehub seal {path}",
    ]
    assert held.hubs == []


def test_a_run_is_sealed_as_it_is_and_says_what_was_started(held):
    held.runner.send_signal(signal.SIGINT)
    held.end()
    started = {name for name in ("one", "two", "three", "four") if held.told("intended", name)}
    done = phasehub("seal", held.staging.path)
    assert done.returncode == 0, done.stderr
    assert [done.stdout.strip()] == [str(hub) for hub in held.hubs]
    record = layout.read(held.hubs[0])
    assert record.interrupted
    assert (record.arm("one").status, record.arm("two").status) == ("invalid_output", "interrupted")
    assert {arm.name for arm in record.arms if arm.status != "not_run"} == started
    assert {arm.name for arm in record.arms if arm.attempts} == started
    assert phasehub("verify", held.hubs[0]).returncode == 0
    assert remains(held.folder) == []


def test_a_killed_run_is_sealed_as_it_is_and_its_jobs_are_stopped(held):
    kill(held)
    assert phasehub("seal", "--out", held.artifacts).returncode == 0
    assert arms(held.hubs[0])["two"].status == "interrupted"
    assert arms(held.hubs[0])["two"].message == "the run was stopped while it ran"
    assert phasehub("verify", held.hubs[0]).returncode == 0
    assert remains(held.folder) == []


def test_a_run_that_is_alive_is_neither_sealed_nor_resumed_nor_cleaned(held):
    for verb in ("seal", "resume"):
        done = phasehub(verb, held.staging.path)
        assert done.returncode == 3
        assert "executed by another process" in done.stderr
    assert phasehub("clean", "--yes", "--out", held.artifacts).stdout == ""
    held.let_go("two")
    assert held.end() == 1


def test_a_manifest_that_was_changed_keeps_from_resume_and_not_from_seal(held):
    kill(held)
    (held.folder / "tiny.toml").write_text(PLAIN)
    done = held.resume()
    assert done.returncode == 3
    assert "was changed since the run began" in done.stderr
    assert phasehub("seal", "--out", held.artifacts).returncode == 0
    assert (held.hubs[0] / "manifest.toml").read_text() == HELD


# --- cleaned -------------------------------------------------------------------------------------


def test_what_a_dead_run_has_left_is_listed_and_removed_on_request(held):
    kill(held)
    job = held.job_of("two")
    listed = phasehub("clean", "--out", held.artifacts)
    assert [line.split(",")[0] for line in listed.stdout.splitlines()] == [
        f"would remove process {job.identity}",
        f"would remove {held.staging.path}",
    ]
    assert [one.identity for one in held.supervisors()] == [job.identity]
    # From another folder of hubs it is somebody else's.
    assert phasehub("clean", "--yes", "--out", held.folder).stdout == ""
    done = phasehub("clean", "--yes", "--out", held.artifacts)
    assert [line.split(" ")[0] for line in done.stdout.splitlines()] == ["removed", "removed"]
    assert remains(held.folder) == []
    assert phasehub("clean", "--out", held.artifacts).stdout == ""


# --- beside other hubs ---------------------------------------------------------------------------


def test_a_run_that_is_compared_with_another_phase_is_resumed(tmp_path, interpreter):
    assert Begun(tmp_path, interpreter, PLAIN, name="other").end() == 1
    text = HELD.replace('stage = "stage_a"', 'stage = "stage_a"\ncompare_with = ["other"]')
    run = Begun(tmp_path, interpreter, text)
    assert run.wait_for(lambda run: run.told("started", "two"))
    kill(run)
    second = Begun.resumed(run)
    assert second.wait_for(lambda run: "two: taken over" in run.said.read_text())
    run.let_go("two")
    assert second.end() == 1, second.said.read_text()
    (hub,) = layout.find_hubs(run.artifacts, "tiny")
    assert layout.read(hub).compared
    assert phasehub("verify", hub).returncode == 0


def test_a_run_whose_engine_is_gone_is_not_sealed_without_its_rest(tmp_path):
    interpreter = light_interpreter(tmp_path / "interpreter")
    run = Begun(tmp_path, interpreter, HELD)
    try:
        assert run.wait_for(is_under_way), run.said.read_text()
        run.runner.kill()
        run.end()
        interpreter.rename(tmp_path / "elsewhere")
        done = run.resume()
        assert done.returncode == EngineLostError.exit_code, done.stderr
        assert "does not run as a Python interpreter" in done.stderr
        assert f"phasehub resume {run.staging.path}" in done.stderr
        assert (run.hubs, run.is_unfinished) == ([], True)
        (tmp_path / "elsewhere").rename(interpreter)
        run.let_go("two")
        assert run.resume().returncode == 1
        assert arms(run.hubs[0])["two"].attempts == 1
    finally:
        run.end_all()
    assert remains(tmp_path) == []
