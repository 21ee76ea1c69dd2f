"""Jobs as containers: hardened, with three folders of the host and nothing else of it.

What it writes belongs to the caller (``accounts``), whatever the daemon is (``abilities``).
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path

from docker.errors import NotFound
from docker.models.containers import Container
from docker.types import DeviceRequest

from runner.core.errors import EngineError, EngineLostError
from runner.engines import Needs
from runner.engines.abilities import Abilities
from runner.engines.accounts import Account, account
from runner.engines.base import EndedBy, Handle, Launch, Outcome
from runner.engines.containers import (
    LABEL,
    discard,
    ending,
    finished_at,
    labelled,
    refusal,
    remove,
)
from runner.engines.daemon import (
    LOST,
    Client,
    abilities_of,
    answering,
    connect,
    socket_owner,
    usable,
)
from runner.engines.ending import conclude
from runner.engines.holder import Holder
from runner.engines.images.base import present
from runner.engines.images.build import BuiltImage, build
from runner.engines.isolation import HOME, isolation_of
from runner.engines.keeper import Keeper

STOP_S = 3
"""Time between asking a job to stop and killing it, s; a job that leaves checkpoints has more."""
STOP = "stop_s"
"""Label with that time."""
ENDED_FOR = (137, 143, 255)
"""Exit statuses of containers that a daemon ends with itself, or finds ended."""
DRAINED_S = 0.05
"""Time that the end of a console takes as a rule, once its container has ended, s."""
DRAIN_S = 60.0
"""The longest wait, once a container has ended, for what it wrote to its console, s."""


class DockerEngine:
    """Runs jobs in containers of one image. ``caller`` is the uid and gid that own the outputs."""

    name = "docker"
    isolated = True
    side_by_side = None

    def __init__(self, image: BuiltImage, caller: tuple[int, int] | None = None) -> None:
        self._image = image
        self._caller = caller or (os.getuid(), os.getgid())
        self._client: Client = connect()
        self._keepers: dict[str, Keeper] = {}
        self._holder: Holder | None = None
        self._ended = threading.Event()
        """Set whenever a container has ended."""
        self._unseen: set[str] = set()
        """Containers that may have ended while the daemon, or no runner, was there."""

    @cached_property
    def _able(self) -> Abilities:
        with answering():
            return abilities_of(self._client)

    @cached_property
    def _account(self) -> Account:
        return account(self._caller, rootless=self._able.rootless, owner=socket_owner())

    def check(self) -> None:
        """Raise ``EngineError`` when no daemon answers, it maps users, or the image is gone."""
        self._client = usable()
        with answering():
            found = present(self._client, self._image.reference)
        if found is None:
            raise EngineError(
                f"the image {self._image.reference} was removed; run again to build it"
            )

    def start(self, launch: Launch) -> Handle:
        """Create the container and have it started: what the daemon refuses then, ``poll`` says.

        Raises ``EngineError`` where it cannot be created.
        """
        container = None
        try:
            self._able.refuse_gpus(launch.gpu_ids)
            self._account.lend(launch.out_dir, filter(None, [launch.job_dir, launch.data_dir]))
            container = self._create(launch)
            if launch.held:
                self._hold(str(container.id), launch.held)
        except BaseException as error:
            if container is not None:
                with suppress(*LOST):  # the first error is the one to tell
                    container.remove(force=True)
                self._dismiss(str(container.id))
            self._account.take_back(launch.out_dir)
            if isinstance(error, LOST):
                with answering():  # a daemon that is about to go refuses what it is asked
                    self._client.ping()
            if isinstance(error, (*LOST, OSError)):
                raise EngineError(refusal(launch, error)) from None
            raise
        handle = Handle.of(launch, engine=self.name, id=str(container.id))
        begin = partial(self._begin, container)
        self._keepers[handle.id] = Keeper(container, handle, self._ended.set, begin)
        return handle

    @staticmethod
    def _begin(container: Container) -> Iterable[bytes]:
        """Start a container; its console.

        The daemon takes a third of a second for it, in which others can be started or collected.
        """
        # Before the start, so that nothing is missed however fast the daemon's log turns over.
        console: Iterable[bytes] = container.attach(stream=True)
        container.start()
        return console

    def _hold(self, container_id: str, descriptors: Sequence[int]) -> None:
        """Have the holder hold a container's locks; another one, where somebody has killed it."""
        if self._holder is not None:
            with suppress(OSError):
                self._holder.hold(container_id, descriptors)
                return
            self._holder.close()
        self._holder = Holder()
        self._holder.hold(container_id, descriptors)

    def _create(self, launch: Launch) -> Container:
        wanted = isolation_of(launch)
        gpus = DeviceRequest(device_ids=list(launch.gpu_ids), capabilities=[["gpu"]])
        with self._able.security(wanted.seccomp, launch.job_dir.parent) as security:
            return self._client.containers.create(
                self._image.reference,
                command=self._able.command(wanted.command),
                name=f"phasehub-{launch.name}-{secrets.token_hex(4)}",
                user=self._account.name,
                environment=dict(wanted.environment),
                labels={
                    **{f"{LABEL}{key}": value for key, value in launch.labels.items()},
                    f"{LABEL}{STOP}": f"{max(STOP_S, launch.limits.stop_s):.0f}",
                },
                mounts=self._able.mounts(wanted.folders),
                volumes=self._able.binds(wanted.folders),
                read_only=True,
                tmpfs={
                    HOME: wanted.tmpfs,
                    **self._able.closed,
                },
                cap_drop=["ALL"],
                security_opt=security,
                network_mode="bridge" if wanted.network else "none",
                ipc_mode="private",
                pids_limit=wanted.pids,
                mem_limit=wanted.memory_bytes,
                memswap_limit=wanted.memory_bytes,
                shm_size=wanted.shm_bytes,
                device_requests=[gpus] if launch.gpu_ids else None,
                init=True,
                ulimits=self._able.ulimits,
                log_config=self._able.log,
            )

    def poll(self, handle: Handle) -> Outcome | None:
        """``None`` while the container runs; afterwards how it ended, again and again.

        The container stays until ``stop``, so that an outcome is never lost with the runner. Its
        keeper holds it to its limits, and has the end of its console before it has ended here.
        """
        known = self._keepers.get(handle.id)
        if known is not None and known.begins:
            return None
        container = self._find(handle)
        if container is None:
            return self._interrupted(handle, "its container was removed by someone else", "removal")
        keeper = self._keeper(container, handle)
        if keeper.refused is not None:
            if _is_new(container):
                return self._not_started(handle, keeper.refused)
            # It runs, or has: what did not come is the answer.
            keeper = self._keepers[handle.id] = Keeper(container, handle, self._ended.set)
        if container.attrs["State"]["Running"]:
            return None
        if not keeper.finish(DRAINED_S) and time.time() < finished_at(container.attrs) + DRAIN_S:
            return None
        self._account.take_back(Path(handle.out_dir))
        found = ending(
            container.attrs, handle, keeper.seen(), memory_is_told=self._able.tells_memory
        )
        if handle.id in self._unseen and found.killed_for is None and found.exit_code in ENDED_FOR:
            return self._interrupted(
                handle, "its container was ended while nobody followed it", "daemon"
            )
        return conclude(handle, found)

    def _not_started(self, handle: Handle, error: Exception) -> Outcome:
        with answering():  # a daemon that is about to go refuses what it is asked
            self._client.ping()
        return Outcome(
            status="could_not_start",
            exit_code=None,
            message=refusal(handle, error),
            started_at=handle.started_at,
            ended_at=time.time(),
        )

    def _interrupted(self, handle: Handle, why: str, ended_by: EndedBy) -> Outcome:
        return Outcome(
            status="interrupted",
            exit_code=None,
            message=f"{why}; run the phase again",
            started_at=handle.started_at,
            ended_at=time.time(),
            ended_by=ended_by,
        )

    def wait(self, handles: Collection[Handle], at_most_s: float) -> None:  # noqa: ARG002 - of all
        """Return as soon as a container has ended, or else after ``at_most_s``."""
        self._ended.wait(at_most_s)
        self._ended.clear()

    def stop(self, handle: Handle) -> None:
        """Stop the container if it runs, keep its log and outputs, remove it; safe to repeat."""
        if (known := self._keepers.get(handle.id)) is not None:
            known.wait_for_begin()
        container = self._find(handle)
        if container is None:
            self._dismiss(handle.id)
            return
        keeper = self._keeper(container, handle)
        with answering():
            if container.attrs["State"]["Running"]:
                container.stop(timeout=_stop_s(container))
            keeper.finish(STOP_S)
            self._account.take_back(Path(handle.out_dir))
            remove(container)
        self._dismiss(handle.id)

    def adopt(self, handle: Handle) -> bool:
        """Whether the container runs or has; it is kept to its limits again from now on.

        One that was created and not started is none: who was to start it is gone.
        """
        container = self._find(handle)
        if container is None or _is_new(container):
            return False
        self._unseen.add(handle.id)
        self._keeper(container, handle)
        return True

    def remove_leftovers(self, run_id: str, spare: Collection[str] = ()) -> list[str]:
        """Remove every container of a run, running or not, but those to spare; their names."""
        removed = []
        for container, _ in labelled(self._client, run=run_id):
            if str(container.id) not in spare:
                discard(container, self._caller)
                self._dismiss(str(container.id))
                removed.append(str(container.name))
        return sorted(removed)

    def describe(self) -> dict[str, object]:
        """Version and kernel features of the daemon, isolation, and the image's identity."""
        return {
            **self._able.describe(),
            "user": self._account.name,
            "image": self._image.identity(),
            "models_sha256": self._image.models_sha256,
            "packages_sha256": self._image.packages_sha256,
        }

    def _find(self, handle: Handle) -> Container | None:
        try:
            with answering():
                return self._client.containers.get(handle.id)
        except EngineLostError:
            self._unseen.update(self._keepers)
            raise
        except EngineError as error:
            if isinstance(error.__cause__, NotFound):
                return None
            raise

    def _keeper(self, container: Container, handle: Handle) -> Keeper:
        """Who keeps a container; one that another runner started gets one now."""
        if handle.id not in self._keepers:
            self._keepers[handle.id] = Keeper(container, handle, self._ended.set)
        return self._keepers[handle.id]

    def _dismiss(self, container_id: str) -> None:
        """Have the keeper of a container that is gone end, and its locks be released."""
        if keeper := self._keepers.pop(container_id, None):
            keeper.finish()
        if self._holder is not None:
            self._holder.release(container_id)


def _is_new(container: Container) -> bool:
    """Whether a container was never started."""
    return bool(container.attrs["State"]["Status"] == "created")


def _stop_s(container: Container) -> int:
    """What a container is given to come to an end by itself; one of an earlier version, too."""
    label = container.labels.get(f"{LABEL}{STOP}", "")
    return int(label) if label.isdecimal() else STOP_S


def open_engine(needs: Needs) -> DockerEngine:
    """Build the image if need be. Raises ``EngineError`` as ``build`` does."""
    if needs.python is not None:
        raise EngineError("--python is for --engine process; a container has its own Python")
    with answering():
        image = needs.image or build(
            needs.variant, base=needs.base, cache=needs.cache, say=needs.say, root=needs.code.root
        )
        return DockerEngine(image)
