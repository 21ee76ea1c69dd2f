# ruff: noqa: F401, F811 - tests and fixtures of others are imported to run here
"""The docker engine on a rootless daemon: podman's service, or Docker's, of a user who is not root.

The tests' user is root and the daemon another's, so that every job's outputs pass from one to the
other and back; its own user's jobs take the same way without the passing.
"""

import os
import pwd
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from runner.engines import holder
from runner.engines.base import PROMISES
from tests.containers.conftest import COMPLETE, MEMORY, MIB
from tests.containers.test_docker_engine import (
    test_a_stopped_job_leaves_its_log_and_outputs_and_no_container,
    test_leftovers_of_a_run_are_removed_by_its_label_and_others_are_not,
)
from tests.containers.test_hostile_arms import (
    WRITABLE,
    ran,
    test_a_job_s_inputs_are_read_only,
    test_nothing_in_tmp_can_be_executed,
    test_there_is_no_network_but_the_container_s_own_loopback,
)
from tests.faults.phase import wait_until

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can start another user's daemon"),
]

ROOTLESS_DOCKER = "/usr/share/docker.io/contrib/dockerd-rootless.sh"
USER = "phasehub-rootless"
"""A user with subordinate uids, whom .ci/run makes."""
RECIPE = """
ARG BASE_IMAGE=debian
FROM ${BASE_IMAGE} AS cpu
RUN ln -sf python3 /usr/bin/python
"""


@pytest.fixture(scope="module")
def folder():
    """A folder that the daemon's user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="phasehub-rootless-", dir=MEMORY) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def tmp_path(folder):
    place = Path(tempfile.mkdtemp(dir=folder))
    place.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def user():
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        if os.environ.get("CI"):
            pytest.fail(f"there is no user {USER}; .ci/run makes it")
        pytest.skip(f"there is no user {USER}")


@pytest.fixture(scope="module", params=["podman", "docker"])
def product(request):
    if request.param == "docker" and not Path(ROOTLESS_DOCKER).exists():
        if os.environ.get("CI"):
            pytest.fail(f"there is no {ROOTLESS_DOCKER}; .ci/run installs docker.io")
        pytest.skip("there is no script for a rootless Docker where Debian has it")
    return request.param


@pytest.fixture(scope="module")
def address(product, folder, user):
    """The socket of a daemon that the user runs, with storage of its own."""
    home = folder / product
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)
    become = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups"]
    path = f"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:{os.environ['PATH']}"
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "PATH": path}
    yield from DAEMONS[product](home, become, {"cwd": home, "env": environment})


def _started(command, socket, options):
    """The daemon, once its socket is there."""
    log = socket.with_name("log")
    with log.open("wb") as said:
        service = subprocess.Popen(
            command, stdout=said, stderr=said, start_new_session=True, **options
        )
    while not socket.exists():
        assert service.poll() is None, log.read_text()
        time.sleep(0.02)
    return service


def _podman(home, become, options):
    places = [f"--{name}={home / name}" for name in ("root", "runroot", "tmpdir")]
    podman = [*become, "podman", *places, "--storage-driver=overlay", "--cgroup-manager=cgroupfs"]
    socket = home / "podman.sock"
    serve = [*podman, "system", "service", "--time=0", f"unix://{socket}"]
    service = _started(serve, socket, options)
    try:
        yield f"unix://{socket}"
    finally:
        os.killpg(service.pid, signal.SIGKILL)  # it has a child in the user's namespace
        service.wait()
        subprocess.run([*podman, "rm", "-af"], check=True, capture_output=True, **options)
        _end_the_namespace(home)


def _end_the_namespace(home):
    """End the process that keeps the user's namespace: podman leaves it for its next call."""
    for file in home.rglob("pause.pid"):
        os.kill(int(file.read_text()), 9)


def _docker(home, become, options):
    """Docker by the script that Debian's package has for it; jobs have no network anyway."""
    socket = home / "docker.sock"
    places = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    words = [f"--{name}={home / place}" for name, place in places.items()]
    bare = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    serve = [*become, ROOTLESS_DOCKER, f"--host=unix://{socket}", *words, *bare]
    service = _started(serve, socket, options)
    try:
        yield f"unix://{socket}"
    finally:
        service.terminate()
        service.wait()


DAEMONS = {"podman": _podman, "docker": _docker}


