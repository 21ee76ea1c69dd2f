"""What is read from, and done to, containers: what bounds them, what refuses them, how they end."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from runner.engines.accounts import take_back
from runner.engines.base import Handle, Launch
from runner.engines.daemon import Client, answering, reason
from runner.engines.ending import Ending, Killed
from runner.engines.keeper import Seen
from runner.engines.kernel_log import ran_out_of_memory

LABEL = "phasehub."
"""What the names of our labels begin with."""
KILLED = (137, 143)
"""Exit statuses of SIGKILL and SIGTERM."""


def ending(
    attrs: Mapping[str, Any], handle: Handle, seen: Seen, *, memory_is_told: bool = True
) -> Ending:
    """What the daemon says about an ended container, and what was seen of it meanwhile."""
    state = attrs["State"]
    started, ended = _seconds(state["StartedAt"]), _seconds(state["FinishedAt"])
    code = int(state["ExitCode"])
    killed_for: Killed | None = seen.excess
    if killed_for == "time" and code not in KILLED:
        killed_for = None  # it had ended by itself when its time was over
    elif (
        killed_for is None
        and code in KILLED
        # By both: a clock that was set forward meanwhile has ended nothing.
        and min(ended - started, handle.elapsed_s) >= handle.timeout_s
    ):
        killed_for = "time"
    elif killed_for is None and code != 0:
        oom_killed = state["OOMKilled"] or (
            not memory_is_told and ran_out_of_memory(str(attrs["Id"]))
        )
        killed_for = "memory" if oom_killed else None
    return Ending(
        exit_code=code,
        killed_for=killed_for,
        memory_bytes=int(attrs["HostConfig"]["Memory"]),
        started_at=started,
        ended_at=ended,
        log_left_out=seen.log_left_out,
        memory_is_told=memory_is_told,
    )


def finished_at(attrs: Mapping[str, Any]) -> float:
    """When a container ended, in seconds since 1970."""
    return _seconds(attrs["State"]["FinishedAt"])


def _seconds(date: str) -> float:
    """Seconds since 1970 of a date of the daemon's."""
    return datetime.fromisoformat(date).timestamp()


def remove(container: Container) -> None:
    """Remove a container, dead or alive. One that is gone or going is no error."""
    with contextlib.suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if "already in progress" not in str(error):
                raise


def labelled(client: Client, **wanted: str) -> Iterator[tuple[Container, dict[str, str]]]:
    """Every container of a run, running or not, with our labels; those that have the given ones."""
    labels = [f"{LABEL}run", *(f"{LABEL}{key}={value}" for key, value in wanted.items())]
    filters: dict[str, str | list[str] | bool] = {"label": labels}
    with answering():
        found = client.containers.list(all=True, filters=filters, ignore_removed=True)
    for container in found:
        ours = {key: value for key, value in container.labels.items() if key.startswith(LABEL)}
        yield container, {key.removeprefix(LABEL): value for key, value in ours.items()}


def discard(container: Container, owner: tuple[int, int] | None = None) -> None:
    """Stop and remove a container; what its job has written belongs to the caller then."""
    with answering():
        remove(container)
    for mount in container.attrs.get("Mounts", []):
        if mount.get("Destination") == "/out":
            take_back(Path(mount["Source"]), owner or (os.getuid(), os.getgid()))


def refusal(job: Launch | Handle, error: Exception) -> str:
    """The daemon's words and what to do about them."""
    said = reason(error)
    if job.gpu_ids and ("device driver" in said or "nvidia" in said.lower()):
        remedy = (
            "install nvidia-container-toolkit and restart Docker; `phasehub run` does without it "
            "with --device cpu"
        )
    else:
        remedy = "see `docker info`; --engine process runs without containers"
    return f"{job.name} could not be started: {said}. Remedy: {remedy}"
