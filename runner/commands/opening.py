"""`phasehub open HUB`: its report in the browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from runner.core.errors import VerificationError
from runner.hub import layout
from runner.verify.checked_hub import open_checked


def open_report(hub: Path) -> Path:
    """Show a hub's report in the browser, if there is one; the report's path.

    Raises ``VerificationError`` where the hub has none, or not the one that was sealed.
    """
    checked = open_checked(hub)
    if layout.REPORT not in checked.digests:
        raise VerificationError(
            f"{hub} has no {layout.REPORT}; `phasehub show` prints what it says"
        )
    checked.read(layout.REPORT)
    report = hub / layout.REPORT
    webbrowser.open(report.resolve().as_uri())
    return report
