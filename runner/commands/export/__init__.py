"""`phasehub export HUB --to FORMAT`: a hub's knobs, numbers and curves in what other tools read.

A format is a module with one function, ``write``; a tool's library is imported by that alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from runner.commands.export.runs import ExportedHub, exported
from runner.core.errors import ExportError
from runner.verify.checked_hub import open_checked


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What was asked for."""

    hub: Path
    to: str
    """One of ``MODULES``."""
    output: Path | None = None


MODULES = {
    "csv": "csv_files",
    "mlflow": "mlflow_store",
    "tensorboard": "tensorboard_logs",
}
ADDED_TO = ("mlflow",)
"""Formats whose store takes one hub after another; all others make a new folder."""


def export(request: ExportRequest) -> Path:
    """Write the hub, every file that is read held against its checksum; what was written.

    Raises ``VerificationError`` for a hub that cannot be read and ``ExportError`` where the format
    cannot be written.
    """
    hub = exported(open_checked(request.hub))
    write: Callable[[ExportedHub, Path], None] = import_module(
        f"{__name__}.{MODULES[request.to]}"
    ).write
    target = request.output or Path(usual_name(hub, request.to))
    if request.to not in ADDED_TO:
        _make(target)
    write(hub, target)
    return target


def usual_name(hub: ExportedHub, to: str) -> str:
    """Where an export is written if nothing else is said."""
    return f"{to}.db" if to in ADDED_TO else f"{hub.name.replace('/', '-')}-{to}"


def _make(folder: Path) -> None:
    """Make the folder, which must not be there yet."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise ExportError(
            f"{folder} exists already; remove it, or name another with --output"
        ) from None
    except OSError as error:
        raise ExportError(
            f"{folder} cannot be made: {error.strerror}; name another with --output"
        ) from None
