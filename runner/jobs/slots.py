"""Where jobs may run now: shares of the cores, and GPUs under locks that live with their jobs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from runner.core import locks
from runner.engines import gpus
from runner.plan.estimates import gibibytes, needed_bytes
from runner.plan.model import Job

AGAIN_S = 0.4
"""Time before GPUs that could not be had are asked for again, s."""
BUSY_BYTES = 1 << 30
"""Memory of a GPU that the driver and a desktop may take; beyond it somebody computes there."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Slot:
    """What one job has to itself: GPUs, or else a share of the cores."""

    job: Job
    gpu_ids: tuple[str, ...] = ()
    locks: tuple[int, ...] = ()
    """Descriptors that hold the locks of GPUs or cores. A process of the job's has them, too."""


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What the jobs of one run may take together, and where it is locked against other runs.

    A core is a lock, as a GPU is, and what a killed runner leaves running keeps it. Memory needs
    none: what others use is not free.
    """

    cores: int
    memory_bytes: int
    of_machine: int
    """Cores of the machine, of which runs of another affinity may use others."""
    folder: Path | None
    """``None`` where no locks can be: then other runs are not minded."""

    def has_room(
        self, job: Job, running: Sequence[Job], needed: Callable[[Job], int] = needed_bytes
    ) -> bool:
        """Whether cores and memory are left for a job beside those that run; alone, always."""
        together = (job, *running)
        return not running or (
            sum(one.execution.threads for one in together) <= self.cores
            and sum(map(needed, together)) <= self.memory_bytes
        )

    def lock_cores(self, number: int) -> tuple[int, ...] | None:
        """So many cores that no other run uses; ``None`` where there are not as many."""
        if self.folder is None:
            return ()
        with ExitStack() as undone:
            found: list[int] = []
            for index in range(self.of_machine):
                if (descriptor := locks.take(self.folder, f"core-{index}")) is not None:
                    undone.callback(os.close, descriptor)
                    found.append(descriptor)
                if len(found) == number:
                    undone.pop_all()
                    return tuple(found)
        return None

    def who(self) -> str | None:
        """Who else holds cores; ``None`` where nobody is seen to."""
        if self.folder is None:
            return None
        found = [locks.holder(self.folder, f"core-{index}") for index in range(self.of_machine)]
        ours = f"held by process {os.getpid()} "
        return "; ".join(sorted({one for one in found if one and not one.startswith(ours)})) or None


class Slots:
    """As many jobs as ``side_by_side`` and ``shares`` allow, where they are given; always one.

    Jobs that run ``elsewhere`` get none of this machine's GPUs.

    GPUs are locked one job at a time, all that it needs or none, when it is about to start. Those
    whose memory others use are passed over, and ``note`` is called once for each.
    """

    def __init__(
        self,
        side_by_side: int | None = None,
        *,
        shares: Shares | None = None,
        gpu_ids: Sequence[str] = (),
        folder: Path | None = None,
        note: Callable[[str], object] = lambda _text: None,
        elsewhere: bool = False,
    ) -> None:
        self.waits_for: str | None = None
        """Which job waits for whom, in a sentence, where that is somebody else's run."""
        self._side_by_side = side_by_side
        self._elsewhere = elsewhere
        self._shares = shares
        self._gpu_ids = tuple(gpu_ids)
        self._folder = folder
        self._note = note
        self._taken: list[Slot] = []
        self._needs: dict[str, int] = {}
        self._ours: set[str] = set()
        """GPUs of which no note is due: we have used them, or it was given."""
        self._again_s = self._cores_again_s = 0.0

    def take(self, job: Job) -> Slot | None:
        """A slot for the job; ``None`` where it has to wait.

        Raises ``EngineError`` as ``locks.take``.
        """
        if self._side_by_side is not None and len(self._taken) >= self._side_by_side:
            return None
        if job.execution.device != "cuda" or self._elsewhere:
            return self._share(job)
        if time.monotonic() < self._again_s:
            return None
        slot = self._lock(job)
        if slot is None:
            self._again_s = time.monotonic() + AGAIN_S
            who = self._who()
            self.waits_for = f"{job.name} waits for a GPU: {who}" if who else None
            return None
        self.waits_for = None
        return self._give(slot)

    def take_over(self, job: Job, gpu_ids: tuple[str, ...]) -> Slot:
        """The slot of a job that runs already. Its locks are its own, where it has any."""
        folder = self._lock_folder() if gpu_ids else None
        found = [locks.take(folder, one) for one in gpu_ids] if folder else []
        held = tuple(descriptor for descriptor in found if descriptor is not None)
        return self._give(Slot(job=job, gpu_ids=gpu_ids, locks=held))

    def give_back(self, slot: Slot) -> None:
        """Have others take the slot: its job is gone."""
        self._taken.remove(slot)
        self._again_s = self._cores_again_s = 0.0
        for descriptor in slot.locks:
            locks.release(descriptor)  # who has it, too, may be leaving still
        _close(slot)

    def close(self) -> None:
        """Give everything back; what still runs keeps its locks."""
        while self._taken:
            _close(self._taken.pop())

    def _give(self, slot: Slot) -> Slot:
        self._taken.append(slot)
        self._ours.update(slot.gpu_ids)
        return slot

    def _lock_folder(self) -> Path:
        return self._folder or locks.place().folder

    def _share(self, job: Job) -> Slot | None:
        """A share of cores and memory for the job; one without, where nothing else of ours runs."""
        if self._shares is None:
            return self._give(Slot(job=job))
        running = [slot.job for slot in self._taken if not slot.gpu_ids]
        threads = min(job.execution.threads, self._shares.cores)
        if not self._shares.has_room(job, running, self._needed):
            return None
        if running and time.monotonic() < self._cores_again_s:
            return None
        held = self._shares.lock_cores(threads)
        if held is None:
            self._cores_again_s = time.monotonic() + AGAIN_S
        if held is None and running:
            who = self._shares.who()
            self.waits_for = f"jobs wait for cores, which are {who}" if who else None
            return None
        return self._give(Slot(job=job, locks=held or ()))

    def _needed(self, job: Job) -> int:
        """Memory that a job will take, bytes; asked for often, of each of a thousand that wait."""
        if job.name not in self._needs:
            self._needs[job.name] = needed_bytes(job)
        return self._needs[job.name]

    def _lock(self, job: Job) -> Slot | None:
        """The GPUs that a job needs, none of them another runner's or a stranger's; or nothing."""
        number = max(1, job.resources.gpus)
        folder = self._lock_folder()
        with ExitStack() as undone:
            found: dict[str, int] = {}
            for gpu_id in self._gpu_ids:
                if (descriptor := locks.take(folder, gpu_id)) is None:
                    continue
                if self._is_busy(gpu_id):
                    os.close(descriptor)
                    continue
                undone.callback(os.close, descriptor)
                found[gpu_id] = descriptor
                if len(found) == number:
                    undone.pop_all()
                    return Slot(job=job, gpu_ids=tuple(found), locks=tuple(found.values()))
        return None

    def _is_busy(self, gpu_id: str) -> bool:
        """Whether somebody computes there who holds no lock."""
        used = gpus.used_bytes().get(gpu_id) or 0
        if used <= BUSY_BYTES:
            return False
        if gpu_id not in self._ours:
            self._ours.add(gpu_id)
            self._note(
                f"{gpu_id} is passed over while others use {gibibytes(used)} of its memory; see "
                "`nvidia-smi`"
            )
        return True

    def _who(self) -> str | None:
        """Whom a job waits for; ``None`` where it is one of this run."""
        if any(slot.gpu_ids for slot in self._taken):
            return None
        folder = self._lock_folder()
        return "; ".join(
            f"{gpu_id} is {locks.holder(folder, gpu_id) or 'used by others without a lock'}"
            for gpu_id in self._gpu_ids
        )


def _close(slot: Slot) -> None:
    for descriptor in slot.locks:
        os.close(descriptor)
