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
from runner.plan.estimates import gibibytes
from runner.plan.model import Job

AGAIN_S = 0.4
"""Time before GPUs that could not be had are asked for again, s."""
BUSY_BYTES = 1 << 30
"""Memory of a GPU that the driver and a desktop may take; beyond it somebody computes there."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """What one job has to itself: GPUs, or else a share of the cores."""

    gpu_ids: tuple[str, ...] = ()
    locks: tuple[int, ...] = ()
    """Descriptors that hold the GPUs' locks. The job's process has them too, and keeps them."""


class Slots:
    """As many jobs side by side as there are shares of the cores, and as there are free GPUs.

    GPUs are locked one job at a time, all that it needs or none, when it is about to start. Those
    whose memory others use are passed over, and ``note`` is told once of each.
    """

    def __init__(
        self,
        side_by_side: int = 1,
        *,
        gpu_ids: Sequence[str] = (),
        folder: Path | None = None,
        note: Callable[[str], object] = lambda _text: None,
    ) -> None:
        self.waits_for: str | None = None
        """Which job waits for whom, in a sentence, where that is somebody else's run."""
        self._side_by_side = side_by_side
        self._gpu_ids = tuple(gpu_ids)
        self._folder = folder
        self._note = note
        self._taken: list[Slot] = []
        self._ours: set[str] = set()
        """GPUs of which no note is due: we have used them, or it was given."""
        self._again_s = 0.0

    def take(self, job: Job) -> Slot | None:
        """A slot for the job; ``None`` where it has to wait.

        Raises ``EngineError`` as ``locks.take``.
        """
        if job.execution.device != "cuda":
            if sum(not slot.gpu_ids for slot in self._taken) >= self._side_by_side:
                return None
            return self._give(Slot())
        if time.monotonic() < self._again_s:
            return None
        slot = self._lock(max(1, job.resources.gpus))
        if slot is None:
            self._again_s = time.monotonic() + AGAIN_S
            who = self._who()
            self.waits_for = f"{job.name} waits for a GPU: {who}" if who else None
            return None
        self.waits_for = None
        return self._give(slot)

    def take_over(self, gpu_ids: tuple[str, ...]) -> Slot:
        """The slot of a job that runs already. Its locks are its own, where it has any."""
        folder = self._lock_folder() if gpu_ids else None
        found = [locks.take(folder, one) for one in gpu_ids] if folder else []
        held = tuple(descriptor for descriptor in found if descriptor is not None)
        return self._give(Slot(gpu_ids=gpu_ids, locks=held))

    def give_back(self, slot: Slot) -> None:
        """Have others take the slot: its job is gone."""
        self._taken.remove(slot)
        self._again_s = 0.0
        for descriptor in slot.locks:
            os.close(descriptor)

    def close(self) -> None:
        """Give everything back; what still runs keeps its locks."""
        for slot in list(self._taken):
            self.give_back(slot)

    def _give(self, slot: Slot) -> Slot:
        self._taken.append(slot)
        self._ours.update(slot.gpu_ids)
        return slot

    def _lock_folder(self) -> Path:
        return self._folder or locks.place().folder

    def _lock(self, number: int) -> Slot | None:
        """So many GPUs that neither another runner nor a stranger uses, or none."""
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
                    return Slot(gpu_ids=tuple(found), locks=tuple(found.values()))
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
