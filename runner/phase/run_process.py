"""Which process executes a run, so that another can follow it and ask it to stop."""

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

RUN_PROCESS = "carrier.json"
CONSOLE = "console.log"
"""What a run that was detached has said, in the folder of its state."""


class RunProcess(Record):
    """The process that executes a run, for as long as it holds the run's lock."""

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
    """Put on disk that this process executes the run; its console is in the run's folder now."""
    run_process = RunProcess(
        process=processes.identity(os.getpid()), host=os.uname().nodename, detached=is_detached()
    )
    write_durably(staging.state / RUN_PROCESS, pretty_json(run_process.model_dump(mode="json")))
    settle(staging.state / CONSOLE, str(staging.path))


def read_run_process(staging: Staging) -> RunProcess | None:
    """The process that took the run up last; ``None`` where none has said so.

    Raises ``EngineError`` for one on another machine.
    """
    try:
        run_process = typed(RunProcess, read_table(staging.state, RUN_PROCESS), RUN_PROCESS)
    except ValueError:  # of a version before, or a run that begins just now
        return None
    if run_process.host != os.uname().nodename:
        raise EngineError(f"{staging.path} is running on {run_process.host}; ask there")
    return run_process
