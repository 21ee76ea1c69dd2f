"""A whole phase through its engine, killed at random and gone on with: the same bits or not.

``python -m tests.faults.exercise manifests/phase11.toml --out FOLDER [--kills 5] [--seed 7]
[--restart COMMAND] [-- options of phasehub run]``. The phase runs once undisturbed and once
with as many kill -9 of its runner, each after a number of arms and some seconds that are drawn;
after the middle one ``COMMAND`` is run, which restarts the daemon. Prints what was done when, and
compares the deterministic files of the two hubs.
"""

import argparse
import random
import shlex
import subprocess
import sys
import time
from pathlib import Path

from runner.hub import layout
from tests.faults.phase import LONGEST_S, ROOT, results

LONGEST_DELAY_S = 10.0
"""Between the end of an arm and the kill, at most, s."""
PAUSE_S = 0.2


class Exercise:
    """One run of a phase below a folder of its own, by as many processes as it takes."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)

    def start(self, *words):
        with (self.folder / "said").open("ab") as said:
            self.runner = subprocess.Popen(
                [sys.executable, "-m", "runner", *words, "--out", self.folder],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip

    @property
    def ended(self):
        """How many arms are on record."""
        staging = next(iter(layout.all_staged(self.folder)), None)
        return len(list((staging.state / "arms").glob("*.json"))) if staging else 0

    def wait_for_arms(self, number):
        """Wait until so many have ended; whether the runner is there still."""
        while self.runner.poll() is None and self.ended < number:
            time.sleep(PAUSE_S)
        return self.runner.poll() is None

    def hub(self):
        """The sealed hub, once the runner has ended."""
        code = self.runner.wait()
        (hub,) = layout.find_hubs(self.folder)
        print(f"  sealed as {hub.name}, exit status {code}", flush=True)
        return hub


def disturb(run, kills, restart):
    """Kill the runner after so many arms and seconds, resume; restart the daemon in the middle."""
    for place, (number, delay_s) in enumerate(kills):
        there = run.wait_for_arms(number)
        time.sleep(delay_s if there else 0)
        if run.runner.poll() is not None:
            print(f"  kill {place + 1}: the run had ended before", flush=True)
            return
        run.runner.kill()
        run.runner.wait(LONGEST_S)
        print(f"  kill -9 {delay_s:.1f} s after arm {number}; {run.ended} had ended", flush=True)
        run.start("resume")
        if restart and place == len(kills) // 2:
            run.wait_for_arms(run.ended + 1)
            subprocess.run(shlex.split(restart), check=True)
            print(f"  the daemon was restarted; {run.ended} arms had ended", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.faults.exercise")
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--arms", type=int, default=80)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=20261123)
    parser.add_argument("--restart", help="what restarts the daemon")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    asked, options = parser.parse_args(given[:end]), given[end + 1 :]
    chance = random.Random(asked.seed)
    after = sorted(chance.sample(range(1, asked.arms - 1), asked.kills))
    kills = [(number, chance.uniform(0, LONGEST_DELAY_S)) for number in after]
    words = ("run", asked.manifest, *options)
    hubs = []
    for name in ("undisturbed", "disturbed"):
        print(name, flush=True)
        began = time.monotonic()
        run = Exercise(asked.out / name)
        run.start(*words)
        if name == "disturbed":
            disturb(run, kills, asked.restart)
        hubs.append(run.hub())
        print(f"  {time.monotonic() - began:.0f} s", flush=True)
    one, other = map(results, hubs)
    differing = sorted({path for path, _ in one.items() ^ other.items()})
    print(f"{len(one)} deterministic files, {len(differing)} differ: {differing}")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
