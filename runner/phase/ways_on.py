"""A run that ends without a seal: what is said of it, and how it is gone on with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from runner.core.disk import explained
from runner.core.errors import DiskError, EngineError, EngineLostError, RunnerError
from runner.core.installation import state_dir
from runner.core.interrupts import held_back
from runner.hub import layout
from runner.jobs.progress import Display
from runner.phase.run import Run


@contextmanager
def resumable(staging: layout.Staging, shown: Display) -> Iterator[None]:
    """Have a run that is kept, and ends in here without a seal, say how it is gone on with."""
    try:
        yield
    except (EngineLostError, DiskError) as error:
        if not staging.kept:
            raise
        raise type(error)(f"{error}.\n{ways_on(staging)}") from error
    except KeyboardInterrupt:
        if staging.kept and staging.path.exists():
            with held_back(then_raise=False):
                shown.say(f"interrupted. {ways_on(staging)}")
        raise


@contextmanager
def on_disk(run: Run) -> Iterator[None]:
    """Raise ``DiskError`` for what cannot be written or read of a run, or where it is gone."""
    try:
        with explained(run.staging.path, state_dir()):
            yield
    except (OSError, RunnerError):
        sealed = run.staging.final.exists()
        if not sealed and not (run.staging.path / layout.JOURNAL).exists():
            raise EngineError(
                f"{run.staging.path} is gone: something else has removed or renamed it, and with "
                "it what had ended; run the manifest again"
            ) from None
        raise


def ways_on(staging: layout.Staging) -> str:
    """How an unfinished run is gone on with, and how it is sealed as it is."""
    folder = shlex.quote(str(staging.path))
    return (
        "What has ended is kept. To go on with the run:\n"
        f"    phasehub resume {folder}\n"
        "To seal its hub as it is, without the rest:\n"
        f"    phasehub seal {folder}"
    )
