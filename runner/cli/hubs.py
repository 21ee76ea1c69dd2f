"""Verbs about sealed hubs: list them, look into them, hold them against what they say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from runner.cli.options import AsJson, ExportName, HubPath, Out, all_named
from runner.cli.output import print_fitting, print_json, print_text
from runner.cli.root import app
from runner.core.errors import VerificationError


@app.command(name="list")
def list_hubs(out: Out = Path("artifacts"), as_json: AsJson = False) -> None:
    """List the sealed hubs."""
    from runner.hub.layout import find_hubs
    from runner.report.hub_text import render_list

    hubs = find_hubs(out)
    if as_json:
        from runner.commands.facts import of_hubs

        print_json(of_hubs(hubs))
        return
    print_fitting(lambda: render_list(hubs))


@app.command()
def show(hub: HubPath, as_json: AsJson = False) -> None:
    """Show what a hub holds: arms, verdict, environment."""
    from runner.report.hub_text import render_show
    from runner.verify.sealed_hub import SealedHub

    sealed = SealedHub(folder=hub)
    try:
        statistics = sealed.statistics
    except VerificationError as error:
        statistics = None
        print(error, file=sys.stderr)
    if as_json:
        from runner.commands.facts import of_hub

        print_json(of_hub(sealed.record, statistics))
        return
    print_fitting(lambda: render_show(sealed.record, statistics))


@app.command(name="open")
def open_hub(hub: HubPath) -> None:
    """Show a hub's report in the browser. The last line is the report's path."""
    from runner.commands.opening import open_report

    print(open_report(hub))


@app.command()
def report(
    hubs: Annotated[
        list[Path],
        typer.Argument(metavar="HUB...", callback=all_named, help="Folders of sealed hubs."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="New file, outside of the hubs.")],
) -> None:
    """Regenerate a hub's report, or one of several hubs. The last line is its path."""
    from runner.commands import report as reporting

    print(reporting.report(reporting.ReportRequest(hubs=tuple(hubs), out=out)))


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where hubs are kept.")] = Path(
        "artifacts"
    ),
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="Of 127.0.0.1; 0: any free one.")
    ] = 8470,
) -> None:
    """Browse hubs and active runs, on this machine alone.

    It ends with Ctrl-C.

    It reads and writes nothing. The line on stdout is the address.
    """
    from runner.commands import serving

    serving.serve(folder, port, lambda address: print(address, flush=True))


@app.command()
def verify(
    hub: HubPath,
    signers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Insist on a signature by one of these; ssh-keygen(1)."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a hub against its checksum.

    And whether what the files say is consistent.
    """
    from runner.commands.verify import verify as verify_hub

    found = verify_hub(hub, signers)
    if as_json:
        print_json(found.table())
    else:
        for line in found.lines:
            print_text(line)
    if found.problem is not None:
        raise VerificationError(found.problem)


@app.command()
def diff(
    before: HubPath,
    after: HubPath,
    as_json: AsJson = False,
) -> None:
    """Explain what differs between two hubs.

    Plan, environment, artifacts, metrics.

    Exits with 0 when every deterministic file is the same, with 4 when not.
    """
    from runner.compare.diff import diff as diff_hubs
    from runner.compare.diff import render

    found = diff_hubs(before, after)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_fitting(lambda: render(found))
    raise typer.Exit(0 if found.identical else VerificationError.exit_code)


@app.command()
def export(
    hub: HubPath,
    to: Annotated[ExportName, typer.Option(help="csv, or a tool whose library is installed.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="PATH", help="New folder; for mlflow, a store."),
    ] = None,
) -> None:
    """Write a hub's knobs, scores and curves for another tool. The last line is the path."""
    from runner.commands import export as exporting

    print(exporting.export(exporting.ExportRequest(hub=hub, to=to.value, output=output)))
