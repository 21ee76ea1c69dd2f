"""A daemon that goes, hangs and comes back, and runners that die: through a socket of our own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from runner.core.errors import EngineError, EngineLostError
from runner.core.installation import state_dir
from runner.engines.daemon import connect
from runner.engines.leftovers import leftovers
from runner.hub import layout
from runner.phase.unfinished import journal
from tests.containers.conftest import COMPLETE
from tests.containers.test_docker_engine import start_in_a_runner_that_dies
from tests.phases import ROOT, SMALL

pytestmark = pytest.mark.docker

WAIT = "import os, time\nwhile not os.path.exists('/out/go'): time.sleep(.01)\n"


class Between:
    """A socket that leads to the daemon, until it is closed, or to nothing that answers.

    Questions in which ``unanswered`` stands reach the daemon, and its answers to them nobody.
    """

    def __init__(self, path, daemon):
        self.path, self._daemon = path, daemon
        self._open, self.silent, self.unanswered = [], False, None
        self.back()

    def back(self):
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen(64)
        threading.Thread(target=self._serve, args=(self._server,), daemon=True).start()

    def gone(self):
        self.path.unlink()
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open = []

    def _serve(self, server):
        with contextlib.suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._daemon)
                self._open += [near, far]
                deaf = threading.Event()
                for pair in ((near, far, True, deaf), (far, near, False, deaf)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, one, other, asks, deaf):
        with contextlib.suppress(OSError):
            while block := one.recv(1 << 16):
                if asks and self.unanswered is not None and self.unanswered in block:
                    deaf.set()
                if not self.silent and (asks or not deaf.is_set()):
                    other.sendall(block)
            other.shutdown(socket.SHUT_WR)


@pytest.fixture
def between(client, tmp_path, monkeypatch):
    daemon = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not daemon.startswith("unix://"):
        pytest.skip("the daemon has no socket on this machine")
    place = Between(tmp_path / "docker.sock", daemon.removeprefix("unix://"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{place.path}")
    return place


@pytest.fixture
def through(between, image):
    """An engine that reaches the daemon through it."""
    from runner.engines.docker import DockerEngine

    return DockerEngine(image)


def test_a_daemon_that_goes_loses_no_job_and_is_asked_again(
    through, between, make_launch, begin, finish
):
    launch = make_launch(WAIT + COMPLETE)
    handle = begin(through, launch)
    between.gone()
    for _ in range(2):
        with pytest.raises(EngineLostError, match="the Docker daemon no longer answers"):
            through.poll(handle)
    for ask in (
        lambda: through.stop(handle),
        lambda: through.adopt(handle),
        lambda: through.remove_leftovers("a run"),
        lambda: through.start(make_launch(WAIT, name="another")),
    ):
        with pytest.raises(EngineLostError):
            ask()
    with pytest.raises(EngineError, match="no Docker daemon answers"):
        through.check()
    between.back()
    assert through.poll(handle) is None
    (launch.out_dir / "go").touch()
    assert finish(through, handle).status == "succeeded"


def test_a_start_whose_answer_was_lost_is_followed_all_the_same(
    through, between, client, make_launch, finish
):
    launch = make_launch(WAIT + COMPLETE)
    between.unanswered = b"/start "
    handle = through.start(launch)
    wait_for(lambda: client.containers.get(handle.id).status == "running")
    between.gone()
    between.unanswered = None
    between.back()
    wait_for(lambda: not through._keepers[handle.id].begins)
    assert through.poll(handle) is None
    (launch.out_dir / "go").touch()
    assert finish(through, handle).status == "succeeded"


def test_a_daemon_that_hangs_is_given_up_after_its_time(
    between, image, make_launch, begin, monkeypatch
):
    from runner.engines.docker import DockerEngine

    monkeypatch.setattr("runner.engines.daemon.ANSWER_S", 3)
    engine = DockerEngine(image)
    handle = begin(engine, make_launch(WAIT))
    between.silent = True
    with pytest.raises(EngineLostError, match=r"no longer answers: .*[Tt]imed? ?out"):
        engine.poll(handle)
    between.silent = False
    between.gone()
    between.back()
    engine.stop(handle)


def test_a_container_that_was_killed_while_nobody_followed_it_says_nothing(
    engine, image, client, make_launch, finish
):
    handle = start_in_a_runner_that_dies(image, make_launch(WAIT))
    client.containers.get(handle.id).kill()
    assert engine.adopt(handle)
    outcome = finish(engine, handle)
    assert (outcome.status, outcome.ended_by) == ("interrupted", "daemon")
    assert "ended while nobody followed it" in outcome.message


def test_a_container_whose_runner_is_dead_ends_itself_at_its_time_limit(
    engine, image, client, make_launch, finish
):
    handle = start_in_a_runner_that_dies(image, make_launch(WAIT, timeout_s=1.0))
    ended = client.containers.get(handle.id).wait(timeout=60)
    assert ended["StatusCode"] == 137
    assert engine.adopt(handle)
    assert finish(engine, handle).status == "timed_out"


# --- whole runs ----------------------------------------------------------------------------------

ARM = """
import os, sys, time
print('up', flush=True)
while not os.path.exists(sys.argv[1] + '/go'): time.sleep(.02)
os.remove(sys.argv[1] + '/go')
"""
ARMS = "".join(
    f'[[arms]]\nname = "{name}"\ncommand = ["python", "-c", {json.dumps(code)}, "{{out}}"]\n'
    for name, code in {"held": ARM, "short": "print('short')"}.items()
)


@pytest.fixture
def begun(image, tmp_path):
    """A run of which one arm is on record and another waits; and what starts more processes."""
    (tmp_path / "goes.toml").write_text(SMALL.format(name="goes", epochs=1, timeout_s=300) + ARMS)
    runs = []

    def start(*words, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "runner", *words, "--out", tmp_path],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PHASEHUB_STATE": str(state_dir())} | options,
        )  # fmt: skip
        runs.append(process)
        return process

    yield start
    for process in runs:
        process.kill()
        process.wait()


def wait_for(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def told(artifacts, event, name):
    return any(
        (line.get("event"), line.get("name")) == (event, name)
        for staging in layout.all_staged(artifacts)
        for line in journal(staging)
    )


def under_way(tmp_path):
    # A container is removed after its arm is on record.
    on_record = told(tmp_path, "started", "held") and told(tmp_path, "concluded", "short")
    return on_record and len(ours(tmp_path)) == 1


def ours(tmp_path):
    return [one for one in leftovers(print) if one.state.is_relative_to(tmp_path)]


def let_go(tmp_path):
    (out,) = tmp_path.glob("goes/.staging-*/.attempts/held/*/out")
    (out / "go").touch()


def test_a_container_is_taken_over_from_a_runner_that_was_killed(begun, tmp_path):
    first = begun("run", tmp_path / "goes.toml", "--engine", "docker")
    wait_for(lambda: under_way(tmp_path))
    first.kill()
    first.wait()
    (container,) = ours(tmp_path)
    second = begun("resume")
    wait_for(lambda: told(tmp_path, "adopted", "held"))
    assert [one.name for one in ours(tmp_path)] == [container.name]
    let_go(tmp_path)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 1, said
    (hub,) = layout.find_hubs(tmp_path)
    record = layout.read(hub)
    assert {arm.name: arm.attempts for arm in record.arms} == {"held": 1, "short": 1}
    assert (hub / record.arm("held").log).read_text() == "up\n"
    assert ours(tmp_path) == []


def test_a_run_outlives_a_daemon_that_goes_for_good(begun, between, tmp_path):
    first = begun("run", tmp_path / "goes.toml", "--engine", "docker")
    wait_for(lambda: under_way(tmp_path))
    between.gone()
    _, said = first.communicate(timeout=240)
    assert first.returncode == 3
    assert "waiting for it for 60 s" in said
    assert "    phasehub resume " in said
    assert "a bug" not in said
    between.back()
    assert len(ours(tmp_path)) == 1
    second = begun("resume")
    wait_for(lambda: told(tmp_path, "adopted", "held"))
    let_go(tmp_path)
    second.communicate(timeout=120)
    assert second.returncode == 1
    assert {arm.attempts for arm in layout.read(layout.find_hubs(tmp_path)[0]).arms} == {1}


def test_a_container_of_a_dead_run_is_cleaned_and_no_other(begun, engine, make_launch, tmp_path):
    other = engine.start(make_launch(WAIT))
    first = begun("run", tmp_path / "goes.toml", "--engine", "docker")
    wait_for(lambda: under_way(tmp_path))
    alive, _ = begun("clean", "--yes").communicate(timeout=60)
    assert alive == ""
    first.send_signal(signal.SIGKILL)
    first.wait()
    (container,) = ours(tmp_path)
    listed, _ = begun("clean").communicate(timeout=60)
    assert listed.startswith(f"would remove {container.name}, a job of ")
    begun("clean", "--yes").communicate(timeout=60)
    assert ours(tmp_path) == []
    assert list((tmp_path / "goes").iterdir()) == []
    assert engine.poll(other) is None
    engine.stop(other)


def test_connect_answers_again(between):
    connect()
    between.gone()
    with pytest.raises(EngineError, match="no Docker daemon answers"):
        connect()
    between.back()
    connect()
