"""Faults and the moments at which they come: a case is one of each, and must lose nothing."""

import itertools
import os
import random
import signal
import time
from dataclasses import dataclass

from runner.engines import processes
from runner.engines.supervisor import descendants
from runner.hub.records.arm import ArmRecord
from runner.phase.unfinished import Records, is_final
from tests.faults.phase import Begun, arms, phasehub, remains, results

PAUSE_S = 0.5
"""How long a process is frozen, s."""


def has(pattern):
    return lambda run: run.has(pattern)


def told(event, name):
    return lambda run: run.told(event, name)


MOMENTS = {
    "declared": has(".run-*/run.json"),
    "an engine is there": has(".run-*/engine.json"),
    "the dataset is made": has(".run-*/datasets/dataset.json"),
    "an arm is to start": told("intended", "one"),
    "an arm runs": told("started", "two"),
    "an arm has ended": told("ended", "one"),
    "an arm is on record": told("concluded", "one"),
    "two are on record": told("concluded", "two"),
    "all are on record": told("concluded", "three"),
    "the record is written": has(".staging-*/hub.json"),
    "the sums are written": has(".staging-*/SHA256SUMS"),
}


def send(*numbers):
    def fault(run):
        for number in numbers:
            run.runner.send_signal(number)

    return fault


def freeze(run):
    run.runner.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE_S)
    run.runner.send_signal(signal.SIGCONT)


def to_supervisors(*numbers):
    def fault(run):
        _each([processes.pid_of(one.identity) for one in run.supervisors()], numbers)

    return fault


def to_jobs(*numbers):
    def fault(run):
        pids = [processes.pid_of(one.identity) for one in run.supervisors()]
        _each([inner for pid in pids for inner in descendants(pid)], numbers)

    return fault


def _each(pids, numbers):
    for number in numbers:
        for pid in pids:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue
        time.sleep(PAUSE_S if len(numbers) > 1 else 0)


def then_kill(fault):
    def both(run):
        fault(run)
        run.runner.kill()

    return both


OF_RUNNER = {
    "kill -9": send(signal.SIGKILL),
    "INT": send(signal.SIGINT),
    "TERM": send(signal.SIGTERM),
    "HUP": send(signal.SIGHUP),
    "INT, INT": send(signal.SIGINT, signal.SIGINT),
    "TERM, TERM": send(signal.SIGTERM, signal.SIGTERM),
    "HUP, HUP": send(signal.SIGHUP, signal.SIGHUP),
    "INT, kill -9": send(signal.SIGINT, signal.SIGKILL),
    "STOP, CONT": freeze,
}
OF_JOBS = {
    "kill -9 of the supervisors": to_supervisors(signal.SIGKILL),
    "STOP, CONT of the supervisors": to_supervisors(signal.SIGSTOP, signal.SIGCONT),
    "kill -9 of supervisors and runner": then_kill(to_supervisors(signal.SIGKILL)),
    "kill -9 of the jobs": to_jobs(signal.SIGKILL),
    "STOP, CONT of the jobs": to_jobs(signal.SIGSTOP, signal.SIGCONT),
}
FAULTS = OF_RUNNER | OF_JOBS
KILLS_JOBS = "kill -9 of the jobs"
SEALED, INTERRUPTED = 1, 130
"""No arm of the phase keeps the contract, so that a run to the end exits with 1."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One fault at one moment, or after so many seconds."""

    fault: str
    moment: str | float

    def __str__(self):
        return f"{self.fault} @ {self.moment}"

    def wait(self, run):
        if isinstance(self.moment, str):
            run.wait_for(MOMENTS[self.moment])
        else:
            time.sleep(self.moment)


EVERY = (
    *(Case(fault=f, moment=m) for f, m in itertools.product(OF_RUNNER, MOMENTS)),
    *(Case(fault=fault, moment="an arm runs") for fault in OF_JOBS),
)


def drawn(number, seed, longest_s):
    """So many cases: those of the table in another order, and kills at moments by chance."""
    chance = random.Random(seed)
    table = chance.sample(EVERY, len(EVERY))
    for place in range(number):
        if place % 2 == 0 and table:
            yield table.pop()
        else:
            fault = chance.choice(list(OF_RUNNER))
            yield Case(fault=fault, moment=round(chance.uniform(0, longest_s), 2))


def attempt(case, folder, interpreter, undisturbed):
    """Have a run, its fault, and whatever finishes it; what was wrong with that, a line each."""
    run = Begun(folder, interpreter)
    case.wait(run)
    if run.runner.poll() is None:
        FAULTS[case.fault](run)
    code = run.end()
    return [
        *told_wrongly(run, code),
        *(finish(run) if run.is_unfinished else tidy(run)),
        *compare(case, run, undisturbed),
    ]


def told_wrongly(run, code):
    """What the run's last words and its exit status do not agree with."""
    said = run.said.read_text(errors="replace")
    if "a bug" in said:
        yield f"a bug: {said[-600:]}"
    if code == -signal.SIGKILL or not (run.hubs or run.is_unfinished):
        return
    if run.is_unfinished and code != INTERRUPTED:
        yield f"exit status {code}, and the run is not sealed"
    if run.is_unfinished and f"phasehub resume {run.staging.path}\n" not in said:
        yield f"the last lines do not say how to go on: {said[-400:]}"
    if run.hubs and code != SEALED:
        yield f"exit status {code}, and the run is sealed"


def finish(run):
    """Resume a run: what is on record stays as it is."""
    kept = Records(run.staging.state / "arms", ArmRecord)
    before = {name: arm.attempts for name, arm in kept.items() if is_final(arm)}
    done = run.resume()
    if done.returncode != SEALED or not run.hubs:
        yield f"resume exits with {done.returncode}: {done.stderr[-600:]}"
        return
    for name, attempts in before.items():
        if arms(run.hubs[0])[name].attempts != attempts:
            yield f"{name} was on record and was run again"


def tidy(run):
    """Remove what a run has left that was killed before it began, or after its seal."""
    done = phasehub("clean", "--yes", "--out", run.artifacts)
    if done.returncode != 0:
        yield f"clean exits with {done.returncode}: {done.stderr[-600:]}"


def compare(case, run, undisturbed):
    """What of the sealed hub is not as of a run that nothing disturbed, and what it left."""
    if left := remains(run.folder):
        yield f"left: {left}"
    if not run.hubs:
        return
    (hub,) = run.hubs
    found, expected = results(hub), undisturbed
    if case.fault == KILLS_JOBS:
        killed = {name: arm for name, arm in arms(hub).items() if arm.status == "failed"}
        if any("SIGKILL" not in arm.message for arm in killed.values()):
            yield "a job that was killed does not say so"
        found, expected = without(found, killed), without(expected, killed)
    if found != expected:
        differing = sorted({path for path, _ in found.items() ^ expected.items()})
        yield f"other files than undisturbed: {differing}"


def without(files, names):
    """The files of a hub that are not of these arms."""
    folders = tuple(f"arms/{name}/" for name in names)
    return {path: one for path, one in files.items() if not path.startswith(folders)}
