"""The command line, wherever phasehub lies: `phasehub`, and `python -m phasehub`."""

from __future__ import annotations

import sys
from typing import NoReturn

from phasehub._own import sources


def main() -> NoReturn:
    """Run the command line, with phasehub's sources before all other modules of that name."""
    sys.path.insert(0, str(sources()))
    from runner.cli import main as run

    run()


if __name__ == "__main__":
    main()
