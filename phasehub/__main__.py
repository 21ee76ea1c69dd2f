"""The command line, wherever phasehub lies: `phasehub`, and `python -m phasehub`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

PACKAGE = Path(__file__).resolve().parent
BUNDLE = PACKAGE / "sources"
"""What ``setup.py`` puts into a wheel; a checkout has none, and is used itself."""


def sources() -> Path:
    """The folder that holds ``runner/``, ``models/`` and the Dockerfile."""
    return BUNDLE if BUNDLE.is_dir() else PACKAGE.parent


def main() -> NoReturn:
    """Run the command line, with phasehub's sources before all other modules of that name."""
    sys.path.insert(0, str(sources()))
    from runner.cli import main as run

    run()


if __name__ == "__main__":
    main()
