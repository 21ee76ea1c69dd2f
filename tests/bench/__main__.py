"""Speed as ratios, both sides measured in turn within one run: `nox -s bench`.

Absolute times belong to the machine and the hour; the ratio is what to compare between versions.
"""

from __future__ import annotations

import argparse

from tests.bench import (
    auditing,
    checkpointing,
    determinism,
    engines,
    phase,
    planning,
    portability,
    queue,
    sealing,
    steps,
)

PARTS = {
    "steps": steps.measure,
    "determinism": determinism.measure,
    "checkpointing": checkpointing.measure,
    "engines": engines.measure,
    "phase": phase.measure,
    "sealing": sealing.measure,
    "planning": planning.measure,
    "auditing": auditing.measure,
    "portability": portability.measure,
    "slurm": queue.measure,
}


def main() -> None:
    """Run the parts that are named, all by default, and print one table each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    for name in parser.parse_args().parts or PARTS:
        PARTS[name]()


if __name__ == "__main__":
    main()
