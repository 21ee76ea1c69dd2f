# ruff: noqa: F401, F811 - tests and fixtures of others are imported to run here
"""The docker engine on podman's socket: what holds of Docker's daemon holds here, test by test.

Tests that are imported run as they are, with this file's daemon in place of Docker's.
"""

import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from runner.core.errors import EngineError
from runner.core.installation import state_dir
from runner.engines.base import PROMISES
from runner.engines.kernel_log import KERNEL_LOG
from runner.hub import layout
from tests import phases
from tests.containers.conftest import COMPLETE, MEMORY, MIB
from tests.containers.test_daemon_goes import (
    begun,
    test_a_container_is_taken_over_from_a_runner_that_was_killed,
)
from tests.containers.test_docker_engine import (
    test_a_job_outlives_its_runner_and_another_runner_takes_over,
    test_a_stopped_job_leaves_its_log_and_outputs_and_no_container,
    test_leftovers_of_a_run_are_removed_by_its_label_and_others_are_not,
    test_the_log_has_both_streams_and_every_byte_of_a_progress_bar,
)
from tests.containers.test_hostile_arms import (
    ran,
    test_a_job_has_neither_root_nor_capabilities_nor_a_way_to_them,
    test_an_arm_can_write_to_its_outputs_and_to_memory_and_nowhere_else,
    test_nothing_of_the_caller_s_environment_reaches_a_job,
    test_processes_past_the_limit_are_refused,
    test_system_calls_that_computing_does_not_take_are_refused,
    test_there_is_no_network_but_the_container_s_own_loopback,
)
from tests.containers.test_phase import deterministic

pytestmark = pytest.mark.docker


@dataclass(frozen=True, kw_only=True)
class Podman:
    """A service of podman's: the address of its socket, its folder, and how to call podman."""

    address: str
    folder: Path
    command: list[str]


