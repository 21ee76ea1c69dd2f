"""Jobs in containers on the nodes of a real Slurm: what they see, and that nothing is left of them.

The image is the base with a `python`: it has no packages, and is loaded in seconds.
"""

import json
import os
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.core.installation import state_dir
from runner.engines.base import Launch, Limits
from runner.engines.cluster.use import QueueUse
from runner.engines.runtimes.contained import Contained, node_image
from runner.engines.runtimes.container import SUPPLIED
from runner.engines.runtimes.in_place import STAMP
from runner.engines.slurm import SlurmEngine
from runner.engines.views import view_of
from tests.faults.phase import arms, phasehub, results, wait_until
from tests.runner.conftest import TINY
from tests.slurm.cluster import missing

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

MIB = 1 << 20
RECIPE = """
ARG BASE_IMAGE=debian
FROM ${BASE_IMAGE} AS cpu
RUN ln -sf python3 /usr/bin/python
"""
LOOK = """
import json, os, pathlib, socket
def writable(place):
    try:
        (pathlib.Path(place) / "new").write_text("")
    except OSError:
        return False
    return True
status = pathlib.Path("/proc/self/status").read_text().splitlines()
found = {
    "uid": os.getuid(),
    "capabilities": next(line for line in status if line.startswith("CapEff")).split()[1],
    "bounding": next(line for line in status if line.startswith("CapBnd")).split()[1],
    "no_new_privileges": "NoNewPrivs:\\t1" in status,
    "filtered": "Seccomp:\\t2" in status,
    "network": sorted(name for _, name in socket.if_nameindex()),
    "environment": sorted(os.environ),
    "job": sorted(os.listdir("/job")),
    "writable": [place for place in ("/", "/job", "/etc", "/run", "/var/tmp", "/tmp", "/out")
                 if writable(place)],
    "processes": sum(name.isdigit() for name in os.listdir("/proc")),
}
pathlib.Path("/out/result.json").write_text(json.dumps(found))
"""
"""A job that says what it sees and may do."""
STUBBORN = """
import pathlib, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
pathlib.Path("/out/up").write_text("")
while True:
    time.sleep(1)
"""
"""A job that ends for no request."""
LISTENS = """
import pathlib, signal, sys, time
def leave(*_):
    time.sleep(0.5)
    pathlib.Path("/out/last").write_text("")
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
pathlib.Path("/out/up").write_text("")
time.sleep(60)
"""
"""A job that leaves a last word when it is asked to end."""
HOG = "import time\nheld = bytearray(1 << 30)\ntime.sleep(60)\n"  # some only look at it


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A runtime: its name, and the containers of a run on this machine."""

    name: str
    form: str = ""
    """What its image has to be named, where the runtime takes more than one."""

    def containers(self, run_id):
        if self.name == "apptainer":  # it keeps no list; the first process in each has this name
            words = ["pgrep", "--runstates=DRST", "appinit"]  # none that is dead and not reaped
            return subprocess.run(words, check=False, capture_output=True, text=True).stdout.split()
        if self.name == "oci":
            return self._of_runc("/run/phasehub-oci", run_id)
        if self.name == "slurm":
            return self._of_runc("/run/tests-oci", run_id)
        words = [self.name, "ps", "--all", "--quiet", f"--filter=label=phasehub.run={run_id}"]
        return self._said(words).split()

    def _of_runc(self, place, run_id):
        found = json.loads(self._said(["runc", "--root", place, "list", "--format=json"])) or []
        return [one["id"] for one in found if one["annotations"]["phasehub.run"] == run_id]

    @staticmethod
    def _said(words):
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout

    def forget(self, image):
        """Have no node know the image."""
        if self.name in ("apptainer", "oci", "slurm"):
            image.place.with_name(image.place.name + STAMP).unlink(missing_ok=True)
        else:
            words = [self.name, "rmi", "--force", image.built.id]
            subprocess.run(words, check=False, capture_output=True)


NOT_HERE = "Debian has Apptainer in unstable alone, and .ci/run could not fetch it"
GROUNDS = {name: Ground(name=name) for name in ("docker", "oci", "podman", "slurm")} | {
    "apptainer": Ground(name="apptainer", form="image.sif"),
    "apptainer, unpacked": Ground(name="apptainer", form="root"),
}


@pytest.fixture(scope="module")
def built(docker_client, tmp_path_factory):
    from runner.engines.environments import packages
    from runner.engines.images.base import choose_base
    from runner.engines.images.build import BuiltImage, _output_of
    from runner.engines.images.stage import build_stage

    folder = tmp_path_factory.mktemp("image")
    base = choose_base(docker_client, None, print)
    (folder / "Dockerfile").write_text(RECIPE)
    # Its own, lest a test beside this one takes it from under our containers.
    mark = uuid.uuid4().hex[:12]
    reference = f"phasehub:cpu-nodes-{mark}"
    build_stage(
        docker_client, "cpu", reference=reference, content={}, arguments={"BASE_IMAGE": base.id},
        labels={"tests": mark}, work=folder, say=print, dockerfile=folder / "Dockerfile",
    )  # fmt: skip
    script = Path(packages.__file__).read_text("utf-8")
    command = ["python", "-I", "-c", script, "--fingerprint"]
    code, said = _output_of(docker_client, reference, command)
    assert code == 0, said
    digests = dict.fromkeys(("lock_sha256", "models_sha256", "dockerfile_sha256"), "0" * 64)
    yield BuiltImage(
        reference=reference, id=docker_client.images.get(reference).id, variant="cpu",
        base="base", base_id=base.id, base_digests=(), python="3.11",
        packages_sha256=json.loads(said)["packages_sha256"], **digests,
    )  # fmt: skip
    docker_client.images.remove(reference, force=True)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module", params=sorted(GROUNDS))
def ground(request):
    one = GROUNDS[request.param]
    if one.name == "apptainer" and shutil.which("apptainer") is None:
        pytest.skip(NOT_HERE)
    return one


@pytest.fixture(scope="module")
def image(ground, built, state):
    """The image as the runtime has it; on no node, unless Docker's daemon has built it."""
    with pytest.MonkeyPatch.context() as patched:
        if ground.form == "root":  # as where the nodes have Apptainer, and this machine has none
            patched.setattr("runner.engines.runtimes.shelf.APPTAINER", "apptainer-is-not-here")
        one = node_image(ground.name, built, state, print)
    assert one.place.name == (ground.form or one.place.name)
    if ground.name != "docker":
        ground.forget(one)
    yield one
    if ground.name != "docker":
        ground.forget(one)


