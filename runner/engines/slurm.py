"""Jobs on the nodes of a cluster, through Slurm: what a process of this machine sees, elsewhere.

A job is laid out like one of the process engine, in folders that all nodes share, and its
supervisor runs on the node. What counts is what that leaves there; the queue only tells that
nothing will come. Slurm's own are ``cluster.queue`` (submit by name, look at all, cancel),
``cluster.words`` (what its states mean) and ``cluster.request`` (what a job asks for); an engine
for another scheduler would have its own of these, see docs/adr/0022-slurm.md.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from runner.core.errors import EngineError, EngineLostError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES
from runner.core.text import Say
from runner.engines import Needs, process
from runner.engines.base import Handle, Launch, Outcome
from runner.engines.cluster import accounting, node, queue, words
from runner.engines.cluster.queue import Entry, Queue
from runner.engines.cluster.request import options, script
from runner.engines.cluster.use import QueueUse, RuntimeName
from runner.engines.ending import Ending, conclude, missing_result
from runner.engines.runtimes.protocol import Runtime
from runner.engines.views import (
    ending_of,
    fresh_view,
    has_ended,
    view_of,
)

PREFIX = "phasehub"
TICK_S, TICK_PER_JOB_S = 0.1, 0.005
"""Time between two looks at the folders, s: at least, and for each, as a server may hold them."""


class SlurmEngine:
    """Submits jobs that a runtime starts on the nodes."""

    name = "slurm"

    def __init__(self, runtime: Runtime, use: QueueUse, say: Say) -> None:
        self._runtime, self._use, self._say = runtime, use, say
        self._queue = Queue(every_s=use.every_s, patience_s=use.patience_s)
        self._since: dict[tuple[str, str], float] = {}
        self._concluded: set[str] = set()

    @property
    def isolated(self) -> bool:
        """Whether jobs run in containers on their nodes."""
        return self._runtime.isolated

    @property
    def side_by_side(self) -> int:
        """How many jobs are in the queue at a time."""
        return self._use.side_by_side

    def check(self) -> None:
        """Raise ``EngineError`` where Slurm's commands are missing or nobody answers them."""
        self.check_queue()
        self._runtime.check()

    def check_queue(self) -> None:
        """The same without a look at what jobs run in."""
        queue.require_commands()
        self._queue.look()

    def start(self, launch: Launch) -> Handle:
        """Lay the job out and put it into the queue.

        Raises ``EngineError`` where it cannot be, ``EngineLostError`` where nobody answers.
        """
        view = fresh_view(launch)
        self._require_shared(launch)
        if launch.num_gpus and not self.isolated:  # a container is shown no others
            launch = replace(launch, environment={**launch.environment, node.GPUS: node.ASSIGNED})
        key = f"{PREFIX}-{launch.labels.get('run', 'none')}-{launch.name}-{secrets.token_hex(4)}"
        try:
            self._runtime.lay_out(view, launch)
        except OSError as error:
            remove_tree(view)
            raise EngineError(
                f"{launch.name} could not be laid out: {error}. Look at the rights and the room "
                "where its folders lie"
            ) from None
        try:
            asked = options(launch, self._runtime.prepare_s)
            self._queue.submit(key, [*asked, *self._use.options], script(view, launch))
        except EngineLostError:
            raise  # it may be in the queue, and finds its folder
        except EngineError:
            remove_tree(view)
            raise
        return Handle.of(launch, engine=self.name, id=key)

    def _require_shared(self, launch: Launch) -> None:
        shared = self._use.shared
        seen = [SOURCES, Path(sys.prefix), launch.out_dir, *filter(None, [launch.data_dir])]
        seen += self._runtime.places
        for path in seen:
            if shared is not None and not path.resolve().is_relative_to(shared.resolve()):
                raise EngineError(
                    f"{path} is not below {shared}, which the site file says the nodes share; "
                    "put phasehub, PHASEHUB_STATE and --out below it"
                )

    def poll(self, handle: Handle) -> Outcome | None:
        """``None`` while a result may come; afterwards how the job ended, until ``stop``."""
        outcome = self._outcome(handle)
        if outcome is not None:
            self._runtime.take_back(Path(handle.out_dir))
        return outcome

    def _outcome(self, handle: Handle) -> Outcome | None:
        view = view_of(Path(handle.out_dir))
        if has_ended(view):
            return self._by_record(handle, view)
        entry = self._queue.entry(handle.id)
        if self._queue.is_silent:
            self._say_once(handle, "silence", "Slurm's controller does not answer; jobs go on")
            return None
        if entry is not None and entry.lives:
            return self._waiting(handle, entry)
        if self._lasts(handle, "no result") < self._use.settle_s:
            # A list of its names makes a network's file system look again.
            with suppress(OSError):
                list(view.iterdir())
            return None
        return words.ended_without_result(handle, entry or _accounted(handle))

    def _by_record(self, handle: Handle, view: Path) -> Outcome | None:
        try:
            ending = ending_of(view)
        except ValueError as error:
            message = f"its supervisor left {error}; run the phase again"
            return replace(words.ended_without_result(handle, None), message=message)
        if not words.is_from_outside(ending):
            if self._awaits_files(handle, ending):
                return None
            self._concluded.add(handle.id)
            return conclude(handle, ending)
        return self._from_outside(handle, ending)

    def _awaits_files(self, handle: Handle, ending: Ending) -> bool:
        """Whether a success lacks its result: word of its end may be the first to come."""
        out_dir = Path(handle.out_dir)
        if ending.exit_code != 0 or ending.killed_for or missing_result(out_dir) is None:
            return False
        with suppress(OSError):
            list(out_dir.iterdir())
        return self._lasts(handle, "no files") < self._use.settle_s

    def _from_outside(self, handle: Handle, ending: Ending) -> Outcome | None:
        """The end of a job that got a signal: whose that was, the queue knows in a moment."""
        entry = self._queue.entry(handle.id)
        unclear = self._queue.is_silent or (entry is not None and entry.lives)
        if unclear and self._lasts(handle, "signal") < self._sure_s:
            return None
        if entry is None:
            entry = _accounted(handle)
        if entry is not None and (words.is_by_others(entry) or ending.killed_for == "stop"):
            outcome = words.ended_without_result(handle, entry)
            return replace(outcome, started_at=ending.started_at, exit_code=ending.exit_code)
        return conclude(handle, ending)

    def _waiting(self, handle: Handle, entry: Entry) -> Outcome | None:
        self._since.pop((handle.id, "no result"), None)
        if self._was_requeued(handle, entry):
            return words.ended_without_result(handle, entry)
        if words.has_no_nodes(entry):
            text = f"{handle.name}: its job {entry.number} waits for nodes ({entry.reason})"
            self._say_once(handle, "nodes", f"{text}; `sinfo -R` tells why, and others may follow")
        if not words.is_stuck(entry):
            self._since.pop((handle.id, "held"), None)
            return None
        held_s = self._use.held_s
        self._say_once(
            handle,
            "held",
            f"{handle.name}: its job {entry.number} is held in the queue ({entry.reason}); it is "
            f"given up after {held_s:g} s. `scontrol release {entry.number}` may let it go",
        )
        if self._lasts(handle, "held") < held_s:
            return None
        return words.stuck(handle, entry, held_s)

    def _was_requeued(self, handle: Handle, entry: Entry) -> bool:
        """Whether a job waits that had begun."""
        begun = view_of(Path(handle.out_dir)) / node.BEGUN
        if not words.is_waiting(entry) or not begun.exists():
            self._since.pop((handle.id, "requeued"), None)
            return False
        return self._lasts(handle, "requeued") >= self._sure_s

    @property
    def _sure_s(self) -> float:
        """After this long what the queue was seen to say is no older than what the folder says."""
        return self._use.settle_s + self._use.every_s

    def _lasts(self, handle: Handle, what: str) -> float:
        """How long something has been so of a job, s."""
        now = time.monotonic()
        return now - self._since.setdefault((handle.id, what), now)

    def _say_once(self, handle: Handle, what: str, text: str) -> None:
        key = (handle.id if what == "held" else "", what)
        if key not in self._since:
            self._since[key] = time.monotonic()
            self._say(text)

    def in_words(self, handle: Handle) -> str:
        """What the queue says of a job, for people."""
        entry = self._queue.entry(handle.id)
        return "the queue does not know it" if entry is None else f"{entry.state} ({entry.reason})"

    def wait(self, handles: Collection[Handle], at_most_s: float) -> None:
        """Return as soon as one of the jobs has left word of its end, or after ``at_most_s``."""
        deadline = time.monotonic() + at_most_s
        views = [view_of(Path(one.out_dir)) for one in handles]
        while time.monotonic() < deadline and not any(map(has_ended, views)):
            time.sleep(max(TICK_S, TICK_PER_JOB_S * len(views)))

    def stop(self, handle: Handle) -> None:
        """Cancel the job unless it has ended, wait until it is gone, and remove its folder."""
        view = view_of(Path(handle.out_dir))
        if view.exists() and handle.id not in self._concluded:
            self._queue.end([handle.id])
            self._runtime.take_back(Path(handle.out_dir))
        remove_tree(view)

    def adopt(self, handle: Handle) -> bool:
        """Whether the job waits or runs, or has left word of how it ended."""
        view = view_of(Path(handle.out_dir))
        if has_ended(view):
            return True
        entry = self._queue.look_patiently().get(handle.id)
        return has_ended(view) or (entry is not None and entry.lives and view.is_dir())

    def remove_leftovers(self, run_id: str, spare: Collection[str] = ()) -> list[str]:
        """Cancel every job of a run but those to spare; their names."""
        spared = {*spare, *self._concluded}
        found = [one.name for one in jobs_of(run_id, self._queue) if one.name not in spared]
        self._queue.end(found)
        return sorted(found)

    def describe(self) -> dict[str, object]:
        """The facts of the runtime, whose limits these are, and of the queue."""
        return {
            **self._runtime.describe(),
            "scheduler": queue.version(),
            "options": list(self._use.options),
        }


