"""Real containers: the image of the current sources, and jobs made of a few lines of Python."""

import time
import uuid
from pathlib import Path

import pytest

from runner.core.installation import SOURCES, state_dir
from runner.engines.base import Launch, Limits
from runner.engines.images.snapshot import take

MIB = 1 << 20
MEMORY = Path("/dev/shm")
"""Where a daemon that a test starts keeps its images, which are files by the ten thousand."""
COMPLETE = "open('/out/result.json', 'w').write('{}')\n"
"""The last line of a job that says it is complete."""


@pytest.fixture(scope="module")
def client(docker_client):
    """The daemon that a file's tests run on."""
    return docker_client


@pytest.fixture(scope="session")
def code():
    """The code of this checkout, copied."""
    return take(SOURCES, state_dir())


@pytest.fixture(scope="session")
def docker_image(docker_client, code):
    """The CPU image, built once; what it is made of is kept under .phasehub for the next time."""
    from runner.engines.images.build import build

    return build("cpu", base=None, cache=state_dir(), say=print, root=code.root)


@pytest.fixture(scope="module")
def image(docker_image):
    """The image that a file's tests run in."""
    return docker_image


@pytest.fixture
def engine(image):
    from runner.engines.docker import DockerEngine

    return DockerEngine(image)


@pytest.fixture
def run_id():
    return uuid.uuid4().hex


@pytest.fixture
def make_launch(tmp_path, run_id, client):
    """A launch that runs Python code in fresh folders; nothing of its run is there afterwards."""

    def make(code: str, *, name: str = "arm", gpu_ids=(), data: Path | None = None, **bounds):
        folder = tmp_path / name
        for part in ("job", "out"):
            (folder / part).mkdir(parents=True)
        (folder / "job" / "job.json").write_text('{"schema_version": 1}')
        limits = {
            "timeout_s": 60.0,
            "memory_bytes": 256 * MIB,
            "pids": 64,
            "shm_bytes": 16 * MIB,
            "tmp_bytes": 16 * MIB,
            "disk_bytes": 256 * MIB,
            "threads": 1,
        }
        return Launch(
            name=name,
            command=("python", "-c", code, "{job}", "{out}"),
            job_dir=folder / "job",
            data_dir=data,
            out_dir=folder / "out",
            log_path=folder / "console.log",
            environment={"PHASEHUB_TEST": "1"},
            limits=Limits(**(limits | bounds)),
            gpu_ids=gpu_ids,
            labels={"phase": "hostile", "arm": name, "attempt": "1", "run": run_id},
        )

    yield make
    left = client.containers.list(all=True, filters={"label": f"phasehub.run={run_id}"})
    for container in left:
        container.remove(force=True)
    assert not left, f"containers left behind: {left}"


@pytest.fixture
def begin(client):
    """Start a job and wait until its container runs, or has run, and the engine knows of it."""

    def begin(engine, launch):
        handle = engine.start(launch)
        keeper = engine._keepers[handle.id]
        while client.containers.get(handle.id).status == "created" or keeper.begins:
            time.sleep(0.02)
        return handle

    return begin


@pytest.fixture
def finish():
    """Poll a job to its end and remove it, as the runner does."""

    def poll_to_the_end(engine, handle):
        try:
            while (outcome := engine.poll(handle)) is None:
                time.sleep(0.02)
        finally:
            engine.stop(handle)
        return outcome

    return poll_to_the_end