@pytest.fixture
def engine(cluster, ground, image):
    return engine_on(ground, image)


def engine_on(ground, image):
    use = QueueUse(options=("--partition=all",), every_s=0.5, settle_s=2.0)
    return SlurmEngine(Contained(ground.name, image), use, print)


@pytest.fixture
def run_id():
    return uuid.uuid4().hex[:12]


@pytest.fixture
def make_launch(tmp_path, run_id):
    def make(code, name="arm", **bounds):
        folder = tmp_path / name
        for part in ("job", "out"):
            (folder / part).mkdir(parents=True)
        (folder / "job" / "job.json").write_text("{}")
        limits = {
            "timeout_s": 60.0, "memory_bytes": 256 * MIB, "pids": 64, "shm_bytes": 16 * MIB,
            "tmp_bytes": 16 * MIB, "disk_bytes": 64 * MIB, "threads": 1,
        }  # fmt: skip
        return Launch(
            name=name, command=("python", "-c", code), job_dir=folder / "job", data_dir=None,
            out_dir=folder / "out", log_path=folder / "console.log",
            environment={"PHASEHUB_TEST": "1"}, limits=Limits(**(limits | bounds)),
            labels={"phase": "runtimes", "arm": name, "attempt": "1", "run": run_id},
        )  # fmt: skip

    return make


def ended(engine, handle):
    """How a job ended; it is removed then, as the runner does it."""
    outcomes = []

    def has_ended():
        outcomes[:] = filter(None, [engine.poll(handle)])
        return bool(outcomes)

    try:
        wait_until(has_ended)
    finally:
        engine.stop(handle)
    return outcomes[0]


