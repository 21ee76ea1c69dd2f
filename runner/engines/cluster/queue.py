"""Slurm's queue by its own commands: put a job into it, look at it, take jobs out of it.

A job is known by its name, which no other has, so that one whose submission got no answer is found
again. Whatever the user's own jobs are, one call tells of all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from runner.core.errors import EngineError, EngineLostError
from runner.core.programs import NO_ANSWER, answer_of

COMMANDS = ("sbatch", "squeue", "scancel")
ANSWER_S = 30.0
"""The longest wait for the answer of one command, s."""
AGAIN_S = 1.0
"""Time between two submissions of the same job while the controller does not answer, s."""
END_S = 60.0
"""The longest wait for jobs to be gone that were cancelled, s; Slurm kills after 30 s."""
ENDED = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)
"""States of a job that will not go on; one that we do not know is none of them."""
SILENT = (
    *("unable to contact", "timed out", "connect failure", "connection refused", "no route"),
    NO_ANSWER,
)
"""What the commands say where the controller is away. Anything else is its answer."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A job in the queue, also for some minutes after its end."""

    name: str
    number: str
    state: str
    reason: str
    comment: str

    @property
    def lives(self) -> bool:
        """Whether it may still leave a result."""
        return self.state not in ENDED


class Queue:
    """The jobs of this user. ``every_s`` is the time between two looks that nobody insists on."""

    def __init__(self, *, every_s: float, patience_s: float) -> None:
        self._every_s, self._patience_s = every_s, patience_s
        self._seen: Mapping[str, Entry] = {}
        self._seen_s = self._tried_s = float("-inf")
        self._submitted_s: dict[str, float] = {}
        self._silent_since: float | None = None

    def submit(self, name: str, options: Sequence[str], script: str) -> None:
        """Put a job into the queue; never twice, whatever becomes of the answers.

        Raises ``EngineError`` where it is refused and ``EngineLostError`` where nobody answers.
        """
        deadline = time.monotonic() + self._patience_s
        while True:
            done = run(["sbatch", f"--job-name={name}", *options], given=script)
            if done.returncode == 0:
                break
            if not _is_silence(done):
                raise EngineError(f"sbatch refuses it: {_said(done)}")
            if time.monotonic() >= deadline:
                raise EngineLostError(_away(done))
            time.sleep(AGAIN_S)
            try:
                if name in self.look():
                    break
            except EngineLostError:
                continue
        self._submitted_s[name] = time.monotonic()

    def entry(self, name: str) -> Entry | None:
        """A job as it was last seen; ``None`` where the queue does not know it any more.

        A look is at most ``every_s`` old, or as old as the controller has been silent. Raises
        ``EngineLostError`` once that is longer than the patience.
        """
        if time.monotonic() - self._tried_s >= self._every_s:
            self._refresh()
        found = self._seen.get(name)
        if found is None and self._seen_s <= self._submitted_s.get(name, float("-inf")):
            return _on_its_way(name)
        return found

    def _refresh(self) -> None:
        try:
            self.look()
        except EngineLostError:
            now = time.monotonic()
            if self._silent_since is None:
                self._silent_since = now
            if now - self._silent_since >= self._patience_s:
                raise

    @property
    def is_silent(self) -> bool:
        """Whether the last look got no answer."""
        return self._silent_since is not None

    def look(self) -> Mapping[str, Entry]:
        """All of this user's jobs by their names, now. Raises ``EngineLostError``."""
        began_s = time.monotonic()
        form = "--format=%j|%A|%T|%r|%k"
        done = run(["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", form])
        self._tried_s = time.monotonic()
        if done.returncode != 0:
            raise EngineLostError(_away(done))
        found: dict[str, Entry] = {}
        for line in done.stdout.splitlines():
            name, number, state, reason, comment = line.split("|", 4)
            entry = Entry(name=name, number=number, state=state, reason=reason, comment=comment)
            if name not in found or not found[name].lives:
                found[name] = entry
        self._seen, self._seen_s, self._silent_since = found, began_s, None
        return found

    def look_patiently(self) -> Mapping[str, Entry]:
        """The same, asked again while nobody answers. Raises ``EngineLostError`` in the end."""
        deadline = time.monotonic() + self._patience_s
        while True:
            try:
                return self.look()
            except EngineLostError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(AGAIN_S)

    def end(self, names: Collection[str]) -> None:
        """Cancel jobs, and wait until none of them runs, or for ``END_S``.

        Raises ``EngineLostError``.
        """
        for name in names:
            done = run(["scancel", f"--user={os.getuid()}", f"--name={name}"])
            if done.returncode != 0 and _is_silence(done):
                raise EngineLostError(_away(done))
        deadline, pause_s = time.monotonic() + END_S, 0.1
        while names and time.monotonic() < deadline:
            seen = self.look()
            if not any(name in seen and seen[name].lives for name in names):
                return
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 2.0)


def has_commands() -> bool:
    """Whether this machine can ask a queue."""
    return all(map(shutil.which, COMMANDS))


def require_commands() -> None:
    """Raise ``EngineError`` where a command is missing."""
    for name in COMMANDS:
        if shutil.which(name) is None:
            raise EngineError(
                f"there is no {name} on this machine; run on a login node of the cluster, or use "
                "--engine docker or --engine process"
            )


def has_gpus(options: Sequence[str]) -> bool:
    """Whether a node of the partition that the options name has GPUs; yes if nobody can say."""
    partition = [word for word in options if word.startswith("--partition=")]
    done = run(["sinfo", "--noheader", "--format=%G", *partition])
    return done.returncode != 0 or "gpu" in done.stdout


def version() -> str:
    """Slurm's version, as its commands tell it."""
    return run(["squeue", "--version"]).stdout.strip() or "unknown"


def _on_its_way(name: str) -> Entry:
    """A job that was submitted after the last look."""
    return Entry(name=name, number="", state="PENDING", reason="", comment="")


def _environment() -> dict[str, str]:
    """Ours, without what a job that we may be in was given, which would count as options."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "SQUEUE_"))}
    named = {k: v for k, v in os.environ.items() if k == "SLURM_CONF"}
    return kept | named | {"LC_ALL": "C"}


def run(words: Sequence[str], *, given: str = "") -> subprocess.CompletedProcess[str]:
    """Ask one of Slurm's commands; one that does not answer in time has a status that is not 0."""
    return answer_of(words, environment=_environment(), within_s=ANSWER_S, given=given)


def _is_silence(done: subprocess.CompletedProcess[str]) -> bool:
    return any(words in done.stderr.lower() for words in SILENT)


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return "; ".join(line.strip() for line in lines[-3:]) or f"exit status {done.returncode}"


def _away(done: subprocess.CompletedProcess[str]) -> str:
    return f"Slurm's controller does not answer ({_said(done)}); see `scontrol ping`"
