"""What is read from a daemon's answers, in the words that daemons of each kind use."""

import pytest

from runner.core.errors import EngineError
from runner.engines.abilities import read
from runner.engines.accounts import UNPRIVILEGED, account
from runner.engines.base import PROMISES

ME, OTHER, ROOT = (1000, 1000), (1001, 1001), (0, 0)
LIMITED = {"memory", "pids", "swap"}
DOCKER = {"Components": [{"Name": "Engine"}, {"Name": "containerd"}]}
PODMAN = {"Components": [{"Name": "Podman Engine"}, {"Name": "Conmon"}]}
ROOTFUL = {
    "ServerVersion": "20.10.24",
    "Driver": "overlay2",
    "CgroupVersion": "1",
    "CgroupDriver": "cgroupfs",
    "Architecture": "x86_64",
    "SecurityOptions": ["name=seccomp,profile=default"],
    "Plugins": {"Log": ["awslogs", "json-file", "local"]},
    "MemoryLimit": True,
    "SwapLimit": True,
    "PidsLimit": True,
}
OF_PODMAN = ROOTFUL | {
    "ServerVersion": "4.3.1",
    "Architecture": "amd64",
    "Plugins": {"Log": ["k8s-file", "none", "passthrough", "journald"]},
}
HANDED_OVER = {"Rootless": True, "CgroupVersion": "2", "CgroupDriver": "systemd"}
ROOTLESS = ["name=seccomp,profile=default", "name=rootless"]


def test_docker_of_root_keeps_everything():
    able = read(ROOTFUL, DOCKER)
    assert (able.product, able.rootless, able.log.type) == ("docker", False, "local")
    assert able.enforced == PROMISES
    assert (able.ulimits, able.closed, able.command(["true"])) == ([], {}, ["true"])


def test_podman_of_root_keeps_everything_in_ways_of_its_own():
    able = read(OF_PODMAN, PODMAN, ["memory", "pids", "cpu"])
    assert (able.product, able.log.type, able.profiles_for) == ("podman", "k8s-file", "x86_64")
    assert able.enforced == PROMISES
    assert {one["Name"] for one in able.ulimits} == {"nofile", "nproc"}


@pytest.mark.parametrize(
    ("info", "version", "controllers", "broken"),
    [
        (ROOTFUL | {"SecurityOptions": ROOTLESS, "CgroupDriver": "none"}, DOCKER, None, LIMITED),
        (ROOTFUL | HANDED_OVER | {"SecurityOptions": ROOTLESS}, DOCKER, None, set()),
        # Podman's own flags tell of the machine, not of what a user may do on it.
        (OF_PODMAN | {"Rootless": True}, PODMAN, [], LIMITED),
        (OF_PODMAN | HANDED_OVER, PODMAN, ["pids"], {"memory", "swap"}),
        # Without systemd it starts a container in its own cgroup, whatever limits it was asked for.
        (
            OF_PODMAN | HANDED_OVER | {"CgroupDriver": "cgroupfs"},
            PODMAN, ["cpu", "memory", "pids"], LIMITED,
        ),
        (ROOTFUL | {"SwapLimit": False}, DOCKER, None, {"swap"}),
        (ROOTFUL | {"SecurityOptions": []}, DOCKER, None, {"system_calls"}),
        (ROOTFUL | {"Architecture": "riscv64"}, DOCKER, None, {"system_calls"}),
    ],
)  # fmt: skip
def test_what_a_daemon_cannot_keep_is_no_promise(info, version, controllers, broken):
    able = read(info, version, controllers)
    assert able.enforced == PROMISES - broken
    assert able.describe()["not_enforced"] == sorted(broken)


def test_a_daemon_that_keeps_no_console_or_maps_users_is_refused():
    with pytest.raises(EngineError, match="none of the log drivers local, k8s-file"):
        read(ROOTFUL | {"Plugins": {"Log": ["syslog"]}}, DOCKER)
    with pytest.raises(EngineError, match=r"remapping users.*rootless one"):
        read(ROOTFUL | {"SecurityOptions": ["name=userns"]}, DOCKER)


@pytest.mark.parametrize(
    ("caller", "rootless", "owner", "inside", "outside"),
    [
        (ME, False, ROOT, ME, ME),
        (ROOT, False, ROOT, UNPRIVILEGED, UNPRIVILEGED),
        (ME, True, ME, ROOT, ME),
        (ME, True, None, ROOT, ME),
        (ROOT, True, ME, ROOT, ME),
    ],
)
def test_outputs_belong_to_the_caller(caller, rootless, owner, inside, outside):
    found = account(caller, rootless=rootless, owner=owner)
    assert (found.inside, found.outside) == (inside, outside)


def test_the_rootless_daemon_of_another_user_is_refused():
    with pytest.raises(EngineError, match=r"that of uid 1001.*set DOCKER_HOST to your own"):
        account(ME, rootless=True, owner=OTHER)
