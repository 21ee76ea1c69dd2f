"""Faults by the hundred: `nox -s faults -- --cases 200 [--seed 7]`; a line for each that fails."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.cases import attempt, drawn
from tests.faults.phase import Begun, light_interpreter, results


def main():
    parser = argparse.ArgumentParser(prog="nox -s faults --")
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20260128)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="phasehub-faults-") as folder:
        sys.exit(try_all(asked.cases, asked.seed, Path(folder)))


def try_all(number, seed, folder):
    """Print how many cases of each fault held and failed; 1 if any failed."""
    interpreter = light_interpreter(folder / "interpreter")
    began = time.monotonic()
    run = Begun(folder / "undisturbed", interpreter)
    run.end()
    undisturbed, took_s = results(run.hubs[0]), time.monotonic() - began
    held, failed = Counter(), Counter()
    for place, case in enumerate(drawn(number, seed, took_s)):
        wrong = attempt(case, folder / str(place), interpreter, undisturbed)
        (failed if wrong else held)[case.fault] += 1
        for line in wrong:
            print(f"{case}: {line}", flush=True)
    for fault in sorted(held | failed):
        print(f"{fault:36} {held[fault]:4} held {failed[fault]:4} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    main()
