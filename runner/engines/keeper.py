"""One container from its start to its end, off the scheduler's loop: its console and its limits.

Two threads a container: what one arm writes and however much it is, neither the other arms' limits
nor their progress wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from docker.errors import DockerException, NotFound
from docker.models.containers import Container
from requests.exceptions import RequestException

from runner.engines.base import Handle
from runner.engines.capped import CappedLog
from runner.engines.supervisor import descendants
from runner.engines.usage import LOOK_S, Excess, Guard

PAUSE_S = 1.0
"""Time before the daemon is asked again for what it did not tell, s."""
WAIT_S = 3600.0
"""The longest wait for the daemon to tell of a container's end, s; then it is asked again."""
MOST_STREAMS = 100
"""Times that a console is asked for again when the daemon stops telling it."""
LOST = (DockerException, RequestException, OSError, ValueError)
"""What is raised when the daemon goes away; ``ValueError`` by a connection that is closed."""

Stream = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen of a container while it ran."""

    excess: Excess | Literal["time"] | None = None
    log_left_out: int = 0


class Keeper:
    """Writes a container's console to its log, and kills the container past a limit.

    ``tell`` is called, in another thread, once the container has ended. ``begin`` starts the
    container and gives its console; for one that was started already there is none, and the daemon
    is asked for what it has kept of the console, from the beginning.
    """

    def __init__(
        self,
        container: Container,
        handle: Handle,
        tell: Callable[[], None],
        begin: Stream | None = None,
    ) -> None:
        self._container = container
        self._handle = handle
        self._tell = tell
        self._guard = Guard(Path(handle.out_dir), handle.disk_bytes)
        self._excess: Excess | Literal["time"] | None = None
        self._left_out = 0
        self._over = threading.Event()
        self._begun = threading.Event()
        self._start_s = 0.0
        """What the start took, which is not of the job's time."""
        self.refused: Exception | None = None
        """Why the container could not be started, or the answer to that did not come."""
        self._copier = threading.Thread(target=self._follow, args=(begin,), daemon=True)
        self._copier.start()
        threading.Thread(target=self._keep_limits, daemon=True).start()

    @property
    def begins(self) -> bool:
        """Whether the daemon is still asked to start the container."""
        return not self._begun.is_set()

    def wait_for_begin(self) -> None:
        """Wait until the daemon has answered that question, or does not in its time."""
        self._begun.wait()

    def finish(self, wait_s: float = 0.0) -> bool:
        """Take note that the container has ended; whether its console is complete."""
        self._over.set()
        self._copier.join(wait_s)
        return not self._copier.is_alive()

    def seen(self) -> Seen:
        """What was seen, and what is there too much of now that the container has ended."""
        if self._excess is None:
            self._excess = self._guard.last_look()
        return Seen(excess=self._excess, log_left_out=self._left_out)

    def _kept(self) -> Iterable[bytes]:
        kept: Iterable[bytes] = self._container.logs(stream=True, follow=True)
        return kept

    def _follow(self, begin: Stream | None) -> None:
        if begin is None:
            self._begun.set()
            self._copy_all(self._kept)
            return
        try:
            console = begin()
        except LOST as error:
            self.refused = error
            self._over.set()
            self._tell()
        else:
            self._start_s = self._handle.elapsed_s
            self._begun.set()
            self._copy_all(lambda: console)
        finally:
            self._begun.set()

    def _copy_all(self, stream: Stream) -> None:
        """Copy the console until the container has ended; start over where the daemon stops."""
        for _ in range(MOST_STREAMS):
            if self._copy(stream) and self._has_ended():
                break
            time.sleep(PAUSE_S)
            stream = self._kept
        self._tell()

    def _copy(self, stream: Stream) -> bool:
        """Copy one stream in place of what is in the log; whether there is no more to come."""
        try:
            chunks = stream()
            with CappedLog(Path(self._handle.log_path)) as log:
                for chunk in chunks:
                    log.write(chunk)
                    self._left_out = log.left_out
        except NotFound:
            return True
        except LOST:
            return False
        return True

    def _keep_limits(self) -> None:
        """Look at time and disk until the container has ended; kill it when it is past a limit."""
        self._begun.wait()
        pid = None if self._over.is_set() else self._pid()
        while not self._over.wait(min(LOOK_S, max(0.05, self._left_s()))):
            self._excess = self._excess or self._guard.look([pid, *descendants(pid)] if pid else [])
            if self._excess is None and self._left_s() <= 0:
                self._excess = "time"
            if self._excess:
                with suppress(*LOST):
                    self._container.kill()

    def _left_s(self) -> float:
        return self._handle.timeout_s - (self._handle.elapsed_s - self._start_s)

    def _has_ended(self) -> bool:
        """Wait until the daemon says that the container has ended; whether it did.

        A job may close its console and run on, and a daemon that goes away closes it, too.
        """
        try:
            self._container.wait(timeout=WAIT_S)
        except NotFound:
            return True
        except LOST:
            return False
        return True

    def _pid(self) -> int | None:
        """Id of the container's first process; ``None`` unless it is seen on this machine.

        It is identified by its cgroup, or, as a rootless daemon may have none, by what it sees as
        /out.
        """
        with suppress(*LOST):
            self._container.reload()
            pid = int(self._container.attrs["State"]["Pid"])
            if str(self._container.id) in Path(f"/proc/{pid}/cgroup").read_text():
                return pid
            if Path(f"/proc/{pid}/root/out").samefile(self._handle.out_dir):
                return pid
        return None