def _accounted(handle: Handle) -> Entry | None:
    """A job that has left the queue, as the accounting remembers it."""
    return accounting.ended_as(handle.id, handle.started_at)


def jobs_of(run_id: str, known: Queue) -> Iterator[Entry]:
    """The jobs of a run that wait or run."""
    for entry in known.look_patiently().values():
        if entry.lives and entry.name.startswith(f"{PREFIX}-{run_id}-"):
            yield entry


def has_gpus(use: QueueUse) -> bool:
    """Whether jobs can have GPUs where they run; yes if nobody can say."""
    return queue.has_gpus(use.options)


def all_jobs() -> Iterator[tuple[Entry, Mapping[str, str]]]:
    """Every job of this user that a runner has submitted and that has not ended; its labels.

    None where there are no commands of Slurm. Raises ``EngineLostError``.
    """
    known = Queue(every_s=0.0, patience_s=0.0).look() if queue.has_commands() else {}
    for entry in known.values():
        if entry.lives and entry.name.startswith(f"{PREFIX}-"):
            with suppress(ValueError):
                labels = json.loads(entry.comment)
                if isinstance(labels, dict):
                    yield entry, {str(key): str(value) for key, value in labels.items()}


def cancel(entry: Entry) -> None:
    """Cancel a job that nobody follows, and wait until it is gone. Raises ``EngineLostError``."""
    Queue(every_s=0.0, patience_s=0.0).end([entry.name])


def open_engine(needs: Needs) -> SlurmEngine:
    """The engine with the runtime of the site: on an interpreter, or on an image, made if need be.

    Raises ``EngineError`` as ``locked_python`` and ``build`` do.
    """
    queue.require_commands()
    use = needs.queue or QueueUse()
    return SlurmEngine(open_runtime(needs, use.runtime), use, needs.say)


def open_runtime(needs: Needs, name: RuntimeName) -> Runtime:
    """The runtime of that name. Raises ``EngineError``."""
    if name == "process":
        return process.open_engine(needs)
    from runner.engines.runtimes.contained import open_contained  # takes Docker's library

    return open_contained(needs, name)