@pytest.fixture(scope="module")
def client(docker_client, address):
    from runner.engines.daemon import connect

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        yield connect()


@pytest.fixture(scope="module")
def image(docker_client, client, folder):
    """The base with a `python`, built by the rootless daemon: it has no packages."""
    from runner.engines.images.base import choose_base
    from runner.engines.images.build import BuiltImage
    from runner.engines.images.stage import build_stage

    base = choose_base(docker_client, None, print).tags[0]
    client.images.load(docker_client.images.get(base).save(named=base))
    (folder / "Dockerfile").write_text(RECIPE)
    reference = "phasehub:cpu-rootless"
    build_stage(
        client, "cpu", reference=reference, content={}, arguments={"BASE_IMAGE": base},
        labels={}, work=folder, say=print, dockerfile=folder / "Dockerfile",
    )  # fmt: skip
    digests = ("lock", "models", "dockerfile", "packages")
    return BuiltImage(
        reference=reference, id=client.images.get(reference).id, variant="cpu", base=base,
        base_id=client.images.get(base).id, base_digests=(), python="3.11",
        **{f"{name}_sha256": "0" * 64 for name in digests},
    )  # fmt: skip


def test_what_it_cannot_keep_without_cgroups_is_said(engine, client, product):
    engine.check()
    facts = engine.describe()
    assert (facts["daemon"], facts["rootless"], facts["user"]) == (product, True, "0:0")
    assert set(facts["enforced"]) | set(facts["not_enforced"]) == PROMISES
    limited = {"memory", "pids", "swap"}
    assert {"capabilities", "disk", "files", "network", "system_calls", "time"} <= set(
        facts["enforced"]
    )
    facts_of = client.info()
    if facts_of["CgroupVersion"] == "1" or facts_of["CgroupDriver"] != "systemd":
        assert set(facts["not_enforced"]) == limited


def test_a_job_is_the_daemon_s_user_without_capabilities_and_its_outputs_are_the_caller_s(
    ran, user
):
    code = (
        "import os\nprint(os.getuid(), os.getgid())\n"
        "print(next(l for l in open('/proc/self/status') if l.startswith('CapEff')).split()[1])\n"
        "print(next(l for l in open('/proc/self/uid_map')).split()[1])\n"
        "try: os.setuid(1)\nexcept PermissionError: print('refused')\n"
    )
    outcome, log, out = ran(code + COMPLETE)
    assert outcome.status == "succeeded", log
    assert log.splitlines() == ["0 0", "0" * 16, str(user.pw_uid), "refused"]
    assert (out / "result.json").stat().st_uid == os.getuid()


def test_a_job_can_write_to_its_outputs_and_to_memory_and_nowhere_else(ran):
    """To /dev, too, 64 MiB of memory that belong to uid 0."""
    _, log, _ = ran(WRITABLE + COMPLETE)
    assert log.split() == ["/dev", "/dev/mqueue", "/dev/shm", "/out", "/tmp"]


def test_outputs_past_their_limit_end_a_job(ran):
    outcome, _, _ = ran(
        "import time\nopen('/out/hole', 'wb').truncate(1 << 30)\ntime.sleep(600)",
        disk_bytes=64 * MIB,
    )
    assert outcome.status == "out_of_disk"


def test_what_is_open_and_removed_counts_too(ran):
    code = (
        "import os, time\nfile = open('/out/x', 'wb')\nos.remove('/out/x')\n"
        "file.write(bytes(96 << 20)); file.flush()\ntime.sleep(600)"
    )
    assert ran(code, disk_bytes=64 * MIB)[0].status == "out_of_disk"


def test_a_container_is_seen_to_run_without_a_cgroup(engine, make_launch):
    """By it a killed runner's locks are held until the container has ended."""
    handle = engine.start(make_launch("import time; time.sleep(600)"))
    try:
        wait_until(lambda: holder.process_of(handle.id) is not None)
    finally:
        engine.stop(handle)
    wait_until(lambda: holder.process_of(handle.id) is None)  # conmon cleans up for a moment


def test_a_job_past_its_time_ends(ran):
    outcome, log, _ = ran("print('up', flush=True)\nimport time; time.sleep(600)", timeout_s=1.0)
    assert (outcome.status, log) == ("timed_out", "up\n")
