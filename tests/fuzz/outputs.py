"""What a hostile arm leaves in its output folder: collected, and made into the arm's record."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from runner.core.digest import pretty_json
from runner.engines.base import Outcome
from runner.hub.record import HubRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.collection import RESULT
from runner.manifest.rule_parser import parse
from runner.phase import arms
from runner.phase.captures import stored_checkpoints
from runner.plan.model import Plan
from runner.report import write_reports
from tests.fuzz.folders import digests, put, spoil
from tests.fuzz.outcome import Case, Finding, pages, watched
from tests.fuzz.seeds import Seed
from tests.fuzz.values import dumped, mutate
from tests.fuzz.watch import Watch

UNLISTED = (RESULT, "job.json")


def judge(seeds: list[Seed]) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over the arms of these hubs."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        seed = case.random.choice(seeds)
        folder = case.work / "attempt"
        plan = Plan.model_validate_json((seed.folder / "plan.json").read_bytes())
        job = case.random.choice(plan.arms)
        attempt = lay_out(job, folder=folder, labels={})
        fill(attempt, seed.folder / "arms" / job.name)
        spoil_output(case.random, attempt, case.done, case.secret)
        if case.random.random() < 0.5:
            attempt.launch.log_path.write_bytes(
                b"\x1b[31m\xffred\x00\n" * case.random.choice((1, 50, 5_000))
            )
        rules = [parse(rule["rule"]) for rule in seed.record["arms"][0]["rules"]]
        answer = watched(case, watch, lambda: _conclude(case, attempt, seed, rules))
        yield from (one for one in answer.findings if one.kind != "control")
        yield from pages(case.out)

    return run


def fill(attempt: Attempt, left: Path) -> None:
    """Put what an honest job left into the output folder, as that of this attempt."""
    for name, _ in digests(left).items():
        if name != "job.json":
            put(attempt.launch.out_dir / name, (left / name).read_bytes())
    path = attempt.launch.out_dir / RESULT
    if path.is_file():
        table = json.loads(path.read_bytes())
        put(path, dumped(table | {"job_sha256": attempt.job_sha256}))


def spoil_output(random: Random, attempt: Attempt, done: list[str], secret: Path) -> None:
    """Change one to three files of an output; ``result.json`` follows most of the time."""
    out = attempt.launch.out_dir
    names = [name for name in digests(out) if name not in UNLISTED]
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice([RESULT, *names])
        path = out / name
        if not path.is_file() or path.is_symlink() or path.stat().st_size > 10**7:
            continue
        if random.random() < 0.3 or not name.endswith(".json"):
            done.append(spoil(out, name, random, secret))
            continue
        try:
            value = json.loads(path.read_bytes())
        except (ValueError, RecursionError):  # nested by a change before
            continue
        value, told = mutate(value, random)
        done.append(f"{name}: {told}")
        put(path, dumped(value))
    if random.random() < 0.75:
        _relist(out)


def _relist(out: Path) -> None:
    """Let ``result.json`` tell digests and sizes as they are."""
    path = out / RESULT
    try:
        table = json.loads(path.read_bytes()) if path.is_file() and not path.is_symlink() else None
        now = digests(out)
        for entry in table["files"] if table else ():
            if entry["path"] in now:
                entry |= {
                    "sha256": now[entry["path"]],
                    "bytes": (out / entry["path"]).stat().st_size,
                }
        if table:
            put(path, dumped(table))
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        AssertionError,
        UnicodeError,
    ):
        return


def _conclude(case: Case, attempt: Attempt, seed: Seed, rules: list[object]) -> None:
    """The record of the arm, and the pages of the hub that it would be part of."""
    now = time.time()
    outcome = Outcome(status="succeeded", exit_code=0, message="", started_at=now, ended_at=now)
    folder = case.out / "staging"
    record = arms.conclude(attempt, outcome, folder=folder, stage="stage_a", rules=rules)  # type: ignore[arg-type]
    print(arms.describe(record))
    try:
        stored_checkpoints(folder / "arms" / attempt.job.name)
    except ValueError as error:
        print(error)
    if case.number % 8:
        return
    whole = HubRecord.model_validate_json((seed.folder / "hub.json").read_bytes())
    others = tuple(one for one in whole.arms if one.name != record.name)
    changed = whole.model_copy(update={"arms": (*others, record), "summary": None, "steps": ()})
    write_reports(changed, folder, [])
    pretty_json(changed.model_dump(mode="json"))
