"""Arguments and options that several verbs have."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from runner.engines.kinds import EngineName


class DeviceName(StrEnum):
    """Devices that can be asked for."""

    auto = "auto"
    cuda = "cuda"
    cpu = "cpu"


class ExportName(StrEnum):
    """What hubs can be exported to."""

    csv = "csv"
    mlflow = "mlflow"
    tensorboard = "tensorboard"
    wandb_offline = "wandb-offline"


def _be_quiet(wanted: bool) -> None:
    """Let nothing be said while the verb runs; errors are, behind it."""
    if wanted:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the end


def _named(hub: Path) -> Path:
    from runner.hub.named import named_hub

    return named_hub(hub)


def all_named(hubs: list[Path] | None) -> list[Path]:
    """The folders of hubs that may be named by their phase."""
    return [_named(hub) for hub in hubs or []]


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_be_quiet, is_eager=True, help="Say nothing but errors."
    ),
]
ManifestPath = Annotated[Path, typer.Argument(metavar="MANIFEST", help="A phase's TOML file.")]
HubPath = Annotated[
    Path,
    typer.Argument(
        metavar="HUB", callback=_named, help="Folder of a sealed hub, a phase, or latest."
    ),
]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="Run this smaller variant of the phase.")
]
SetOver = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Set a knob over the manifest, such as resources.threads=2; may be repeated.",
    ),
]
Reuse = Annotated[
    list[Path] | None,
    typer.Option(metavar="HUB", help="Take arms from it, or from hubs in it, that are the same."),
]
Why = Annotated[
    list[str] | None, typer.Option(metavar="ARM", help="Explain why this arm is not reused.")
]
Signers = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Reuse only what one of these signed; ssh-keygen(1)."),
]
Only = Annotated[
    list[str] | None, typer.Option(metavar="ARM", help="Run this arm only; may be repeated.")
]
WithOptional = Annotated[bool, typer.Option("--with-optional", help="Run the optional arms, too.")]
Engine = Annotated[
    EngineName,
    typer.Option(
        help="auto: as phasehub.toml says, else docker when a daemon answers, else process. slurm: "
        "a cluster's nodes."
    ),
]
Interpreter = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH",
        help="Interpreter of jobs outside of containers, in place of the locked environment.",
    ),
]
Device = Annotated[DeviceName, typer.Option(help="Where to compute; cuda insists on a GPU.")]
Jobs = Annotated[
    str,
    typer.Option(
        metavar="N|auto",
        help="Jobs side by side; auto: as many as cores, memory and other runs leave room for.",
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where hubs are kept.")]
Detach = Annotated[
    bool, typer.Option("--detach", help="Go on without this terminal; `attach` follows the run.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON in place of text.")]
AllowLimits = Annotated[
    bool, typer.Option("--allow-limits", help="Grant the hub limits beyond the defaults.")
]
AllowBaseImage = Annotated[
    bool,
    typer.Option("--allow-base-image", help="Fetch the base image from where the hub says."),
]


def side_by_side_of(jobs: str) -> int | None:
    """The number of ``--jobs``; ``None`` for ``auto``."""
    if jobs == "auto":
        return None
    if jobs.isascii() and jobs.isdecimal() and 0 < len(jobs) <= 4 and int(jobs):
        return int(jobs)
    raise typer.BadParameter(f"--jobs: expected auto or a number from 1 to 9999, got {jobs!r}")
