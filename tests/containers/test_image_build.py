"""The image: what is in it, what identifies it, and what is said when it cannot be built."""

import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

import docker
import pytest

from runner.core.errors import EngineError
from runner.core.installation import state_dir
from runner.engines.environments.locked_python import describe_python, locked_python
from runner.engines.environments.wheels import lock_path, read_lock
from runner.engines.images import buildx
from runner.engines.images.base import LOCAL_BASE, choose_base, dockerfile_base
from runner.engines.images.build import build
from runner.engines.images.stage import build_stage
from tests.containers import buildkit_alone

pytestmark = pytest.mark.docker


def in_image(client, image, script):
    """What a shell script prints in a container that has neither network nor rights."""
    container = client.containers.create(
        image.reference, ["sh", "-c", script], network_mode="none", read_only=True, cap_drop=["ALL"]
    )
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0, container.logs()
        return container.logs().decode()
    finally:
        container.remove(force=True)


def test_the_sources_in_the_image_are_the_checkout_s(client, image):
    repeated = in_image(
        client,
        image,
        "cd /opt/phasehub/models && find . -type f -not -path '*/__pycache__/*' -printf '%P\\0'"
        " | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum",
    )
    assert repeated.split()[0] == image.models_sha256


def test_only_models_and_the_packages_are_inside(client, image):
    assert in_image(client, image, "ls /opt /opt/phasehub").split() == [
        *("/opt:", "phasehub", "venv", "/opt/phasehub:", "models")
    ]
    assert (
        in_image(client, image, "ls -d /installer /wheels /opt/venv/bin/pip 2>&1 || :").count(
            "No such file"
        )
        == 3
    )


def test_the_image_s_own_user_is_not_root(client, image):
    assert in_image(client, image, "id -u; id -g").split() == ["10001", "10001"]


def test_the_packages_are_the_lock_s_and_nothing_else(client, image):
    listing = in_image(
        client,
        image,
        "python -Ic 'from importlib.metadata import distributions\n"
        "for d in distributions(): print(d.name, d.version)'",
    )
    installed = {
        (re.sub(r"[-_.]+", "-", name).lower(), version)
        for name, version in (line.split() for line in listing.splitlines())
    }
    assert installed == {(pin.name, pin.version) for pin in read_lock(lock_path("cpu"))}


def test_models_can_be_run_and_caches_are_never_checked_against_sources(client, image):
    flags = in_image(
        client,
        image,
        "python -c 'import models.config, torch, sys\n"
        "for m in (models.config, torch):\n"
        '    print(m.__cached__, int.from_bytes(open(m.__cached__, "rb").read(8)[4:], "little"))\'',
    )
    assert [line.split()[1] for line in flags.splitlines()] == ["1", "1"], "not unchecked hashes"


def test_image_and_locked_environment_hold_the_same_files(image, code):
    """Why the two engines can agree bit for bit."""
    python = locked_python("cpu", cache=state_dir(), say=print, root=code.root)
    found = describe_python(python, with_fingerprint=True)
    assert found["packages_sha256"] == image.packages_sha256


def test_an_image_that_exists_is_not_built_again(image, code):
    told = []
    first = build("cpu", base=None, cache=state_dir(), say=print, root=code.root)
    assert build("cpu", base=None, cache=state_dir(), say=told.append, root=code.root) == first
    assert not [line for line in told if line.startswith("Building")]


