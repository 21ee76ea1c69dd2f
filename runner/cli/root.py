"""The command itself, to which the verbs belong."""

from __future__ import annotations

from typing import Annotated

import typer

from runner.core.errors import EXIT_CODES

EXITS = "\n".join(["\b", "Exit status:", *(f"  {n:3}  {what}" for n, what in EXIT_CODES.items())])
NAMES_OF_HELP = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="phasehub",
    no_args_is_help=True,
    epilog=EXITS,
    context_settings=NAMES_OF_HELP,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from runner import __version__

        print(f"phasehub {__version__}")
        raise typer.Exit


@app.callback()
def phasehub(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Controlled experiments: a phase manifest in, one sealed and verifiable hub out."""
