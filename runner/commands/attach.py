"""``run --detach``, ``phasehub attach`` and ``phasehub stop``: runs without a terminal."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from runner.core.detached import ConsoleReader, detach
from runner.core.errors import INTERRUPTED, EngineError
from runner.core.text import Say
from runner.hub import layout
from runner.phase.run_process import CONSOLE, RunProcess, read_run_process
from runner.phase.unfinished import Unfinished, choose
from runner.phase.ways_on import ways_on
from runner.verify import verdict

POLL_S = 0.2
STOP_S = 120.0
"""How long a run that was asked to stop is waited for, s."""


def leave() -> int | None:
    """Have what follows go on without the terminal, in another process: ``None``.

    This process says how to follow and to stop the run, or why there is none, and has the exit
    status that it ends with. The last line on stdout is the run's folder.
    """
    parting = detach()
    if parting is None:
        return None
    print(parting.said, end="", file=sys.stderr)
    if parting.place is not None:
        print(ways_to_follow(Path(parting.place)), file=sys.stderr)
        print(parting.place)
    return parting.exit_code


def ways_to_follow(folder: Path) -> str:
    """How a run without a terminal is followed, and how it is stopped."""
    name = shlex.quote(str(folder))
    return (
        "The run goes on without this terminal. To follow it:\n"
        f"    phasehub attach {name}\n"
        "To stop it, so that it can be resumed:\n"
        f"    phasehub stop {name}"
    )


def attach(named: Path | None, artifacts: Path, say: Say) -> tuple[Path | None, int]:
    """Show what a detached run has said and says until it ends; Ctrl-C ends the showing alone.

    Returns:
        The hub, ``None`` where none is sealed, and the exit status of the run.

    Raises:
        EngineError: No such run is under way, it has a terminal, or its process was killed.
    """
    if named is not None and (hub := layout.sealed_from(named.resolve())):
        return hub, verdict.exit_code(layout.read(hub))
    run = choose(named, artifacts, alive=True)
    path, run_process = run.staging.path, run_process_of(run)
    if not run_process.detached:
        raise EngineError(f"{path} has a terminal of its own, where it shows how far it is")
    try:
        console = ConsoleReader(run.staging.state / CONSOLE)
        if console.left_out:
            say(f"(the first {console.left_out:,} bytes are in {run.staging.state / CONSOLE})")
        follow(run_process, console, say)
    except KeyboardInterrupt:
        say(ways_to_follow(path))
        return None, INTERRUPTED
    except FileNotFoundError as error:  # it was sealed just now
        if layout.sealed_from(path) is None:
            raise EngineError(f"{error.filename} is gone, and with it what {path} says") from error
        return run.staging.final, verdict.exit_code(layout.read(run.staging.final))
    return ending(run, console)


def follow(run_process: RunProcess, console: ConsoleReader, say: Say) -> None:
    """Show every line, until the process that says them has ended."""
    while True:
        runs = run_process.runs  # looked at before: whatever it says last is shown
        for line in console.new():
            say(line)
        if not runs:
            return
        time.sleep(POLL_S)


def ending(run: Unfinished, console: ConsoleReader) -> tuple[Path | None, int]:
    """What a run has come to whose process has ended."""
    path, code = run.staging.path, console.exit_code
    hub = layout.sealed_from(path)
    if code is None:
        if hub is None:
            raise EngineError(f"the process that ran {path} was killed.\n{ways_on(run.staging)}")
        code = verdict.exit_code(layout.read(hub))
    return hub, code


def stop(named: Path | None, artifacts: Path, say: Say) -> Path | None:
    """Ask a run to stop as Ctrl-C does, and wait until it has; its hub where it was sealed before.

    Raises ``EngineError`` where no process executes it, or where it has not stopped in ``STOP_S``.
    """
    run = choose(named, artifacts, alive=True)
    run_process = run_process_of(run)
    run_process.interrupt()
    deadline = time.monotonic() + STOP_S
    while run_process.runs:
        if time.monotonic() >= deadline:
            raise EngineError(
                f"{run.staging.path} was asked to stop, and has not within {STOP_S:g} s; ask again "
                "to have it end at once, which leaves its jobs to `phasehub resume`"
            )
        time.sleep(POLL_S)
    hub = layout.sealed_from(run.staging.path)
    say("it was sealed before it could stop" if hub else f"stopped. {ways_on(run.staging)}")
    return hub


def run_process_of(run: Unfinished) -> RunProcess:
    """The process that executes a run. Raises ``EngineError`` where none does."""
    path = run.staging.path
    if not run.alive:
        raise EngineError(f"no process executes {path}; `phasehub resume {path}` goes on with it")
    run_process = read_run_process(run.staging)
    if run_process is None or not run_process.runs:
        raise EngineError(f"{path} was taken up just now, or by an older phasehub; try again")
    return run_process