def test_the_packages_are_not_built_again_for_what_the_dockerfile_says_of_later_stages(
    client, image, code, tmp_path
):
    root = tmp_path / "code"
    shutil.copytree(code.root, root)
    (root / "Dockerfile").chmod(0o644)
    with (root / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("ENV PHASEHUB_TRIAL=1\n")
    told = []
    other = build("cpu", base=None, cache=state_dir(), say=told.append, root=root)
    client.images.remove(other.id, force=True)
    assert other.dockerfile_sha256 != image.dockerfile_sha256
    assert [line for line in told if line.startswith("Building")] == [f"Building {other.reference}"]
    assert other.packages_sha256 == image.packages_sha256


def test_the_tag_and_the_labels_follow_from_what_the_image_is_made_from(client, image):
    assert re.fullmatch(r"phasehub:cpu-[0-9a-f]{12}", image.reference)
    labels = client.images.get(image.reference).labels
    assert labels["phasehub.lock"] == image.lock_sha256
    assert labels["phasehub.models"] == image.models_sha256
    assert labels["phasehub.base"] == image.base_id
    assert labels["phasehub.dockerfile"] == image.dockerfile_sha256
    assert image.identity()["packages_sha256"] == image.packages_sha256


def test_an_image_that_only_bears_the_tag_is_built_again(client, image, code):
    """Whatever was given this name, its labels do not say that it is made from these sources."""
    kept = client.images.get(image.reference)
    kept.tag("phasehub-trial:kept")
    impostor = client.images.get(image.base_id)
    try:
        impostor.tag(image.reference)
        rebuilt = build("cpu", base=None, cache=state_dir(), say=print, root=code.root)
        assert rebuilt.id != impostor.id
        assert client.images.get(rebuilt.reference).labels["phasehub.models"] == code.models_sha256
    finally:
        kept.tag(image.reference)
        client.images.remove("phasehub-trial:kept")


@pytest.fixture(autouse=True, scope="module")
def no_layers_of_trials_left(client):
    yield
    client.images.prune(filters={"dangling": True, "label": "phasehub.trial"})


def trial_build(client, tmp_path, dockerfile, content=None, say=print, base=None):
    path = tmp_path / "Dockerfile"
    path.write_text(
        f"ARG BASE_IMAGE=none\nFROM ${{BASE_IMAGE}} AS trial\nLABEL phasehub.trial=1\n{dockerfile}"
    )
    base = base or choose_base(client, None, print)
    build_stage(
        client,
        "trial",
        reference="phasehub-trial:steps",
        content=content or {},
        arguments={"BASE_IMAGE": str(base.id)},
        labels={},
        work=tmp_path,
        say=say,
        dockerfile=path,
    )


def test_a_step_that_fails_is_named_with_the_end_of_its_output(client, tmp_path):
    with pytest.raises(EngineError) as failed:
        trial_build(
            client, tmp_path, "RUN true\nRUN echo about to fail && echo aloud >&2 && exit 3\n"
        )
    message = str(failed.value)
    assert message.startswith("phasehub-trial:steps cannot be built: Step 5/5 : RUN echo about")
    assert "returned a non-zero code: 3" in message
    assert "  about to fail" in message
    assert "aloud" in message
    assert "--engine process" in message
    assert [p.name for p in tmp_path.iterdir()] == ["Dockerfile"]


def test_a_build_has_no_network(client, tmp_path):
    reach = 'import socket; socket.create_connection((\\"192.0.2.1\\", 80), 5)'
    with pytest.raises(EngineError, match="Network is unreachable"):
        trial_build(client, tmp_path, f'RUN python3 -c "{reach}"\n')


def test_steps_that_take_time_are_told(client, tmp_path):
    told = []
    (tmp_path / "greeting").write_text("hello")
    trial_build(
        client,
        tmp_path,
        "COPY greeting /\nLABEL a=b\nRUN cat /greeting\n",
        {"greeting": tmp_path / "greeting"},
        told.append,
    )
    client.images.remove("phasehub-trial:steps")
    assert told == ["  Step 4/6 : COPY greeting /", "  Step 6/6 : RUN cat /greeting"]


@pytest.fixture
def buildkit(monkeypatch):
    if not buildx.is_here():
        pytest.skip("there is no docker buildx; .ci/run fetches it")
    monkeypatch.setenv("DOCKER_BUILDKIT", "1")


def test_buildkit_builds_on_the_base_and_gives_it_no_name_for_good(client, tmp_path, buildkit):
    told = []
    (tmp_path / "greeting").write_text("hello")
    base = choose_base(client, None, print)
    trial_build(
        client,
        tmp_path,
        "COPY greeting /\nLABEL a=b\nRUN grep hello /greeting\n",
        {"greeting": tmp_path / "greeting"},
        told.append,
    )
    made = client.images.get("phasehub-trial:steps")
    try:
        assert made.labels["a"] == "b"
        assert (
            made.attrs["RootFS"]["Layers"][: len(base.attrs["RootFS"]["Layers"])]
            == (base.attrs["RootFS"]["Layers"])
        )
    finally:
        client.images.remove("phasehub-trial:steps")
    assert told == ["  [2/3] COPY greeting /", "  [3/3] RUN grep hello /greeting"]
    assert not [one for one in client.images.get(base.id).tags if one.startswith(buildx.PINNED)]


def test_a_base_that_has_no_name_outlives_a_build_by_buildkit(client, tmp_path, buildkit):
    (tmp_path / "greeting").write_text("hello")
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    # Of its own content: the base of another test beside this one would be this one's.
    said = client.api.import_image(str(tmp_path / "empty.tar"), changes=f"LABEL of={tmp_path}")
    base = client.images.get(json.loads(said)["status"])
    try:
        content = {"greeting": tmp_path / "greeting"}
        trial_build(client, tmp_path, "COPY greeting /\n", content, base=base)
        client.images.remove("phasehub-trial:steps")
        assert client.images.get(base.id).id == base.id
    finally:
        client.images.remove(base.id, force=True)


def test_a_step_that_buildkit_fails_at_is_named_and_has_no_network(client, tmp_path, buildkit):
    reach = 'import socket; socket.create_connection((\\"192.0.2.1\\", 80), 5)'
    with pytest.raises(EngineError) as failed:
        trial_build(client, tmp_path, f'RUN python3 -c "{reach}"\n')
    message = str(failed.value)
    assert message.startswith("phasehub-trial:steps cannot be built: [2/2] RUN python3 -c")
    assert "Network is unreachable" in message


@pytest.fixture
def strict_daemon(client, monkeypatch):
    if os.getuid() != 0:
        pytest.skip("only root can start a second daemon")
    saved = client.images.get(LOCAL_BASE).save(named=True)
    with tempfile.TemporaryDirectory() as folder, buildkit_alone.daemon(Path(folder)) as address:
        second = docker.DockerClient(address)
        second.images.load(saved)
        monkeypatch.setenv("DOCKER_HOST", address)
        yield second
        second.close()


def test_a_daemon_that_refuses_the_classic_builder_builds_by_buildkit(
    strict_daemon, tmp_path, monkeypatch, buildkit
):
    monkeypatch.setenv("DOCKER_BUILDKIT", "0")
    refused = r"BuildKit alone builds here.* Install Docker's buildx plugin"
    with pytest.raises(EngineError, match=refused):
        trial_build(strict_daemon, tmp_path, "RUN true\n")
    monkeypatch.delenv("DOCKER_BUILDKIT")
    told = []
    trial_build(strict_daemon, tmp_path, "RUN true\n", say=told.append)
    assert strict_daemon.images.get("phasehub-trial:steps")
    assert "The daemon has no classic builder" in told[0]
    assert told[1:] == ["  [2/2] RUN true"]


@pytest.fixture
def no_choice(monkeypatch):
    monkeypatch.delenv("PHASEHUB_BASE_IMAGE", raising=False)


def test_a_base_that_is_nowhere_is_an_error_with_the_remedy(client, no_choice):
    with pytest.raises(EngineError) as missing:
        choose_base(client, "localhost:9/phasehub/no-such-base:1", print)
    message = str(missing.value)
    assert "localhost:9/phasehub/no-such-base:1 is not here and cannot be pulled" in message
    assert "`nox -s base_image` makes phasehub-base:bookworm" in message
    assert "PHASEHUB_BASE_IMAGE" in message


def test_the_manifest_s_base_comes_before_the_environment_s_and_that_before_all(
    client, image, no_choice, monkeypatch
):
    base = client.images.get(image.base_id)
    for name in ("manifest", "environment"):
        base.tag(f"phasehub-trial:{name}")
    try:
        monkeypatch.setenv("PHASEHUB_BASE_IMAGE", "phasehub-trial:environment")
        assert choose_base(client, "phasehub-trial:manifest", print).id == base.id
        client.images.remove("phasehub-trial:manifest")
        monkeypatch.setenv("PHASEHUB_BASE_IMAGE", "localhost:9/no-such-base:1")
        assert choose_base(client, "phasehub-trial:environment", print).id == base.id
        with pytest.raises(EngineError, match="no-such-base"):
            choose_base(client, None, print)
    finally:
        for name in ("manifest", "environment"):
            if client.images.list(f"phasehub-trial:{name}"):
                client.images.remove(f"phasehub-trial:{name}")


def test_a_base_made_on_this_machine_is_used_and_said_where_the_default_is_not_here(
    client, no_choice
):
    if client.images.list(dockerfile_base()) or not client.images.list(LOCAL_BASE):
        pytest.skip("this machine has the Dockerfile's default base")
    told = []
    assert LOCAL_BASE in choose_base(client, None, told.append).tags
    assert told == [
        f"Base image: {LOCAL_BASE}, made on this machine ({dockerfile_base()} is not here)"
    ]
