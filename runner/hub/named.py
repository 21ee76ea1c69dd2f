"""Hubs by name: a phase for its newest hub, or ``latest`` for the newest of all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from runner.core.errors import NoHubError
from runner.core.names import HUB_NAME, SAFE_NAME
from runner.core.text import briefly
from runner.hub.layout import find_hubs

LATEST = "latest"
ARTIFACTS = Path("artifacts")


def named_hub(given: Path, artifacts: Path = ARTIFACTS) -> Path:
    """The folder of a hub that is given by its folder or by a name.

    What is there is a folder. Else ``latest`` is the newest sealed hub below ``artifacts``,
    ``phase8`` the newest of that phase, whatever its profile, and ``phase8/2026-01-30T050000Z``
    that very hub. Raises ``NoHubError`` for a name that no hub has; what cannot be a name
    is returned as it is, for its reader to refuse.
    """
    word = given.as_posix()
    if os.path.lexists(given):
        return given
    if HUB_NAME.fullmatch(word):
        return artifacts / word if (artifacts / word).is_dir() else given
    if not re.fullmatch(SAFE_NAME[1:-1], word):
        return given
    hubs = find_hubs(artifacts, None if word == LATEST else word)
    if not hubs:
        raise NoHubError(_none(word, artifacts))
    return max(hubs, key=lambda hub: hub.name)


def _none(word: str, artifacts: Path) -> str:
    phases = sorted({hub.parent.name for hub in find_hubs(artifacts)})
    what = "" if word == LATEST else f" of a phase {word}"
    known = f"; there are hubs of {briefly(phases)}" if phases else ""
    return (
        f"{word} is no folder, and there is no sealed hub{what} below {artifacts}{known}; "
        "`phasehub list` names them with their paths"
    )
