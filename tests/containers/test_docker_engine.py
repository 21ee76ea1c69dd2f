"""The docker engine's life: labels, log, stop, adoption after the runner's death, refusals."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from runner.core import locks
from runner.core.errors import EngineError
from runner.engines import holder
from runner.engines.base import PROMISES, Handle
from runner.engines.containers import ending
from runner.engines.docker import STOP_S
from runner.engines.keeper import Seen
from tests.containers.conftest import COMPLETE

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]


def wait_for(condition, what, at_most_s=30):
    deadline = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def test_a_container_says_whose_it_is(engine, client, make_launch, run_id):
    handle = engine.start(make_launch("import time; time.sleep(60)"))
    container = client.containers.get(handle.id)
    labels = {key: value for key, value in container.labels.items() if key.startswith("phasehub.")}
    own = {
        f"phasehub.{key}": value
        for key, value in {"phase": "hostile", "arm": "arm", "attempt": "1", "run": run_id}.items()
    }
    assert own.items() <= labels.items()
    assert container.name.startswith("phasehub-arm-")
    engine.stop(handle)


def test_nothing_of_the_host_is_shown_but_the_job_s_folders(engine, client, make_launch, tmp_path):
    (tmp_path / "data").mkdir()
    launch = make_launch("import time; time.sleep(60)", data=tmp_path / "data")
    handle = engine.start(launch)
    attrs = client.containers.get(handle.id).attrs
    engine.stop(handle)
    mounts = {m["Destination"]: (m["Source"], m["RW"]) for m in attrs["Mounts"]}
    assert mounts == {
        "/job": (str(launch.job_dir), False),
        "/data": (str(tmp_path / "data"), False),
        "/out": (str(launch.out_dir), True),
    }
    host = attrs["HostConfig"]
    assert not host["Privileged"]
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    privileges, system_calls = host["SecurityOpt"]
    assert privileges == "no-new-privileges:true"
    assert system_calls.startswith('seccomp={"defaultAction": "SCMP_ACT_ERRNO"')
    assert host["Memory"] == host["MemorySwap"] == launch.limits.memory_bytes
    assert host["PidsLimit"] == launch.limits.pids
    assert (host["PidMode"], host["NetworkMode"]) == ("", "none")
    assert host["Init"] is True


def test_a_job_is_polled_until_it_ends_and_its_outcome_stays_until_it_is_stopped(
    engine, make_launch
):
    code = "import os, time\nwhile not os.path.exists('/out/go'): time.sleep(.01)\n"
    launch = make_launch(code + COMPLETE)
    handle = engine.start(launch)
    assert engine.poll(handle) is None
    (launch.out_dir / "go").touch()
    wait_for(lambda: engine.poll(handle), "the job's end")
    assert engine.poll(handle) == engine.poll(handle)
    assert engine.poll(handle).status == "succeeded"
    engine.stop(handle)
    engine.stop(handle)
    assert engine.poll(handle).status == "interrupted"
    assert not engine.adopt(handle)


def test_the_end_of_a_job_is_waited_for_and_not_a_time(engine, make_launch):
    """Though its console was closed before. Where nothing told of it, this would take an hour."""
    closed = "import os, time\nos.close(1); os.close(2)\nwhile not os.path.exists('/out/go'): "
    launch = make_launch(closed + "time.sleep(.01)\n" + COMPLETE)
    handle = engine.start(launch)
    assert engine.poll(handle) is None
    (launch.out_dir / "go").touch()
    engine.wait([handle], 3600)
    assert engine.poll(handle).status == "succeeded"
    engine.stop(handle)


def test_the_log_has_both_streams_and_every_byte_of_a_progress_bar(engine, make_launch, finish):
    code = (
        "import sys\n"
        "for i in range(3000):\n    sys.stdout.write(f'\\r{i}'); sys.stdout.flush()\n"
        "sys.stdout.write('\\n'); sys.stdout.flush()\n"
        "sys.stderr.buffer.write(b'caf\\xe9 \\x1b[0m\\n')\n"
    )
    launch = make_launch(code + COMPLETE)
    outcome = finish(engine, engine.start(launch))
    log = launch.log_path.read_bytes()
    assert outcome.status == "succeeded"
    assert b"caf\xe9 \x1b[0m\n" in log
    progress = log.replace(b"caf\xe9 \x1b[0m\n", b"")
    assert progress == b"".join(b"\r%d" % i for i in range(3000)) + b"\n"


def test_the_log_can_be_read_while_the_job_runs(engine, make_launch):
    launch = make_launch("print('first', flush=True)\nimport time; time.sleep(60)")
    handle = engine.start(launch)
    wait_for(lambda: b"first\n" in _bytes(launch.log_path), "the first line")
    assert engine.poll(handle) is None
    engine.stop(handle)


def _bytes(path):
    return path.read_bytes() if path.exists() else b""


LEAVES_A_LAST_WORD = f"""
import signal, sys, time
def leave(number, frame):
    time.sleep({STOP_S + 1})
    open('/out/last', 'w').close()
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
open('/out/partial', 'w').close()
time.sleep(600)
"""


def test_a_job_that_leaves_checkpoints_has_more_time_when_it_is_stopped(engine, make_launch):
    launch = make_launch(LEAVES_A_LAST_WORD, stop_s=10.0 * STOP_S)
    handle = engine.start(launch)
    wait_for((launch.out_dir / "partial").exists, "the partial output")
    engine.stop(handle)
    assert (launch.out_dir / "last").exists()


def test_a_stopped_job_leaves_its_log_and_outputs_and_no_container(engine, client, make_launch):
    code = "print('working', flush=True)\nopen('/out/partial', 'w').close()\n"
    launch = make_launch(code + "import time; time.sleep(600)")
    handle = engine.start(launch)
    wait_for((launch.out_dir / "partial").exists, "the partial output")
    began = time.monotonic()
    engine.stop(handle)
    assert time.monotonic() - began < 20
    assert launch.log_path.read_text() == "working\n"
    assert (launch.out_dir / "partial").stat().st_uid == os.getuid()
    assert client.containers.list(all=True, filters={"id": handle.id}) == []


def test_leftovers_of_a_run_are_removed_by_its_label_and_others_are_not(
    engine, client, make_launch, run_id
):
    lost = engine.start(make_launch("import time; time.sleep(600)", name="lost"))
    assert engine.remove_leftovers("another run") == []
    (name,) = engine.remove_leftovers(run_id)
    assert name.startswith("phasehub-lost-")
    assert client.containers.list(all=True, filters={"id": lost.id}) == []
    assert engine.remove_leftovers(run_id) == []
    engine.stop(lost)


START_AND_DIE = """
import json, os, sys, time
from pathlib import Path
from runner.engines.daemon import connect
from runner.engines.base import Launch, Limits
from runner.engines.docker import DockerEngine
from runner.engines.images.build import BuiltImage

