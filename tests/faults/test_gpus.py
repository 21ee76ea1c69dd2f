"""GPUs are their jobs': whatever becomes of a runner, no second job comes onto one that is used."""

import json
import signal
import uuid

import pytest

from runner.core import locks
from tests.faults.phase import Begun, arms, manifest, remains


def on_gpu(**kinds):
    return manifest(**kinds).replace("threads = 1", "threads = 1\ngpus = 1")


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """The id of the only GPU of this machine, as a file lists it."""
    name = f"GPU-{uuid.uuid4()}"
    (tmp_path / "gpus.json").write_text(json.dumps({"gpus": [{"id": name}]}))
    monkeypatch.setenv("PHASEHUB_DEVICES", str(tmp_path / "gpus.json"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    yield name
    (locks.place().folder / f"phasehub-{name}.lock").unlink(missing_ok=True)


def test_a_gpu_stays_locked_when_its_runner_is_killed_and_is_taken_over_with_its_job(
    tmp_path, interpreter, gpu
):
    first = Begun(tmp_path / "first", interpreter, on_gpu(one="held"))
    second = None
    try:
        assert first.wait_for(lambda run: run.told("started", "one")), first.said.read_text()
        first.runner.send_signal(signal.SIGKILL)
        first.end()
        second = Begun(tmp_path / "second", interpreter, on_gpu(two=0))
        waits = f"two waits for a GPU: {gpu} is held by a job that process {first.runner.pid} has"
        assert second.wait_for(lambda run: waits in run.said.read_text()), second.said.read_text()
        third = Begun.resumed(first)
        assert third.wait_for(lambda run: "one: taken over" in run.said.read_text())
        assert not second.told("started", "two")
        first.let_go("one")
        assert (third.end(), second.end()) == (1, 1)
        ended = arms(first.hubs[0])["one"].ended
        assert arms(second.hubs[0])["two"].started >= ended
        assert arms(first.hubs[0])["one"].attempts == 1
        assert remains(first.folder) == remains(second.folder) == []
        assert locks.holder(locks.place().folder, gpu) is None
    finally:
        for run in filter(None, (first, second)):
            run.end_all()
