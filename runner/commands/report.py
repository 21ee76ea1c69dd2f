"""`phasehub report HUB…`: the page of sealed hubs, made afresh, to a file beside them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner import __version__
from runner.core.errors import ExportError, VerificationError
from runner.core.files import write_durably
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.report.comparison import report_comparison
from runner.report.pages import Afresh, render
from runner.report.view import make_view
from runner.verify.baselines import Baseline, open_hub
from runner.verify.bundled_source import bundled_baselines
from runner.verify.sealed_hub import SealedHub, distinct


@dataclass(frozen=True, kw_only=True)
class ReportRequest:
    """What the user asked for on the command line."""

    hubs: tuple[Path, ...]
    out: Path


def report(request: ReportRequest) -> Path:
    """Write the page of one hub, or of several side by side; its path. No hub is changed.

    Raises:
        VerificationError: A folder is no hub, or is not as it was sealed.
        ExportError: The page cannot be written there: something is there, or it is in a hub.
    """
    out = request.out.parent.resolve() / request.out.name  # a link is not followed
    refuse_place(out)
    text = page_of(request.hubs, lambda folder: os.path.relpath(folder.resolve(), out.parent))
    try:
        write_durably(out, text.encode())
    except OSError as error:
        raise ExportError(
            f"{out} cannot be written: {error.strerror}; name another file"
        ) from error
    return request.out


def page_of(folders: Sequence[Path], at: Callable[[Path], str]) -> str:
    """The page of one hub, or of several side by side; ``at`` is where links to a folder lead.

    Raises ``VerificationError`` where one is no hub, or is not as it was sealed.
    """
    hubs = [_intact(hub.folder) for hub in distinct(folders)]
    afresh = [_afresh(hub, at(hub.folder)) for hub in hubs]
    return _of_one(hubs[0], afresh[0]) if len(hubs) == 1 else report_comparison(hubs, afresh)


def refuse_place(out: Path) -> None:
    """Raise ``ExportError`` where a page would take another file's place, or change a hub."""
    if os.path.lexists(out):
        raise ExportError(f"{out} is there already; name a file that is not")
    for folder in out.parents:
        if (folder / CHECKSUMS).exists():
            raise ExportError(
                f"{out} is in {folder}, which is sealed: nothing is added to it; name a file "
                "elsewhere"
            )


def _intact(folder: Path) -> Baseline:
    """A hub of which every file is as it was sealed."""
    hub = open_hub(folder)
    if hub.facts.problem:
        raise VerificationError(f"{folder}: {hub.facts.problem}")
    return hub


def _afresh(hub: Baseline, at: str) -> Afresh:
    return Afresh(
        version=__version__,
        hub=hub.facts.name,
        sha256=hub.facts.checksums_sha256,
        at=at,
    )


def _of_one(hub: Baseline, afresh: Afresh) -> str:
    earlier = [one.record for one in bundled_baselines(hub.folder, hub.record)]
    view = make_view(hub.record, earlier, SealedHub(folder=hub.folder).statistics)
    return render(layout.REPORT, view, hub.folder, afresh)