def up(engine, launch):
    """Start a stubborn job and wait until it runs."""
    handle = engine.start(launch)
    wait_until(lambda: (launch.out_dir / "up").exists() or engine.poll(handle))
    assert (launch.out_dir / "up").exists(), launch.log_path.read_text()
    return handle


def test_a_job_is_isolated_and_its_image_is_loaded_once(engine, ground, make_launch, run_id):
    loaded = []
    for name in ("first", "second"):
        launch = make_launch(LOOK, name)
        handle = engine.start(launch)
        wait_until(lambda handle=handle: engine.poll(handle))
        supplied = json.loads((view_of(launch.out_dir) / SUPPLIED).read_text())
        loaded.append(supplied["loaded_s"] is not None)
        outcome = ended(engine, handle)
        assert outcome.status == "succeeded", (outcome, launch.log_path.read_text())
    assert loaded == [ground.name != "docker", False]
    found = json.loads((launch.out_dir / "result.json").read_text())
    if ground.name == "apptainer":  # a folder in memory, as its /tmp
        found["writable"].remove("/var/tmp")
    environment = set(found.pop("environment")) - {"HOSTNAME", "LC_CTYPE"}
    assert environment == {"HOME", "PATH", "PHASEHUB_TEST", "PYTHONUNBUFFERED"}
    assert found.pop("processes") < 5
    assert found == {
        "uid": 10001 if os.getuid() == 0 else os.getuid(),
        "capabilities": "0" * 16,
        "bounding": "0" * 16,
        "no_new_privileges": True,
        "filtered": True,
        "network": ["lo"],
        "job": ["job.json"],
        "writable": ["/tmp", "/out"],
    }
    assert {path.stat().st_uid for path in launch.out_dir.rglob("*")} == {os.getuid()}
    assert ground.containers(run_id) == []


def test_limits_end_a_job_and_leave_no_container(engine, ground, make_launch, run_id):
    late = ended(engine, engine.start(make_launch(STUBBORN, "late", timeout_s=1.0)))
    assert (late.status, late.ended_by) == ("timed_out", "time")
    greedy = ended(engine, engine.start(make_launch(HOG, "greedy", memory_bytes=64 * MIB)))
    named = ground.name in ("apptainer", "docker")  # the others' word is that it was killed
    assert greedy.status == ("out_of_memory" if named else "failed")
    assert "64 MiB" in greedy.message
    assert ground.containers(run_id) == []


def test_a_cancelled_job_leaves_no_container(cluster, engine, ground, make_launch, run_id):
    handle = up(engine, make_launch(STUBBORN))
    cluster.do("scancel", f"--name={handle.id}")
    outcome = ended(engine, handle)
    assert (outcome.status, outcome.ended_by) == ("interrupted", "cancellation")
    wait_until(lambda: ground.containers(run_id) == [])


def test_a_job_that_has_time_for_it_leaves_a_last_word(
    cluster, engine, ground, make_launch, run_id
):
    """So much time that it suffices on a machine that is busy."""
    with cluster.patient(60):
        cancelled = make_launch(LISTENS, "cancelled", stop_s=50.0)
        engine.stop(up(engine, cancelled))
        wait_until((cancelled.out_dir / "last").exists)
    signalled = make_launch(LISTENS, "signalled", stop_s=50.0)
    handle = up(engine, signalled)
    os.kill(supervisor_of(signalled), signal.SIGTERM)
    assert ended(engine, handle).status == "interrupted"
    assert (signalled.out_dir / "last").exists()
    wait_until(lambda: ground.containers(run_id) == [])


@pytest.mark.parametrize("ground", ["docker", "podman"], indirect=True)
def test_a_last_word_is_waited_for_whose_command_has_ended_before(
    engine, ground, make_launch, run_id
):
    """As the same signal may end it that asks for the job's end, before it hands signals on."""
    launch = make_launch(LISTENS, stop_s=50.0)
    handle = up(engine, launch)
    supervisor = supervisor_of(launch)
    os.kill(supervisor, signal.SIGSTOP)
    words = ["pkill", "-KILL", "--parent", str(supervisor), "-f", f"^[^ ]*{ground.name} run"]
    subprocess.run(words, check=True)
    os.kill(supervisor, signal.SIGTERM)
    os.kill(supervisor, signal.SIGCONT)
    assert ended(engine, handle).status == "interrupted"
    assert (launch.out_dir / "last").exists()
    assert ground.containers(run_id) == []


