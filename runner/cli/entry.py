"""The way in: one place where errors are caught, and where what is printed is made safe."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn, TextIO, cast

import typer
from typer.exceptions import TyperException

from runner.cli.output import say
from runner.cli.root import app
from runner.core import detached
from runner.core.errors import INTERRUPTED, READER_GONE, RunnerError
from runner.core.interrupts import interrupts
from runner.core.text import ReaderGone, Screen


def main() -> NoReturn:
    """Entry point: expected errors get one message, a bug gets a log, an interrupt gets 130.

    Where nobody reads the output any more, what is under way is stopped, and the status is 141.

    What is printed may hold the words of a stranger's hub or manifest; nothing of it reaches the
    terminal but signs that can be seen.
    """
    insist_on_utf8()
    open_closed_streams()
    sys.stdout, sys.stderr = (cast("TextIO", Screen(one)) for one in (sys.stdout, sys.stderr))
    with interrupts(then_ignore=True):
        code = _read(lambda: guarded(lambda: app(standalone_mode=False)))
        detached.end(code)
    sys.exit(code)


def insist_on_utf8() -> None:
    """Begin again in Python's UTF-8 mode where files' names and texts would be of another encoding.

    It is Python's own choice for the locale C, but not with ``PYTHONUTF8=0`` or an older locale.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"  # also for processes that this one starts
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606


def open_closed_streams() -> None:
    """Have standard streams lead nowhere that are closed, as those of a daemon may be.

    The files that are opened next would have their numbers else, and what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free: this one
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, "r+", encoding="utf-8"))


def _read(command: Callable[[], int]) -> int:
    """The status of a command whose output is read to its end, or another."""
    try:
        code = command()
        sys.stderr.flush()
    except ReaderGone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # for what they still hold, and try to write
            os.dup2(nowhere, stream.fileno())
        return READER_GONE
    return code


def guarded(command: Callable[[], object]) -> int:
    """The exit status of a command, whose errors are said and not raised."""
    try:
        code = _with_errors_kept(command)
        sys.stdout.flush()
    except TyperException as error:
        print(f"{error.format_message()}\nphasehub --help lists the commands.", file=sys.stderr)
        return error.exit_code
    except RunnerError as error:
        say(f"phasehub: {error}")
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        print("phasehub: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if (gone := _said_of_disk(error) or _said_of_daemon(error)) is None:
            return _report_bug()
        say(f"phasehub: {gone}")
        return gone.exit_code
    return code if isinstance(code, int) else 0


def _with_errors_kept(command: Callable[[], object]) -> object:
    """Run a command, after which stderr is what it was before, though the verb were quiet."""
    before = sys.stderr
    try:
        return command()
    finally:
        if not detached.is_detached():
            sys.stderr = before


def _said_of_disk(error: Exception) -> RunnerError | None:
    """What to say of a disk that is full, read-only or broken, where nobody else has said it."""
    from runner.core.disk import explain

    return explain(error)


def _said_of_daemon(error: Exception) -> RunnerError | None:
    """What to say of a Docker daemon that went away, where nobody else has said it."""
    daemon = sys.modules.get("runner.engines.daemon")  # else nothing was asked of one
    if daemon is None or not isinstance(error, daemon.LOST):
        return None
    return cast("RunnerError", daemon.engine_error(error))


def _report_bug() -> int:
    import tempfile

    with tempfile.NamedTemporaryFile(
        "w", prefix="phasehub-bug-", suffix=".log", delete=False
    ) as log:
        traceback.print_exc(file=log)
    error = sys.exc_info()[1]
    print(
        f"phasehub: a bug: {type(error).__name__}: {error}\n"
        f"The traceback is in {log.name}; please report it with the command that you ran.",
        file=sys.stderr,
    )
    return RunnerError.exit_code
