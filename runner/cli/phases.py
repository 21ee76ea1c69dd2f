"""Verbs about a manifest: check it, plan it, run it, lock it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO, cast

import typer

from runner.cli.options import (
    AsJson,
    Detach,
    Device,
    DeviceName,
    Engine,
    Interpreter,
    Jobs,
    ManifestPath,
    Only,
    Out,
    Profile,
    Quiet,
    Reuse,
    SetOver,
    Signers,
    Why,
    WithOptional,
    side_by_side_of,
)
from runner.cli.output import print_fitting, print_json
from runner.cli.root import app
from runner.core.text import Screen
from runner.engines.kinds import EngineName

if TYPE_CHECKING:
    from runner.commands.reuse_preview import ReusePreview
    from runner.plan.model import Plan


@app.command()
def check(
    manifest: ManifestPath,
    profile: Profile = None,
    set_over: SetOver = None,
    as_json: AsJson = False,
) -> None:
    """Check a manifest and name everything that is wrong with it.

    With --set also whether that can be set over the phase, or over the profile that is named.
    """
    from runner.manifest.model import load

    loaded = load(manifest, set_over=set_over or [], profile=profile)
    variant = loaded.variant(profile)
    if as_json:
        from runner.commands.facts import of_manifest

        print_json(of_manifest(manifest, loaded, variant))
        return
    arms = variant.arms
    names = ", ".join(arm.name for arm in arms[:20])
    more = f" and {len(arms) - 20:,} more" if len(arms) > 20 else ""
    print_fitting(lambda: f"{manifest}: phase {loaded.manifest.phase.name}, arms {names}{more}")
    for remark in loaded.remarks():
        print_fitting(f"note: {remark}".strip)


@app.command()
def plan(
    manifest: ManifestPath,
    profile: Profile = None,
    set_over: SetOver = None,
    only: Only = None,
    with_optional: WithOptional = False,
    device: Device = DeviceName.auto,
    jobs: Jobs = "auto",
    engine: Engine = EngineName.auto,
    reuse: Reuse = None,
    why: Why = None,
    signers: Signers = None,
    as_json: AsJson = False,
) -> None:
    """Show what a manifest would run; run nothing.

    With --reuse it says of each arm whether `run` would take it from a hub, as far as that is
    known before.
    """
    side_by_side = side_by_side_of(jobs)
    from runner.engines.kinds import is_elsewhere
    from runner.hub.records.registered import as_registered
    from runner.jobs.devices import choose_device
    from runner.jobs.sites import chosen_engine, queue_use
    from runner.manifest.model import load
    from runner.plan.make import asks_for_gpu, make_plan
    from runner.report.plan_text import render_plan
    from runner.report.schedule_text import render_schedule

    loaded = load(manifest, set_over=set_over or [], profile=profile)
    where = chosen_engine(engine.value, loaded)
    chosen, _ = choose_device(
        device,
        wants_gpu=asks_for_gpu(loaded, profile),
        engine=where.name,
        project=loaded.project,
    )
    made = make_plan(
        loaded, profile=profile, only=only or [], with_optional=with_optional, device=chosen
    )
    registered = [as_registered(finding) for finding in loaded.registered]
    foreseen = _foreseen(made, where.name, reuse or [], why or [], signers, loaded.project)
    if as_json:
        from runner.commands.facts import of_plan

        table = {**of_plan(made, registered), "engine": where.name}
        if reuse:
            table["reuse"] = [one.table() for one in foreseen]
        print_json(table)
        return
    print_fitting(lambda: render_plan(made, registered))
    print()
    in_queue = queue_use(loaded.project).side_by_side if is_elsewhere(where.name) else None
    if where.by:
        print_fitting(lambda: f"{where}\n")
    print_fitting(lambda: render_schedule(made.arms, side_by_side, in_queue))
    for one in foreseen:
        print("", *one.lines(), sep="\n")


def _foreseen(
    plan: Plan,
    engine: str,
    reuse: list[Path],
    why: list[str],
    signers: Path | None,
    project: Path | None,
) -> list[ReusePreview]:
    if why and not reuse:
        raise typer.BadParameter("--why needs the hubs that are asked: --reuse HUB")
    if not reuse:
        return []
    from runner.commands.reuse_preview import preview_reuse

    return preview_reuse(
        plan, engine=engine, reuse=reuse, why=why, signers=signers, project=project
    )


@app.command()
def run(
    manifest: ManifestPath,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    profile: Profile = None,
    set_over: SetOver = None,
    only: Only = None,
    with_optional: WithOptional = False,
    out: Out = Path("artifacts"),
    python: Interpreter = None,
    jobs: Jobs = "auto",
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast/--keep-going", help="Begin no further arm once one has failed."),
    ] = False,
    retries: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            max=20,
            help="Start a job again that could not be started or that others have ended.",
        ),
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign the hub with this SSH key.")
    ] = None,
    locked: Annotated[
        bool, typer.Option("--locked", help="Refuse whatever is not as `lock` has written it down.")
    ] = False,
    reuse: Reuse = None,
    why: Why = None,
    signers: Signers = None,
    detach: Detach = False,
    _quiet: Quiet = False,
) -> None:
    """Run a phase and seal its hub. The last line on stdout is the hub's path.

    With --detach it is the run's folder, and the command ends once the run has begun.
    """
    if detach:
        leave_terminal()
    from runner.phase.execute import run_phase
    from runner.phase.run import Request

    hub, exit_code = run_phase(
        Request(
            manifest=manifest,
            engine=engine.value,
            device=device.value,
            profile=profile,
            set_over=tuple(set_over or ()),
            only=tuple(only or ()),
            with_optional=with_optional,
            artifacts=out,
            python=python,
            signing_key=sign,
            locked=locked,
            reuse=tuple(reuse or ()),
            why=tuple(why or ()),
            signers=signers,
            jobs=side_by_side_of(jobs),
            fail_fast=fail_fast,
            retries=retries,
        )
    )
    print(hub)
    raise typer.Exit(exit_code)


@app.command()
def lock(
    manifest: ManifestPath,
    profile: Profile = None,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    python: Interpreter = None,
) -> None:
    """Write a lock file: image, packages, source, plan, data.

    The last line on stdout is the lock file's path; `run --locked` refuses to differ from it.
    """
    from runner.commands import lock as locking

    print(
        locking.lock(
            locking.LockRequest(
                manifest=manifest,
                profile=profile,
                engine=engine.value,
                device=device.value,
                python=python,
            )
        )
    )


def leave_terminal() -> None:
    """Go on in a process without a terminal; this one says how to follow it, and ends."""
    from runner.commands.attach import leave

    if (exit_code := leave()) is not None:
        raise typer.Exit(exit_code)
    sys.stderr = cast("TextIO", Screen(cast("TextIO", sys.__stderr__)))  # --quiet is for terminals
