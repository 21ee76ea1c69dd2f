"""The targets by name, and how many of all cases each gets."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

import typer.main

from tests.fuzz import archives, events, hubs, locks, manifests, outputs, runs
from tests.fuzz.harness import Judge
from tests.fuzz.seeds import Seed, unpacked

NAMES = ("hubs", "archives", "events", "locks", "outputs", "runs", "manifests")
LAZY = (
    *("archive", "cli", "commands.compare", "commands.diagnose", "commands.reproduction"),
    *("commands.export", "commands.export.csv_files"),
    *("compare.diff", "manifest.model", "study"),
)
"""Rooms that verbs import when they are used; workers inherit them."""
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class Target:
    """Something that is fuzzed."""

    judge: Judge
    weight: float
    """Its part of all cases."""
    seeds: tuple[Seed, ...] = ()

    def share(self, cases: int) -> int:
        """How many of so many cases are its own."""
        return max(1, round(cases * self.weight))


def load(below: Path) -> dict[str, Target]:
    """Every target, with its inputs below ``below``."""
    seeds = unpacked(below)

    for name in LAZY:
        importlib.import_module(f"runner.{name}")
    # The parser of the command line is made of the same functions every time.
    typer.main.get_command = functools.cache(typer.main.get_command)
    return {
        "hubs": Target(judge=hubs.judge(seeds), weight=0.35, seeds=tuple(seeds)),
        "archives": Target(judge=archives.judge(seeds, below), weight=0.15),
        "events": Target(judge=events.judge(), weight=0.15),
        "locks": Target(judge=locks.judge(ROOT / "models" / "requirements-cpu.txt"), weight=0.15),
        "outputs": Target(judge=outputs.judge(seeds), weight=0.1),
        "runs": Target(judge=runs.judge(seeds[: len(seeds) // 2]), weight=0.02),
        "manifests": Target(judge=manifests.judge(), weight=0.1),
    }
