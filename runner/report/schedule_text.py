"""In which order arms would run, how many side by side, and for how long: before they do."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from runner.core.allowance import allowance
from runner.core.text import briefly
from runner.engines import gpus
from runner.jobs.devices import shares_of
from runner.jobs.slots import Shares
from runner.plan.estimates import duration, gibibytes, longest_first, needed_bytes, needed_s
from runner.plan.model import ArmJob

MOST_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class Expected:
    """When arms would begin, s, and when the last of them has ended."""

    begins: tuple[tuple[ArmJob, float], ...]
    ends_s: float


def expect(
    arms: Sequence[ArmJob], side_by_side: int | None, shares: Shares, num_gpus: int
) -> Expected:
    """The schedule that the estimates give; what has none is taken to need no time."""
    alike: dict[tuple[object, ...], deque[tuple[int, ArmJob]]] = {}
    for rank, arm in enumerate(longest_first(arms, lambda arm: arm)):
        needs = arm.execution.device, arm.execution.threads, needed_bytes(arm), arm.resources.gpus
        alike.setdefault(needs, deque()).append((rank, arm))
    now_s = 0.0
    running: list[tuple[float, int, ArmJob]] = []
    begins: list[tuple[ArmJob, float]] = []
    while len(begins) < len(arms):
        beside = [arm for _, _, arm in running]
        heads = sorted((group for group in alike.values() if group), key=lambda one: one[0][0])
        fitting = (one for one in heads if _fits(one[0][1], beside, side_by_side, shares, num_gpus))
        if (first := next(fitting, None)) is None:
            now_s, _, _ = heapq.heappop(running)
            continue
        _, found = first.popleft()
        begins.append((found, now_s))
        heapq.heappush(running, (now_s + (needed_s(found) or 0.0), len(begins), found))
    return Expected(begins=tuple(begins), ends_s=max((end for end, _, _ in running), default=now_s))


def _fits(
    arm: ArmJob, beside: list[ArmJob], side_by_side: int | None, shares: Shares, num_gpus: int
) -> bool:
    if side_by_side is not None and len(beside) >= side_by_side:
        return False
    if arm.execution.device == "cuda":
        taken = sum(one.resources.gpus for one in beside if one.execution.device == "cuda")
        return not beside or taken + arm.resources.gpus <= num_gpus
    on_cpu = [one for one in beside if one.execution.device != "cuda"]
    return side_by_side is not None or shares.has_room(arm, on_cpu)


def render_schedule(
    arms: Sequence[ArmJob], side_by_side: int | None, in_queue: int | None = None
) -> str:
    """The order of the arms, and how long all of them would take on this machine as it is now.

    Those that go to a queue, at most ``in_queue`` at a time, are taken not to wait in it.
    """
    on_gpu = any(arm.execution.device == "cuda" for arm in arms)
    num_gpus = len(gpus.available()) if on_gpu and in_queue is None else 0
    shares = shares_of(allowance())
    most = side_by_side or in_queue
    if in_queue is None:
        room = f"{shares.cores} cores and {gibibytes(shares.memory_bytes)} of free memory"
        how = f"{most} side by side" if most else f"as many as fit {room}"
    else:
        num_gpus = sum(arm.resources.gpus for arm in arms)
        how = f"at most {most} in the queue, as if none had to wait there"
    found = expect(arms, most, shares, num_gpus)
    width = max((len(arm.name) for arm, _ in found.begins[:MOST_ROWS]), default=0)
    lines = [f"Schedule: longest first, {how}"]
    unknown = [arm.name for arm in arms if _guess(arm) is None]
    for arm, begins_s in found.begins[:MOST_ROWS]:
        seconds = _guess(arm)
        takes = "no estimate" if seconds is None else f"takes ~{duration(seconds)}"
        begins = "" if unknown else f"  begins after ~{duration(begins_s)}"
        lines.append(f"  {arm.name.ljust(width)}  {takes}{begins}")
    if len(found.begins) > MOST_ROWS:
        lines.append(f"  and {len(found.begins) - MOST_ROWS:,} more")
    if unknown:
        lines.append(f"  no estimate of the whole: none is known of {briefly(unknown)}")
    else:
        lines.append(f"  all arms: ~{duration(found.ends_s)}, beside datasets, audits and pages")
    return "\n".join(lines)


def _guess(arm: ArmJob) -> float | None:
    """Time of an arm where one is guessed, s: not on a GPU."""
    return None if arm.execution.device == "cuda" else needed_s(arm)
