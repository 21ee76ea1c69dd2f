"""The Docker daemon: connecting to it, and saying what it refuses in words that help."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import docker
from docker.errors import APIError, DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from runner.core.errors import EngineError, EngineLostError

Client = docker.DockerClient

ANSWER_S = 120
"""The longest wait for one answer of the daemon, s."""

LOST = (DockerException, RequestException, HTTPError, ConnectionError, TimeoutError)
"""What is raised when the daemon does not answer, or answers to the end."""
MAPPED = {"name=rootless": "rootless", "name=userns": "remapping users"}


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
    """``connect``, and ``EngineError`` too for a daemon that maps users to other ones.

    Under such a daemon an arm that runs as our uid would write files that belong to another.
    """
    client = connect()
    with answering():
        info = client.info()
    _refuse_mapped_users(info)
    return client


def _refuse_mapped_users(info: Mapping[str, Any]) -> None:
    options = info.get("SecurityOptions") or []
    for option in options:
        for mark, word in MAPPED.items():
            if str(option).startswith(mark):
                raise EngineError(
                    f"the Docker daemon is {word}, so outputs would not belong to you; "
                    "use a daemon without user mapping, or --engine process"
                )
