"""Which process carries a run on, so that another can follow it and ask it to stop."""

from __future__ import annotations

import os
import signal
from typing import Literal

from runner.core.detached import is_detached, settle
from runner.core.digest import pretty_json
from runner.core.errors import EngineError
from runner.core.files import write_durably
from runner.core.reading import read_table, typed
from runner.engines import processes
from runner.hub.layout import Staging
from runner.hub.records.base import Record

CARRIER = "carrier.json"
CONSOLE = "console.log"
"""What a run that was detached has said, in the folder of its state."""


class Carrier(Record):
    """The process that carries a run on, for as long as it holds the run's lock."""

    version: Literal[1] = 1
    process: str
    """Its id and its start."""
    host: str
    detached: bool
    """Whether what it says is in ``console.log``, and not on a terminal."""

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return processes.runs(self.process)

    def interrupt(self) -> None:
        """Ask it to stop, as Ctrl-C does; nothing where it has ended.

        Raises ``EngineError`` where it is another user's.
        """
        pid = processes.pid_of(self.process)
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if self.runs:  # else the id is another's by now
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        except ProcessLookupError:
            return
        except PermissionError:
            raise EngineError(f"process {pid} is another user's, who can stop it") from None
        finally:
            os.close(descriptor)


def announce(staging: Staging) -> None:
    """Put on disk that this process carries the run on; its console is in the run's folder now."""
    carrier = Carrier(
        process=processes.identity(os.getpid()), host=os.uname().nodename, detached=is_detached()
    )
    write_durably(staging.state / CARRIER, pretty_json(carrier.model_dump(mode="json")))
    settle(staging.state / CONSOLE, str(staging.path))


def read_carrier(staging: Staging) -> Carrier | None:
    """The process that took the run up last; ``None`` where none has said so.

    Raises ``EngineError`` for one on another machine.
    """
    try:
        carrier = typed(Carrier, read_table(staging.state, CARRIER), CARRIER)
    except ValueError:  # of a version before, or a run that begins just now
        return None
    if carrier.host != os.uname().nodename:
        raise EngineError(f"{staging.path} is carried on on {carrier.host}; ask there")
    return carrier
