"""Verbs that start jobs about sealed hubs: reproduce them, look into weights, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from runner.cli.options import (
    AllowBaseImage,
    AllowLimits,
    AsJson,
    Device,
    DeviceName,
    Engine,
    HubPath,
    Interpreter,
    Quiet,
    all_named,
)
from runner.cli.output import print_fitting, print_json
from runner.cli.root import app
from runner.engines.kinds import EngineName


@app.command()
def reproduce(
    hub: HubPath,
    arm: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM", help="Run this arm again, not all; may be repeated."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="auto: the one that the hub was made by, if it is usable.")
    ] = EngineName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to, in place of reproductions/ beside the phases."),
    ] = None,
    python: Interpreter = None,
    signers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Insist on a signature by one of these; ssh-keygen(1)."),
    ] = None,
    foreign_code_here: Annotated[
        bool,
        typer.Option(
            "--run-foreign-code-on-this-machine",
            help="With --engine process: let a stranger's code run as you, outside a container.",
        ),
    ] = False,
    allow_limits: AllowLimits = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="Let the arms that ask for it reach a network.")
    ] = False,
    allow_dockerfile: Annotated[
        bool,
        typer.Option("--allow-dockerfile", help="Build by a Dockerfile that is not phasehub's."),
    ] = False,
    allow_base_image: AllowBaseImage = False,
    as_json: AsJson = False,
    _quiet: Quiet = False,
) -> None:
    """Run a sealed hub again and compare the bits. The last line on stdout is the new hub."""
    from runner.commands import reproduction
    from runner.verify.trust import Consent

    consent = Consent(
        foreign_code_here=foreign_code_here,
        limits=allow_limits,
        network=allow_network,
        dockerfile=allow_dockerfile,
        base_image=allow_base_image,
    )
    path, exit_code = reproduction.reproduce(
        reproduction.ReproduceRequest(
            hub=hub,
            arms=tuple(arm or ()),
            engine=engine.value,
            out=out,
            python=python,
            signers=signers,
            consent=consent,
        )
    )
    if as_json:
        from runner.commands.facts import of_reproduction

        print_json(of_reproduction(path))
    else:
        print(path)
    raise typer.Exit(exit_code)


@app.command()
def diagnose(
    hub: HubPath,
    arm: Annotated[str, typer.Argument(metavar="ARM", help="An arm of the hub.")],
    moment: Annotated[
        int | None,
        typer.Option("--epoch", metavar="N", help="Weights of the end of this epoch, from 0."),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="last, best, or another that is stored."),
    ] = None,
    engine: Engine = EngineName.auto,
    device: Device = DeviceName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder, in place of one beside the hub."),
    ] = None,
    python: Interpreter = None,
    allow_limits: AllowLimits = False,
    allow_base_image: AllowBaseImage = False,
) -> None:
    """Analyse stored weights, layer by layer. The last line on stdout is the reports' folder."""
    from runner.commands import diagnose as diagnoses
    from runner.verify.trust import Consent

    if moment is not None and checkpoint is not None:
        raise typer.BadParameter("give --epoch or --checkpoint, not both")
    path, exit_code = diagnoses.diagnose(
        diagnoses.DiagnoseRequest(
            hub=hub,
            arm=arm,
            moment=moment,
            checkpoint=checkpoint,
            engine=engine.value,
            device=device.value,
            out=out,
            python=python,
            consent=Consent(limits=allow_limits, base_image=allow_base_image),
        )
    )
    print(path)
    raise typer.Exit(exit_code)


@app.command()
def compare(
    hubs: Annotated[
        list[Path],
        typer.Argument(metavar="HUB...", callback=all_named, help="Folders of sealed hubs."),
    ],
    engine: Engine = EngineName.auto,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for the page, statistics and plots."),
    ] = None,
    python: Interpreter = None,
    as_json: AsJson = False,
) -> None:
    """Compare the arms of several hubs, with statistics.

    One table of all arms, and what else differs between the hubs.
    """
    from runner.commands import compare as comparisons
    from runner.report.folding import markdown_in_columns

    text, table = comparisons.compare(
        comparisons.CompareRequest(hubs=tuple(hubs), engine=engine.value, python=python, out=out)
    )
    if as_json:
        print_json(table)
        return
    print_fitting(lambda: markdown_in_columns(text).removesuffix("\n"))
