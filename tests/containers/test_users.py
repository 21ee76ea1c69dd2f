"""Users who are not root: one of the group `docker`, and two whose runs lie side by side."""

import os
import pwd
import subprocess
import sys
import sysconfig
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.containers.conftest import MEMORY
from tests.faults.phase import (
    PLAIN,
    ROOT,
    Begun,
    light_interpreter,
    manifest,
    phasehub,
    results,
    wait_until,
)

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")

USER = "phasehub-docker"
"""A user of the group ``docker``, whom .ci/run makes."""
HELD = manifest(one=0, two="held", three=0)


@dataclass(frozen=True, kw_only=True)
class User:
    """An account, and what it takes to run phasehub as that user."""

    account: pwd.struct_passwd
    python: Path
    code: Path
    packages: Path
    home: Path

    def start(self, *words, **options):
        environment = {
            "DOCKER_HOST": os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
            "HOME": str(self.home),
            "LD_LIBRARY_PATH": str(self.python.parents[1] / "lib"),
            "PATH": os.environ["PATH"],
            "PHASEHUB_STATE": str(self.home / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{self.code}:{self.packages}",
        }
        return subprocess.Popen(
            [self.python, "-m", "runner", *words],
            user=self.account.pw_uid, group=self.account.pw_gid, umask=0o077, cwd=self.home,
            extra_groups=os.getgrouplist(self.account.pw_name, self.account.pw_gid),
            env=environment | options.pop("env", {}), stdin=subprocess.DEVNULL, **options,
        )  # fmt: skip

    def phasehub(self, *words, **env):
        """Run the command line to its end: exit status, and all that was said."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = self.start(*words, env=env, **pipes)
        said, _ = process.communicate()
        return process.returncode, said

    def not_theirs(self, folder):
        return [path for path in folder.rglob("*") if path.lstat().st_uid != self.account.pw_uid]


@pytest.fixture(scope="module")
def user():
    """The user, to whom interpreter, packages and code are shown wherever root keeps them."""
    try:
        account = pwd.getpwnam(USER)
    except KeyError:
        if os.environ.get("CI"):
            pytest.fail(f"there is no user {USER}; .ci/run makes it")
        pytest.skip(f"there is no user {USER}")
    sources = {
        "python": sys.base_prefix,
        "packages": sysconfig.get_paths()["purelib"],
        "code": ROOT,
    }
    with tempfile.TemporaryDirectory(prefix="phasehub-users-", dir=MEMORY) as name:
        folder = Path(name)
        folder.chmod(0o755)
        mounted = []
        try:
            for place, source in sources.items():
                (folder / place).mkdir()
                subprocess.run(["mount", "--bind", source, folder / place], check=True)
                mounted.append(folder / place)
            home = folder / "home"
            home.mkdir(mode=0o700)
            os.chown(home, account.pw_uid, account.pw_gid)
            version = f"python{sys.version_info.major}.{sys.version_info.minor}"
            yield User(
                account=account, python=folder / "python" / "bin" / version, home=home,
                code=folder / "code", packages=folder / "packages",
            )  # fmt: skip
        finally:
            for place in mounted:
                subprocess.run(["umount", "--lazy", place], check=True)


class InContainers(Begun):
    """A run through docker by one of the users; ``None`` is the tests' own."""

    def __init__(self, folder, by, client):
        folder.mkdir()
        self.client = client
        self.folder, self.artifacts, self.by, self.later = folder, folder / "artifacts", by, []
        (folder / "tiny.toml").write_text(HELD)
        if by is not None:
            for path in (folder, folder / "tiny.toml"):
                os.chown(path, by.account.pw_uid, by.account.pw_gid)
        self._start("run", folder / "tiny.toml", "--engine", "docker", "--out", self.artifacts)

    def _start(self, *words):
        if self.by is None:
            super()._start(*words)
        else:
            self.said = self.by.home.parent / f"{self.folder.name}-{words[0]}"
            with self.said.open("wb") as said:
                self.runner = self.by.start(*words, stdout=subprocess.DEVNULL, stderr=said)

    def reach(self):
        """Wait until the arm that is held is the only one that has not ended."""
        on_record = [told("concluded", "one"), told("concluded", "three"), told("started", "two")]
        assert self.wait_for(lambda run: all(one(run) for one in on_record)), self.said.read_text()
        wait_until(lambda: ("two", "running") in self.containers())
        return self

    def containers(self):
        """Arm and state of each container."""
        found = containers(self.client, self.folder)
        return [(one.labels["phasehub.arm"], one.status) for one in found]

    def kill(self):
        self.runner.kill()
        self.end()


def told(event, name):
    return lambda run: run.told(event, name)


@pytest.fixture
def in_containers(docker_image, docker_client):
    """What starts such runs; none goes on after the test, and neither do their containers."""
    runs = []

    def start(folder, by=None):
        runs.append(InContainers(folder, by, docker_client))
        return runs[-1]

    yield start
    for run in runs:
        run.end_all()
        for container in containers(docker_client, run.folder):
            container.remove(force=True)


def containers(client, folder):
    """Those of runs below a folder, whoever has started them."""
    labelled = {"label": "phasehub.state"}
    found = client.containers.list(all=True, filters=labelled, ignore_removed=True)
    below = f"{folder}/"
    return [one for one in found if one.labels["phasehub.state"].startswith(below)]


@pytest.mark.docker
def test_a_user_of_docker_s_group_has_what_root_has_and_it_is_theirs(
    user, in_containers, docker_client, tmp_path
):
    """Killed and resumed, sealed as it is, and cleaned away: bits as of root, owner as asked."""
    undisturbed = in_containers(tmp_path / "root").reach()
    undisturbed.let_go("two")
    assert undisturbed.end() == 1, undisturbed.said.read_text()

    run = in_containers(user.home / "killed", user).reach()
    run.kill()
    assert phasehub("clean", "--yes", "--out", run.artifacts).stdout == ""
    assert ("two", "running") in run.containers()
    run._start("resume", "--out", run.artifacts)
    assert run.wait_for(told("adopted", "two")), run.said.read_text()
    run.let_go("two")
    assert run.end() == 1, run.said.read_text()
    assert results(run.hubs[0]) == results(undisturbed.hubs[0])

    run = in_containers(user.home / "sealed", user).reach()
    run.kill()
    code, said = user.phasehub("seal", "--out", run.artifacts)
    assert (code, len(run.hubs)) == (0, 1), said

    run = in_containers(user.home / "cleaned", user).reach()
    run.kill()
    code, said = user.phasehub("clean", "--yes", "--out", run.artifacts)
    assert (code, list((run.artifacts / "tiny").iterdir())) == (0, []), said

    wait_until(lambda: containers(docker_client, user.home) == [])
    assert user.not_theirs(user.home) == []


def test_two_users_share_a_folder_of_hubs_and_leave_each_other_alone(user, tmp_path):
    shared = Path(tempfile.mkdtemp(dir=user.home.parent))
    shared.chmod(0o755)
    (shared / "artifacts").mkdir()
    (shared / "artifacts").chmod(0o1777)
    theirs = user.home / "theirs.toml"
    theirs.write_text(PLAIN.replace('name = "tiny"', 'name = "theirs"'))
    theirs.chmod(0o644)
    subprocess.run([user.python, "-m", "venv", "--without-pip", shared / "venv"], check=True)
    python = shared / "venv" / "bin" / "python"
    packages = python.parents[1] / "lib" / user.python.name / "site-packages"
    (packages / "packages.pth").write_text(f"{user.packages}\n")
    out, words = shared / "artifacts", ("--engine", "process", "--python", python)
    run = Begun(shared, light_interpreter(tmp_path / "interpreter"), HELD)
    try:
        assert run.wait_for(told("started", "two")), run.said.read_text()
        code, said = user.phasehub("status", "--out", out)
        assert (code, f"{run.staging.path} is a run of root" in said) == (0, True), said
        assert user.phasehub("resume", "--out", out)[0] == 66
        code, said = user.phasehub("resume", run.staging.path)
        assert (code, "a run of root, who alone can go on with it" in said) == (3, True), said
        assert user.phasehub("run", theirs, *words, "--out", out)[0] == 1
        run.runner.kill()
        run.end()
        for _ in ("dead", "still there"):
            assert user.phasehub("clean", "--yes", "--out", out)[0] == 0
            assert run.is_unfinished
        (hub,) = (out / "theirs").iterdir()
        assert user.not_theirs(hub) == []
        second = Begun.resumed(run)
        assert second.wait_for(told("adopted", "two")), second.said.read_text()
        run.let_go("two")
        assert second.end() == 1, second.said.read_text()
    finally:
        run.end_all()

    refused = phasehub(
        "run", theirs, *words, "--out", out,
        env=os.environ | {"PHASEHUB_STATE": str(user.home / "state")},
    )  # fmt: skip
    assert refused.returncode == 3
    assert f"{user.home}/state/code belongs to {USER}" in refused.stderr
    assert user.not_theirs(user.home / "state") == []
    no_images = {"DOCKER_HOST": "unix:///nowhere"}
    code, said = user.phasehub("clean", "--caches", "--unused-days", "0", "--yes", **no_images)
    assert (code, list((user.home / "state" / "code").glob("[!.]*"))) == (0, []), said
