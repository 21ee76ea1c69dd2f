"""Verbs about runs that have begun and are not sealed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.options import AsJson, Detach, Jobs, Out, Quiet, side_by_side_of
from runner.cli.output import print_fitting, print_json, print_text, say
from runner.cli.phases import leave_terminal
from runner.cli.root import app

UnfinishedRun = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN]", help="Its folder; the only unfinished one if left out."),
]
RunUnderWay = Annotated[
    Path | None,
    typer.Argument(metavar="[RUN]", help="Its folder; the only run under way if left out."),
]


@app.command()
def status(out: Out = Path("artifacts"), as_json: AsJson = False) -> None:
    """List unfinished runs and their progress.

    Runs that have begun and are not sealed.
    """
    from runner.commands import status as statuses

    if as_json:
        print_json([one.table() for one in statuses.status(out)])
        return
    for one in statuses.status(out):
        print_fitting(one.text)


@app.command()
def attach(
    run: RunUnderWay = None,
    out: Out = Path("artifacts"),
) -> None:
    """Show what a run without a terminal says, until it ends. Ctrl-C ends the showing alone.

    The exit status is the run's, and the last line on stdout the hub's path.
    """
    from runner.commands import attach as attaching

    hub, exit_code = attaching.attach(run, out, say)
    if hub is not None:
        print(hub)
    raise typer.Exit(exit_code)


@app.command()
def stop(
    run: RunUnderWay = None,
    out: Out = Path("artifacts"),
) -> None:
    """Stop an active run, as Ctrl-C does.

    It can be resumed.
    """
    from runner.commands import attach as attaching

    hub = attaching.stop(run, out, say)
    if hub is not None:
        print(hub)


@app.command()
def resume(
    run: UnfinishedRun = None,
    out: Out = Path("artifacts"),
    detach: Detach = False,
    jobs: Jobs = "auto",
    _quiet: Quiet = False,
) -> None:
    """Resume a run that was cut short, and seal its hub. The last line is the hub's path."""
    if detach:
        leave_terminal()
    from runner.commands import resume as resuming

    hub, exit_code = resuming.resume(run, out, side_by_side_of(jobs))
    print(hub)
    raise typer.Exit(exit_code)


@app.command()
def seal(
    run: UnfinishedRun = None,
    out: Out = Path("artifacts"),
    _quiet: Quiet = False,
) -> None:
    """Seal the hub of a run that was cut short with what has ended. It cannot go on after that.

    Jobs that still run are stopped. The last line on stdout is the hub's path.
    """
    from runner.commands import seal as sealing

    print(sealing.seal(run, out))


@app.command()
def clean(
    out: Out = Path("artifacts"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, rather than list it.")] = False,
    caches: Annotated[
        bool, typer.Option("--caches", help="Caches and images, which are made again if needed.")
    ] = False,
    unused_days: Annotated[
        float, typer.Option(metavar="N", min=0, help="Of --caches, those unused for N days.")
    ] = 30,
    as_json: AsJson = False,
) -> None:
    """List, or remove with --yes, what dead runs have left.

    Folders, containers, processes.

    Nothing is touched that another user, another machine or a run that is alive has made.
    With --caches: what was kept to save time, below PHASEHUB_STATE and in the Docker daemon.
    """
    from runner.commands import clean as cleaning

    found = (
        cleaning.clean_caches(unused_days, remove=yes, say=say)
        if caches
        else cleaning.clean(out, remove=yes, say=say)
    )
    if as_json:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        print_text(str(one))