def test_what_a_killed_supervisor_leaves_is_removed_by_the_next_job(
    engine, ground, make_launch, run_id
):
    launch = make_launch(STUBBORN, "killed")
    handle = up(engine, launch)
    os.kill(supervisor_of(launch), signal.SIGKILL)
    outcome = ended(engine, handle)
    assert (outcome.status, outcome.ended_by) == ("interrupted", "supervisor")
    assert {path.stat().st_uid for path in launch.out_dir.rglob("*")} == {os.getuid()}
    assert ended(engine, engine.start(make_launch(LOOK, "next"))).status == "succeeded"
    assert ground.containers(run_id) == []


def supervisor_of(launch):
    """The process that looks after a job; its runtime's command names the same folder."""
    words = f"cluster.node import main.*{view_of(launch.out_dir)}"
    found = subprocess.run(["pgrep", "-f", words], capture_output=True, text=True, check=True)
    (number,) = found.stdout.split()
    return int(number)


@pytest.mark.parametrize("ground", sorted({*GROUNDS} - {"docker"}), indirect=True)
def test_an_image_with_other_packages_is_refused(cluster, ground, image, make_launch):
    """Docker's daemon, which has built it, has it by its content."""
    ground.forget(image)
    other = image.built.model_copy(update={"packages_sha256": "0" * 64})
    engine = engine_on(ground, replace(image, built=other))
    for name in ("first", "second"):  # it is not kept, either
        outcome = ended(engine, engine.start(make_launch(LOOK, name)))
        assert outcome.status == "could_not_start"
        assert image.built.packages_sha256 in outcome.message


@pytest.mark.parametrize("ground", ["slurm"], indirect=True)
def test_a_slurm_that_starts_no_containers_is_named(cluster, engine, make_launch):
    """It starts the step on the node instead, where it would have all that its user has."""
    conf = cluster.folder / "oci.conf"
    text = conf.read_text()
    conf.unlink()
    try:
        outcome = ended(engine, engine.start(make_launch(LOOK)))
    finally:
        conf.write_text(text)
    assert outcome.status == "could_not_start"
    assert "not in a container" in outcome.message
    assert "oci.conf" in outcome.message


SITE = """
[slurm]
partition = "all"
look_every_s = 0.5
runtime = "docker"
"""


def test_a_phase_in_containers_has_the_bits_of_this_machine(
    cluster, docker_client, tmp_path, interpreter
):
    (tmp_path / "phasehub.toml").write_text(SITE)
    (tmp_path / "tiny.toml").write_text(TINY.partition('[[arms]]\nname = "two"')[0])
    hubs = {}
    for engine, options in (("slurm", ()), ("process", ("--python", interpreter))):
        out = tmp_path / engine
        run = phasehub("run", tmp_path / "tiny.toml", "--engine", engine, "--out", out, *options)
        assert run.returncode == 0, run.stderr
        (hubs[engine],) = out.glob("tiny/2*")
    assert results(hubs["slurm"]) == results(hubs["process"])
    assert phasehub("verify", hubs["slurm"]).returncode == 0
    record = json.loads((hubs["slurm"] / "hub.json").read_text())
    facts = record["engine"]["facts"]
    assert (record["engine"]["isolated"], facts["runtime"]) == (True, "docker")
    assert facts["not_enforced"] == []
    assert facts["image"]["id"] == record["image"]["id"]
    assert arms(hubs["slurm"])["one"].status == "succeeded"
    assert list(state_dir().glob(f"node-images/{record['image']['id'][7:]}/image.tar"))


def test_a_site_s_runtime_is_tried_by_a_container(cluster, docker_client, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "phasehub").mkdir()
    (tmp_path / "phasehub" / "phasehub.toml").write_text(SITE)
    done = phasehub("site", "check")
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["runtime"] == "docker runs containers on the node; the image was there"
    kept = "no network, no capabilities, all but its outputs read-only"
    assert lines["isolation"] == f"{kept}; uid {10001 if os.getuid() == 0 else os.getuid()}"