@pytest.fixture(scope="module")
def podman():
    """Podman's service on a socket, with storage of its own."""
    if shutil.which("podman") is None:
        if os.environ.get("CI"):
            pytest.fail("there is no podman; .ci/run installs it")
        pytest.skip("there is no podman on this machine")
    folder = Path(tempfile.mkdtemp(prefix="phasehub-podman-", dir=MEMORY))
    places = [f"--{name}={folder / name}" for name in ("root", "runroot", "tmpdir")]
    command = ["podman", *places, "--cgroup-manager=cgroupfs", "--events-backend=file"]
    address = f"unix://{folder}/podman.sock"
    with (folder / "log").open("wb") as log:
        service = subprocess.Popen(
            [*command, "system", "service", "--time=0", address],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        while not (folder / "podman.sock").exists():
            assert service.poll() is None, (folder / "log").read_text()
            time.sleep(0.02)
        yield Podman(address=address, folder=folder, command=command)
    finally:
        service.kill()
        service.wait()
        subprocess.run([*command, "rm", "--all", "--force"], check=True, capture_output=True)
        subprocess.run(["umount", folder / "root" / "overlay"], check=False, capture_output=True)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def client(docker_image, podman):
    """Podman's client; ``DOCKER_HOST`` names podman's socket to every process, too."""
    from runner.engines.daemon import connect

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", podman.address)
        yield connect()


@pytest.fixture(scope="module")
def image(docker_client, docker_image, podman, client, code):
    """The CPU image, built by podman on the base and the packages that Docker's daemon has."""
    from runner.engines.images.build import build

    for name in (docker_image.base, _packages(docker_client, docker_image)):
        with subprocess.Popen([*podman.command, "load", "--quiet"], stdin=subprocess.PIPE) as load:
            for chunk in docker_client.images.get(name).save(named=name):
                load.stdin.write(chunk)
        assert load.returncode == 0
    return build("cpu", base=None, cache=state_dir(), say=print, root=code.root)


def _packages(client, image):
    """The name of the image with the packages that ``image`` lies on."""
    layers = client.images.get(image.id).attrs["RootFS"]["Layers"]
    for one in client.images.list("phasehub-environment"):
        below = one.attrs["RootFS"]["Layers"]
        if layers[: len(below)] == below:
            return one.tags[0]
    raise AssertionError("the image lies on none of its packages")


def test_podman_says_what_it_is_and_keeps_every_promise(engine):
    engine.check()
    facts = engine.describe()
    assert (facts["daemon"], facts["rootless"]) == ("podman", False)
    assert set(facts["enforced"]) | set(facts["not_enforced"]) == PROMISES
    assert facts["not_enforced"] == []


def test_the_image_is_the_same_but_for_who_built_it(image, docker_image):
    differing = {"id", "base"}
    assert image.model_dump(exclude=differing) == docker_image.model_dump(exclude=differing)
    assert image.base == f"localhost/{docker_image.base}"


def test_podman_and_processes_leave_the_same_bits(image, client, tmp_path):
    manifest = phases.write(tmp_path, '[[arms]]\nname = "only"\n')
    hubs = {}
    for engine in ("docker", "process"):
        path, code, said = phases.run(manifest, tmp_path / engine, engine=engine)
        assert code == 0, said
        assert layout.verify(path).intact
        owners = {file.lstat().st_uid for file in path.rglob("*")}
        assert owners == {os.getuid()}
        hubs[engine] = path
    assert deterministic(hubs["docker"]) == deterministic(hubs["process"]) != {}
    record = layout.read(hubs["docker"])
    assert (record.engine.isolated, record.engine.facts["daemon"]) == (True, "podman")
    assert client.containers.list(all=True) == []


def test_outputs_past_their_limit_end_a_job(ran):
    outcome, _, out = ran(
        "import time\nopen('/out/hole', 'wb').truncate(1 << 30)\ntime.sleep(600)",
        disk_bytes=64 * MIB,
    )
    assert outcome.status == "out_of_disk"
    assert (out / "hole").stat().st_uid == os.getuid()


def test_a_job_past_its_time_ends(ran):
    outcome, log, _ = ran("print('up', flush=True)\nimport time; time.sleep(600)", timeout_s=1.0)
    assert (outcome.status, log) == ("timed_out", "up\n")


def test_a_kill_for_memory_is_named_where_the_kernel_s_log_can_be_read(ran):
    """This podman does not tell of it; without the log, the message names the limit as possible."""
    outcome, _, _ = ran("held = bytearray(1 << 30)\n" + COMPLETE, memory_bytes=64 * MIB)
    assert "64 MiB" in outcome.message
    assert "resources.memory_gib" in outcome.message
    if os.access(KERNEL_LOG, os.R_OK):
        assert (outcome.status, outcome.ended_by) == ("out_of_memory", "memory")
    else:
        assert (outcome.status, outcome.ended_by) == ("failed", "signal")


def test_a_kill_by_others_is_not_taken_for_one_for_memory(ran):
    outcome, _, _ = ran("import os\nos.kill(os.getpid(), 9)\n" + COMPLETE)
    assert (outcome.status, outcome.ended_by) == ("failed", "signal")


def test_a_gpu_is_refused_before_anything_starts(engine, make_launch):
    with pytest.raises(EngineError, match="gives a container no GPU; use a Docker daemon"):
        engine.start(make_launch("pass", gpu_ids=("GPU-00000000",)))


def test_folders_that_need_a_label_are_shown_with_one(engine, make_launch, finish, tmp_path):
    """This machine has no SELinux: what podman is asked for is accepted and does no harm."""
    (tmp_path / "data").mkdir()
    engine._able = replace(engine._able, selinux=True)
    launch = make_launch(
        "import os; print(*sorted(os.listdir('/')))\n" + COMPLETE, data=tmp_path / "data"
    )
    outcome = finish(engine, engine.start(launch))
    assert outcome.status == "succeeded"
    assert {"data", "job", "out"} <= set(launch.log_path.read_text().split())
