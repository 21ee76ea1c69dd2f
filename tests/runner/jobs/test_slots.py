"""Slots for jobs: one job on a GPU whoever asks, and locks that live as long as their jobs."""

import json
import os
import pwd
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from runner.core import locks
from runner.jobs.slots import Shares, Slots
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution

ROOT = Path(__file__).parents[3]
FIRST, SECOND = "GPU-1", "GPU-2"


def job(device="cuda", gpus=1):
    return Job(
        name="one",
        experiment="train",
        parameters={},
        seed=1,
        execution=PlannedExecution(device=device, threads=1, determinism="portable"),
        resources=Resources.model_construct(gpus=gpus),
        command=("true",),
        environment={},
        num_parameters=None,
        steps=None,
    )


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """Have a machine with two GPUs, of which so much memory is used, MiB."""

    def write(first, second):
        used = {FIRST: first, SECOND: second}
        gpus = [{"id": name, "memory_mib": 81920, "used_mib": mib} for name, mib in used.items()]
        (tmp_path / "gpus.json").write_text(json.dumps({"gpus": gpus}))

    monkeypatch.setenv("PHASEHUB_DEVICES", str(tmp_path / "gpus.json"))
    write(0, 0)
    return write


@pytest.fixture
def make(tmp_path, listed, monkeypatch):
    """Slots as a runner of its own has them, on the two GPUs; closed at the end."""
    monkeypatch.setattr("runner.jobs.slots.AGAIN_S", 0)
    made = []

    def slots(**options):
        made.append(Slots(gpu_ids=[FIRST, SECOND], folder=tmp_path, **options))
        return made[-1]

    yield slots
    for one in made:
        one.close()


def test_a_gpu_is_locked_for_a_job_and_not_for_a_run(make):
    mine, others = make(), make()
    first = mine.take(job())
    assert first.gpu_ids == (FIRST,)
    second = others.take(job())
    assert second.gpu_ids == (SECOND,)
    assert mine.take(job()) is None
    others.give_back(second)
    assert mine.take(job()).gpu_ids == (SECOND,)


def test_a_job_that_waits_for_another_run_says_for_whom(make):
    mine, others = make(), make()
    others.take(job(gpus=2))
    assert mine.take(job()) is None
    assert f"{FIRST} is held by process {os.getpid()} of " in mine.waits_for
    assert mine.waits_for.startswith("one waits for a GPU: ")
    # Behind a job of its own run it waits without a word.
    assert others.take(job()) is None
    assert others.waits_for is None


def test_a_job_has_all_of_its_gpus_or_holds_none(make):
    mine, others = make(), make()
    held = others.take(job())
    assert mine.take(job(gpus=2)) is None
    assert mine.take(job()).gpu_ids == (SECOND,)
    mine.close()
    others.give_back(held)
    assert mine.take(job(gpus=2)).gpu_ids == (FIRST, SECOND)


def test_a_gpu_whose_memory_strangers_use_is_passed_over_and_noted_once(make, listed):
    listed(40 * 1024, 300)
    notes = []
    slots = make(note=notes.append)
    slots.give_back(slots.take(job()))
    assert slots.take(job()).gpu_ids == (SECOND,)
    (note,) = notes
    assert note.startswith("GPU-1 is passed over while others use 40.0 GiB of its memory")
    listed(0, 300)
    assert slots.take(job()).gpu_ids == (FIRST,)


def test_cores_are_shared_out_beside_gpus(make):
    slots = Slots(2)
    taken = [slots.take(job("cpu")) for _ in range(3)]
    assert [one is None for one in taken] == [False, False, True]
    slots.give_back(taken[0])
    assert slots.take(job("cpu")) is not None


def shares(folder, cores=2, memory=2**40):
    return Shares(cores=cores, memory_bytes=memory, of_machine=2, folder=folder)


def test_jobs_share_cores_and_memory_and_one_can_always_run(make):
    by_cores = make(shares=shares(None, cores=1))
    assert by_cores.take(job("cpu")) is not None
    assert by_cores.take(job("cpu")) is None
    assert by_cores.take(job("cuda")) is not None
    needed = Resources().memory_bytes  # nothing is known of what it takes
    by_memory = make(shares=shares(None, memory=needed))
    assert by_memory.take(job("cpu")) is not None
    assert by_memory.take(job("cpu")) is None
    twice = make(shares=shares(None, memory=2 * needed))
    assert twice.take(job("cpu")) is not None
    assert twice.take(job("cpu")) is not None


def test_runs_on_one_machine_leave_each_other_the_cores_that_they_use(make, tmp_path):
    mine, others = make(shares=shares(tmp_path)), make(shares=shares(tmp_path))
    first, _ = others.take(job("cpu")), others.take(job("cpu"))
    assert mine.take(job("cpu")) is not None  # one always runs
    assert mine.take(job("cpu")) is None
    others.give_back(first)
    assert mine.take(job("cpu")) is not None
    assert mine.take(job("cpu")) is None


HOLD = """
import subprocess, sys
from pathlib import Path
from runner.jobs.slots import Slots
from tests.runner.jobs.test_slots import job
slot = Slots(gpu_ids=['GPU-1', 'GPU-2'], folder=Path(sys.argv[1])).take(job(gpus=int(sys.argv[2])))
wait = [sys.executable, '-c', 'import sys; sys.stdin.read()']
subprocess.Popen(wait, pass_fds=slot.locks)
print('held', flush=True)
"""


def test_a_lock_lives_as_long_as_its_job_and_not_as_its_runner(make, tmp_path):
    """The job has the lock by inheritance; the runner that took it has ended."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path), "1"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as runner:  # fmt: skip
        assert runner.stdout.readline() == "held\n"
        runner.wait()
        slots = make()
        assert slots.take(job()).gpu_ids == (SECOND,)
        assert slots.take(job()) is None
        # Who goes on with the run takes the GPU over with the job.
        slots.close()
        slots.take_over(job(), (FIRST,))
        assert slots.take(job(gpus=2)) is None
        runner.stdin.close()
        while locks.holder(tmp_path, FIRST):
            pass
    slots.close()
    assert slots.take(job(gpus=2)).gpu_ids == (FIRST, SECOND)


def test_the_locks_of_the_machine_follow_no_variable(tmp_path, monkeypatch):
    for name in ("TMPDIR", "HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    name = f"GPU-{uuid.uuid4()}"
    monkeypatch.setenv("PHASEHUB_DEVICES", str(tmp_path / "gpus.json"))
    (tmp_path / "gpus.json").write_text(json.dumps({"gpus": [{"id": name}]}))
    folder, home = locks.place().folder, pwd.getpwuid(os.getuid()).pw_dir
    assert folder in (Path("/run/lock"), Path(home, ".cache", "phasehub", "locks"))
    held = folder / f"phasehub-{name}.lock"
    slots = Slots(gpu_ids=[name])
    try:
        assert slots.take(job()) is not None
        assert held.stat().st_mode & 0o7777 == 0o644
        assert Slots(gpu_ids=[name]).take(job()) is None
    finally:
        slots.close()
        held.unlink()
    assert [path.name for path in tmp_path.iterdir()] == ["gpus.json"]
