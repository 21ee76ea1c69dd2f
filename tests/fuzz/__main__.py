"""Hostile inputs by the thousand: `nox -s fuzz -- --cases 20000 [--target hubs] [--seed 7]`.

The only outcomes allowed are the right answer and an error of the runner that names the place and
the remedy, in bounded time and memory. A case is its target, seed and number; `--only` runs one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.fuzz import corpus, harness, targets
from tests.fuzz.harness import Found, Judge, Tally


def main() -> int:
    """Run what is asked for; 1 if anything was found."""
    asked = parsed()
    below = Path(tempfile.mkdtemp(prefix="phasehub-fuzz-", dir=disk()))
    sys.dont_write_bytecode = True
    try:
        known = targets.load(below / "seeds")
        if asked.only is not None:
            return replay(asked, known, below)
        tallies = [past(asked, known, below)] if asked.past or not asked.target else []
        for name in () if asked.past else asked.target or known:
            cases = asked.cases if asked.target else known[name].share(asked.cases)
            numbers = [(asked.seed, number) for number in range(asked.first, asked.first + cases)]
            tallies.append(run(asked, name, known[name].judge, numbers, below))
    finally:
        shutil.rmtree(below, ignore_errors=True)
    cases, findings = sum(t.cases for t in tallies), sum(len(t.found) for t in tallies)
    print(f"{cases} cases, {findings} distinct findings")
    return int(findings > 0)


def run(
    asked: argparse.Namespace, name: str, judge: Judge, numbers: list[tuple[int, int]], below: Path
) -> Tally:
    """Run cases of a target and tell of each finding as it comes."""
    tally = harness.run_many(
        name, judge, numbers, jobs=asked.jobs, below=below, wall_s=asked.patience,
        tell=lambda found: print(told(found, full=not asked.brief), flush=True),
    )  # fmt: skip
    print(line(tally))
    for found in tally.found.values():
        one = found.finding
        print(f"  {found.times} times: {one.kind}: {one.told[:90]} in {one.place}", flush=True)
    return tally


def past(asked: argparse.Namespace, known: dict[str, targets.Target], below: Path) -> Tally:
    """Everything that was ever found."""
    tally = Tally(target="past")
    seeds = known["hubs"].seeds
    numbers = [(0, number) for number in range(len(corpus.cases(seeds[-1])))]
    parts = [run(asked, "recipes", corpus.judges(seeds), numbers, below)]
    triples = json.loads((Path(__file__).parent / "corpus.json").read_text())
    for name in dict.fromkeys(target for target, _, _ in triples):
        numbers = [(seed, number) for target, seed, number in triples if target == name]
        parts.append(run(asked, name, known[name].judge, numbers, below))
    for part in parts:
        tally.cases += part.cases
        tally.found |= part.found
    return tally


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=2000, help="all together, or of each --target")
    parser.add_argument("--target", action="append", choices=sorted((*targets.NAMES, "recipes")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--past", action="store_true", help="only what was ever found")
    parser.add_argument("--only", type=int, help="run the case of this number in this process")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument(
        "--patience", type=float, default=harness.WALL_S, help="s until a case hangs"
    )
    parser.add_argument("--brief", action="store_true", help="no tracebacks")
    return parser.parse_args()


def disk() -> str | None:
    """Memory, where the machine offers it as a disk."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def replay(asked: argparse.Namespace, known: dict[str, targets.Target], below: Path) -> int:
    """One case, with all that it did."""
    from tests.fuzz.watch import Watch

    (name,) = asked.target
    judge = known[name].judge if name in known else corpus.judges(known["hubs"].seeds)
    report = harness.run_one(name, judge, asked.seed, asked.only, below, Watch())
    print("\n".join(report.done), f"exit codes {report.codes}", sep="\n")
    for finding in report.findings:
        print(f"{finding.kind}: {finding.told}\n  {finding.place}\n{finding.detail}")
    return int(bool(report.findings))


def line(tally: Tally) -> str:
    """A target in a line."""
    pace = tally.cases / max(tally.seconds, 1e-9)
    return (
        f"{tally.target}: {tally.cases} cases in {tally.seconds:.0f} s, {pace:.0f} a second, "
        f"{len(tally.found)} distinct findings; exit codes {dict(tally.codes.most_common())}"
    )


def told(found: Found, *, full: bool) -> str:
    """A finding with how to see it again."""
    one = found.finding
    again = (
        f"python -m tests.fuzz --target {found.target} --seed {found.seed} --only {found.number}"
    )
    lines = [f"--- {one.kind}: {one.told}", f"    in {one.place}; {again}"]
    lines += [f"    {done[:300]}" for done in found.done]
    lines += [f"      {text}" for text in one.detail.splitlines()[-14:]] if full else []
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
