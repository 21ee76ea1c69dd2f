"""What is read from, and done to, containers: what bounds them, what refuses them, how they end."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from runner.daemon import reason
from runner.engines.base import PROMISES, Handle, Launch
from runner.engines.ending import Ending

KILLED = (137, 143)
"""Exit statuses of SIGKILL and SIGTERM."""


def ending(attrs: Mapping[str, Any], handle: Handle) -> Ending:
    """What the daemon says about an ended container."""
    state = attrs["State"]
    started, ended = _seconds(state["StartedAt"]), _seconds(state["FinishedAt"])
    code = int(state["ExitCode"])
    killed_for: Literal["memory", "time"] | None = None
    if code in KILLED and ended - started >= handle.timeout_s:
        killed_for = "time"
    elif code != 0 and state["OOMKilled"]:
        killed_for = "memory"
    return Ending(
        exit_code=code,
        killed_for=killed_for,
        memory_bytes=int(attrs["HostConfig"]["Memory"]),
        started_at=started,
        ended_at=ended,
    )


def _seconds(date: str) -> float:
    """Seconds since the epoch of a date of the daemon's."""
    return datetime.fromisoformat(date).timestamp()


def write_log(container: Container, path: Path) -> None:
    """Write the whole console, both streams as they came, in place of what is there."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as log:
        for chunk in container.logs(stream=True, follow=False):
            log.write(chunk)
    part.replace(path)


def remove(container: Container) -> None:
    """Remove a container, dead or alive. One that is gone or going is no error."""
    with contextlib.suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error):
                raise


def enforced(info: Mapping[str, Any]) -> frozenset[str]:
    """The promises that this daemon's kernel keeps."""
    able = {"memory": "MemoryLimit", "swap": "SwapLimit", "pids": "PidsLimit"}
    return PROMISES - {promise for promise, key in able.items() if not info.get(key)}


def refusal(launch: Launch, error: Exception) -> str:
    """The daemon's words and what to do about them."""
    said = reason(error)
    if launch.gpu_ids and ("device driver" in said or "nvidia" in said.lower()):
        remedy = "install nvidia-container-toolkit and restart Docker, or run with --device cpu"
    else:
        remedy = "see `docker info`; --engine process runs without containers"
    return f"{launch.name} could not be started: {said}. Remedy: {remedy}"