told = json.loads(sys.stdin.read())
for key in ("job_dir", "out_dir", "log_path"):
    told["launch"][key] = Path(told["launch"][key])
launch = Launch(**(told["launch"] | {"limits": Limits(**told["launch"]["limits"])}))
handle = DockerEngine(BuiltImage(**told["image"])).start(launch)
while connect().containers.get(handle.id).status == "created":
    time.sleep(0.02)
print(json.dumps(vars(handle)), flush=True)
os._exit(9)
"""


def start_in_a_runner_that_dies(image, launch):
    told = {
        "image": image.identity(),
        "launch": vars(launch) | {"limits": vars(launch.limits)},
    }
    died = subprocess.run(
        [sys.executable, "-c", START_AND_DIE],
        input=json.dumps(told, default=str),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        pass_fds=launch.held,
    )
    assert died.returncode == 9, died.stderr
    return Handle(**json.loads(died.stdout))


def test_a_lock_lives_as_long_as_the_container_whatever_becomes_of_the_runner(
    engine, image, make_launch, tmp_path
):
    code = "import os, time\nwhile not os.path.exists('/out/go'): time.sleep(.01)\n"
    held = locks.take(tmp_path, "GPU-1")
    launch = replace(make_launch(code + COMPLETE), held=(held,))
    handle = start_in_a_runner_that_dies(image, launch)
    os.close(held)
    wait_for(lambda: holder.process_of(handle.id), "the container's process")
    assert locks.take(tmp_path, "GPU-1") is None
    (launch.out_dir / "go").touch()
    wait_for(lambda: engine.poll(handle), "the job's end")
    wait_for(lambda: locks.holder(tmp_path, "GPU-1") is None, "the end of the lock")
    engine.stop(handle)


def test_a_job_outlives_its_runner_and_another_runner_takes_over(
    engine, image, make_launch, finish
):
    code = (
        "import os, time\n"
        "print('before', flush=True)\n"
        "while not os.path.exists('/out/go'): time.sleep(.01)\n"
        "print('after', flush=True)\n"
    )
    launch = make_launch(code + COMPLETE)
    handle = start_in_a_runner_that_dies(image, launch)
    assert engine.adopt(handle)
    assert engine.poll(handle) is None
    (launch.out_dir / "go").touch()
    outcome = finish(engine, handle)
    assert outcome.status == "succeeded"
    assert launch.log_path.read_text() == "before\nafter\n"
    assert (launch.out_dir / "result.json").stat().st_uid == os.getuid()


def test_a_job_that_ended_while_no_runner_lived_is_judged_by_what_it_left(
    engine, image, client, make_launch, finish
):
    launch = make_launch("print('alone'); raise SystemExit(3)")
    handle = start_in_a_runner_that_dies(image, launch)
    client.containers.get(handle.id).wait()
    assert engine.adopt(handle)
    outcome = finish(engine, handle)
    assert (outcome.status, outcome.exit_code) == ("failed", 3)
    assert outcome.message == "exit status 3; the log ends with: alone"


def test_a_time_limit_that_passed_while_no_runner_lived_still_holds(
    engine, image, make_launch, finish
):
    handle = start_in_a_runner_that_dies(
        image, make_launch("import time; time.sleep(600)", timeout_s=0.5)
    )
    assert finish(engine, handle).status == "timed_out"


def test_a_container_that_someone_removed_is_an_interrupted_job(engine, client, make_launch):
    handle = engine.start(make_launch("import time; time.sleep(600)"))
    client.containers.get(handle.id).remove(force=True)
    outcome = engine.poll(handle)
    assert (outcome.status, outcome.ended_by) == ("interrupted", "removal")
    assert "removed by someone else" in outcome.message
    assert not engine.adopt(handle)


def test_a_container_that_someone_killed_is_told_apart_from_one_past_a_limit(
    engine, client, make_launch, begin, finish
):
    handle = begin(engine, make_launch("import time; time.sleep(600)"))
    client.containers.get(handle.id).kill()
    outcome = finish(engine, handle)
    assert (outcome.status, outcome.ended_by) == ("failed", "signal")
    assert outcome.message.startswith("exit status 137 (SIGKILL), which phasehub did not send: ")


def test_a_clock_that_was_set_forward_makes_no_kill_a_time_limit(
    engine, client, make_launch, begin
):
    """What the daemon says of its end is by the date; the handle's time is by nobody's clock."""
    handle = begin(engine, make_launch("import time; time.sleep(600)"))
    client.containers.get(handle.id).kill()
    wait_for(lambda: engine.poll(handle), "the end")
    attrs = client.containers.get(handle.id).attrs
    attrs["State"]["FinishedAt"] = "2999-01-01T00:00:00.000000000Z"
    found = ending(attrs, handle, Seen())
    assert (found.killed_for, found.exit_code) == (None, 137)
    engine.stop(handle)


def test_jobs_of_two_names_run_side_by_side(engine, make_launch, finish):
    wait = "import os, time\nwhile not os.path.exists('/out/go'): time.sleep(.01)\n"
    launches = [make_launch(wait + COMPLETE, name=name) for name in ("one", "two")]
    handles = [engine.start(launch) for launch in launches]
    assert [engine.poll(handle) for handle in handles] == [None, None]
    for launch in launches:
        (launch.out_dir / "go").touch()
    assert [finish(engine, handle).status for handle in handles] == ["succeeded"] * 2


def test_a_gpu_that_the_daemon_cannot_give_is_said_with_the_remedy(
    engine, client, make_launch, finish
):
    if "nvidia" in client.info()["Runtimes"]:
        pytest.skip("this daemon can give GPUs")
    launch = make_launch("pass", gpu_ids=("GPU-00000000",))
    handle = engine.start(launch)
    wait_for(lambda: engine.poll(handle), "the refusal")
    assert not engine.adopt(handle)
    outcome = finish(engine, handle)
    assert outcome.status == "could_not_start"
    assert "could not be started: could not select device driver" in outcome.message
    assert "nvidia-container-toolkit" in outcome.message
    assert "--device cpu" in outcome.message
    assert launch.out_dir.stat().st_uid == os.getuid()


def test_a_start_that_is_interrupted_leaves_nothing(engine, client, make_launch):
    """Stopped while the daemon is still asked to start it."""
    handle = engine.start(make_launch("import time; time.sleep(600)"))
    engine.stop(handle)
    assert client.containers.list(all=True, filters={"id": handle.id}) == []


def test_an_input_that_is_not_there_is_refused_and_not_made_up(engine, make_launch, tmp_path):
    launch = make_launch("pass", data=tmp_path / "nowhere")
    with pytest.raises(EngineError, match=r"could not be started: .*nowhere"):
        engine.start(launch)
    assert not (tmp_path / "nowhere").exists()
    assert launch.out_dir.stat().st_uid == os.getuid()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")
def test_a_caller_who_is_not_root_runs_as_himself(image, make_launch, finish):
    from runner.engines.docker import DockerEngine

    launch = make_launch("import os; print(os.getuid(), os.getgid())\n" + COMPLETE)
    os.chown(launch.out_dir, 4321, 8765)
    engine = DockerEngine(image, caller=(4321, 8765))
    outcome = finish(engine, engine.start(launch))
    assert outcome.status == "succeeded"
    assert launch.log_path.read_text() == "4321 8765\n"
    written = (launch.out_dir / "result.json").stat()
    assert (written.st_uid, written.st_gid) == (4321, 8765)


@pytest.mark.skipif(os.getuid() != 0, reason="only root's containers run as another user")
def test_an_input_that_root_alone_may_read_is_named_before_the_job_starts(engine, make_launch):
    launch = make_launch("pass")
    (launch.job_dir / "job.json").chmod(0o600)
    with pytest.raises(EngineError, match=r"job\.json cannot be read by other users.*umask 022"):
        engine.start(launch)


def test_the_engine_describes_what_it_enforces_and_in_which_image(engine, image):
    engine.check()
    facts = engine.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert set(facts["enforced"]) | set(facts["not_enforced"]) == PROMISES
    assert not set(facts["enforced"]) & set(facts["not_enforced"])
    assert facts["image"]["id"] == image.id
    assert re.fullmatch(r"\d+:\d+", facts["user"])
    assert not facts["user"].startswith("0:")


@pytest.mark.parametrize("host", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_a_daemon_that_is_not_there_is_an_error_with_the_remedy(engine, monkeypatch, host):
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(EngineError) as refused:
        engine.check()
    assert str(refused.value).startswith("no Docker daemon answers: ")
    assert "systemctl start docker" in str(refused.value)
    assert "--engine process" in str(refused.value)


def test_an_image_that_was_removed_is_an_error_with_the_remedy(image):
    from runner.engines.docker import DockerEngine

    engine = DockerEngine(image.model_copy(update={"reference": "phasehub:cpu-000000000000"}))
    with pytest.raises(EngineError, match="was removed; run again to build it"):
        engine.check()
