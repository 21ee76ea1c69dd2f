"""The daemon behind Docker's API: connecting to it, and saying what it refuses in plain words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from runner.core.errors import EngineError, EngineLostError
from runner.engines.abilities import Abilities, is_podman, read
from runner.engines.accounts import Ids, account

Client = docker.DockerClient

ANSWER_S = 120
"""The longest wait for one answer of the daemon, s."""

LOST = (DockerException, RequestException, HTTPError, ConnectionError, TimeoutError)
"""What is raised when the daemon does not answer, or answers to the end."""
SOCKET = "unix:///var/run/docker.sock"
"""Where the daemon is unless ``DOCKER_HOST`` names another place."""
PODMAN_API = "4.0.0"
"""Version of podman's own API that 4 and 5 answer."""


def connect() -> Client:
    """A client of the daemon that ``DOCKER_HOST`` names, by default this machine's.

    Raises ``EngineError`` with the remedy when none answers.
    """
    try:
        client = docker.from_env(timeout=ANSWER_S)
        client.ping()
    except LOST as error:
        raise EngineError(f"no Docker daemon answers: {reason(error)}. {_remedy(error)}") from None
    return client


@contextmanager
def answering() -> Iterator[None]:
    """A block that asks the daemon. Raises ``EngineError`` for what it refuses, in its words.

    It is an ``EngineLostError`` where the daemon does not answer, and for nothing that it says.
    """
    try:
        yield
    except LOST as error:
        raise engine_error(error) from error


def engine_error(error: Exception) -> EngineError:
    """What is to be said of one of ``LOST``."""
    if isinstance(error, APIError):
        return EngineError(
            f"the Docker daemon refuses: {reason(error)}; see `docker info` and its log"
        )
    return EngineLostError(
        f"the Docker daemon no longer answers: {reason(error)}. Its containers may go on without "
        "us; see `systemctl status docker`"
    )


def _remedy(error: Exception) -> str:
    if "PermissionError" in str(error) or "Permission denied" in str(error):
        return (
            "You may not use it: join the group `docker` and log in again, or use --engine process"
        )
    return "Start it (`systemctl start docker`), set DOCKER_HOST, or use --engine process"


def reason(error: Exception) -> str:
    """What the daemon says, or what keeps us from it, without the wrapping of the libraries."""
    if isinstance(error, APIError) and error.explanation:
        return str(error.explanation).strip()
    innermost: BaseException = error
    while innermost.__cause__ or innermost.__context__:
        innermost = innermost.__cause__ or innermost.__context__ or innermost
    return str(innermost).strip() or type(innermost).__name__


def usable() -> Client:
    """``connect``, and ``EngineError`` too for a daemon whose containers are no use to the caller.

    Such are those whose outputs would belong to another.
    """
    client = connect()
    with answering():
        able = abilities_of(client)
    account((os.getuid(), os.getgid()), rootless=able.rootless, owner=socket_owner())
    return client


def abilities_of(client: Client) -> Abilities:
    """What a daemon says that it can do. Raises ``EngineError`` as ``abilities.read`` does."""
    version = client.version()
    controllers = _controllers(client) if is_podman(version) else None
    return read(client.info(), version, controllers)


def _controllers(client: Client) -> list[str]:
    """Controllers of cgroups that podman may use, which it tells in an API of its own."""
    api = client.api
    answer = api.get(f"{api.base_url}/v{PODMAN_API}/libpod/info", timeout=ANSWER_S)
    answer.raise_for_status()
    controllers = answer.json()["host"].get("cgroupControllers") or []
    return [str(one) for one in controllers]


def socket_owner() -> Ids | None:
    """Whose the daemon's socket is; ``None`` of a daemon that is reached in another way."""
    place = os.environ.get("DOCKER_HOST") or SOCKET
    try:
        found = Path(place.removeprefix("unix://")).stat() if place.startswith("unix://") else None
    except OSError:
        return None
    return (found.st_uid, found.st_gid) if found else None
