"""What this process may use of the machine: processors and memory, as far as cgroups let it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MEMBER = Path("/proc/self/cgroup")
MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "memory")


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Processors and memory. ``free_bytes`` can be had without taking it from somebody."""

    cores: int
    memory_bytes: int
    free_bytes: int


def allowance(member: Path = MEMBER, mount: Path = MOUNT) -> Allowance:
    """The least of what the machine has, what affinity leaves, and what cgroups grant (v1, v2)."""
    folders = list(_folders(member, mount))
    quotas = [quota for folder in folders if (quota := _quota(folder)) is not None]
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for limit, used in filter(None, map(_memory, folders)):
        total, free = min(total, limit), min(free, max(0, limit - used))
    return Allowance(
        cores=max(1, int(min([len(os.sched_getaffinity(0)), *quotas]))),
        memory_bytes=total,
        free_bytes=free,
    )


def _folders(member: Path, mount: Path) -> Iterator[Path]:
    """The folders of our cgroup and of those above it, whose limits hold as well."""
    try:
        lines = member.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        names = [one for one in CONTROLLERS if one in controllers.split(",")]
        roots = [mount / name for name in names] if controllers else [mount]
        for root in roots:
            here = root / path.lstrip("/")
            yield from (one for one in (here, *here.parents) if one.is_relative_to(root))


def _quota(folder: Path) -> float | None:
    """Processors that a cgroup may use at a time; ``None`` for all."""
    words = _words(folder / "cpu.max")
    if not words:
        words = [*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us")]
    with suppress(ValueError, ZeroDivisionError):
        quota, period = map(int, words)
        return quota / period if quota > 0 else None
    return None


def _memory(folder: Path) -> tuple[int, int] | None:
    """Limit and use of a cgroup, bytes, without what the kernel would give back at once."""
    for limit, used, inactive in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(ValueError):
            (most,), (now,) = map(_words, (folder / limit, folder / used))
            stat = _words(folder / "memory.stat")
            cache = int(stat[stat.index(inactive) + 1]) if inactive in stat else 0
            return int(most), int(now) - cache
    return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
