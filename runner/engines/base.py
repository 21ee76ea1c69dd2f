"""What every engine can do: check itself, start a job, wait for it, poll it, stop it, adopt it.

A handle survives the death of the runner: it is plain data that is written to the journal, and
``adopt`` finds the running job again.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from runner.core import clock

Status = Literal[
    "succeeded",
    "failed",
    "timed_out",
    "out_of_memory",
    "out_of_disk",
    "could_not_start",
    "interrupted",
    "silent",
]


EndedBy = Literal[
    "itself",
    "memory",
    "time",
    "disk",
    "signal",
    "removal",
    "daemon",
    "supervisor",
    "cancellation",
    "preemption",
    "node",
    "requeue",
    "folder",
    "hold",
    "stop",
]
"""What has ended a job: ``itself``; its limit of ``memory``, ``time`` or ``disk``; a ``signal``
that phasehub did not send; others, by ``removal`` of its container, the end of its ``daemon`` or of
its ``supervisor``; in a cluster's queue, its ``cancellation`` or ``requeue`` by others, its
``preemption``, a ``node`` that was lost, a shared ``folder`` over which its result has not come, or
a ``hold`` that nobody released; or phasehub, which was asked to ``stop``."""

Seccomp = Literal["strict", "docker", "unconfined"]
"""What a job may ask of the kernel: what computing takes, what the daemon's own profile allows, or
everything."""

PROMISES = frozenset(
    {
        "capabilities",
        "disk",
        "files",
        "memory",
        "network",
        "pids",
        "swap",
        "system_calls",
        "time",
    }
)
"""What an engine may keep from a job or bound for it; ``describe`` says which ones it does."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of one job."""

    timeout_s: float
    memory_bytes: int
    pids: int
    shm_bytes: int
    tmp_bytes: int
    disk_bytes: int
    """Of all outputs together."""
    threads: int
    network: bool = False
    seccomp: Seccomp = "strict"
    stop_s: float = 0.0
    """What it is given to come to an end by itself once it is asked to stop."""


@dataclass(frozen=True, kw_only=True)
class Launch:
    """One job as an engine sees it: a command, three folders, an environment and limits.

    ``command`` names the folders by the placeholders ``{job}`` and ``{out}``, which the engine
    replaces by the places where it shows them to the job (``/job`` and ``/out`` in a container).
    ``data_dir`` is shown beside the job's folder as ``data``. ``labels`` (``phase``, ``arm``,
    ``attempt``, ``run``) mark the job for people and for ``remove_leftovers``.
    """

    name: str
    command: tuple[str, ...]
    job_dir: Path
    data_dir: Path | None
    out_dir: Path
    log_path: Path
    environment: Mapping[str, str]
    limits: Limits
    gpu_ids: tuple[str, ...] = ()
    num_gpus: int = 0
    """How many it computes on, for an engine that chooses them itself."""
    held: tuple[int, ...] = ()
    """Descriptors of locks that stay held for as long as the job is there, without us, too."""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Handle:
    """A started job, as plain data. ``id`` is a container id, or ``pid:start time``."""

    engine: str
    id: str
    name: str
    log_path: str
    out_dir: str
    started_at: float
    timeout_s: float
    disk_bytes: int
    gpu_ids: tuple[str, ...] = ()
    boot_id: str = field(default_factory=clock.boot_id)
    began_s: float = field(default_factory=time.monotonic)
    """When it was started, by the clock of this boot, which nobody sets."""

    @classmethod
    def of(cls, launch: Launch, *, engine: str, id: str) -> Handle:  # noqa: A002 - of the engine
        """The handle of a launch that an engine has started, or put into a queue, just now."""
        return cls(
            engine=engine,
            id=id,
            name=launch.name,
            log_path=str(launch.log_path.resolve()),
            out_dir=str(launch.out_dir.resolve()),
            started_at=time.time(),
            timeout_s=launch.limits.timeout_s,
            disk_bytes=launch.limits.disk_bytes,
            gpu_ids=launch.gpu_ids,
        )

    @property
    def elapsed_s(self) -> float:
        """Time since the start; by the date where the machine was started again meanwhile."""
        if self.boot_id == clock.boot_id():
            return time.monotonic() - self.began_s
        return max(0.0, time.time() - self.started_at)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a job ended. ``message`` is for people and says what to do about a failure."""

    status: Status
    exit_code: int | None
    message: str
    started_at: float
    ended_at: float
    notes: tuple[str, ...] = ()
    """What else a reader of the job's record must know, a sentence each."""
    ended_by: EndedBy | None = None
    """``None`` where it is not known."""

    def __post_init__(self) -> None:
        """A clock that was set back meanwhile makes no end before the start."""
        object.__setattr__(self, "ended_at", max(self.started_at, self.ended_at))


class Engine(Protocol):
    """A place where jobs run."""

    @property
    def name(self) -> str:
        """The engine's name in manifests, on the command line and in hubs."""

    @property
    def isolated(self) -> bool:
        """Whether a job is kept from the host's files, network and other processes."""

    @property
    def side_by_side(self) -> int | None:
        """How many jobs it takes at a time, elsewhere than on this machine.

        ``None`` for one whose jobs take this machine's cores, memory and GPUs.
        """

    def check(self) -> None:
        """Raise ``EngineError`` with the remedy when this engine cannot run jobs now."""

    def start(self, launch: Launch) -> Handle:
        """Start a job and return at once. Raises ``EngineError`` when it cannot be started."""

    def poll(self, handle: Handle) -> Outcome | None:
        """``None`` while the job runs; afterwards how it ended. Enforces the time limit."""

    def wait(self, handles: Collection[Handle], at_most_s: float) -> None:
        """Return as soon as one of the jobs has ended, or else after ``at_most_s``.

        It saves time and no more than that: it may return early or late, and ``poll`` tells.
        """

    def stop(self, handle: Handle) -> None:
        """Stop the job if it runs and remove what it left; safe to call again."""

    def adopt(self, handle: Handle) -> bool:
        """Whether the job that a former runner started is still known to the engine."""

    def remove_leftovers(self, run_id: str, spare: Collection[str] = ()) -> list[str]:
        """Stop and remove every job whose label ``run`` is ``run_id``; the names of those found.

        For what no handle tells of: a job whose start was cut short by an interrupt. Those whose
        handles have an id in ``spare`` go on.
        """

    def describe(self) -> dict[str, object]:
        """Facts about the engine for the hub, as a JSON value.

        ``enforced`` and ``not_enforced`` share out ``PROMISES``; ``packages_sha256`` is the
        fingerprint of the installed packages; the rest is the engine's own.
        """
