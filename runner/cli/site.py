"""Verbs about the cluster that phasehub is used on."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.cli.options import AsJson
from runner.cli.output import print_json, print_text, say
from runner.cli.root import app

site = typer.Typer(help="The cluster here.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(site, name="site")


@site.command(name="check")
def site_check(
    gpu: Annotated[bool, typer.Option("--gpu", help="Ask for a GPU.")] = False,
    wait: Annotated[
        float, typer.Option(metavar="S", min=1, help="Longest time for the job to end.")
    ] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Submit a job of a moment, and say what works: queue, folder, clock, GPU."""
    from runner.commands.site_check import check_site

    found = check_site(gpu=gpu, wait_s=wait, say=say)
    if as_json:
        print_json(dict(found))
        return
    for name, text in found:
        print_text(f"{name:<11} {text}")
