"""The curves of all arms as numbers that a page's script draws: by unit of the fit, by group."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.reading import read_file
from runner.core.text import plain
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.history import Column, parse_history
from runner.hub.records.arm import ArmRecord

MOST_POINTS = 400
"""Of a curve; of a longer one so many neighbours are taken together that no more are left."""
MOST_QUANTITIES = 8
MOST_NUMBERS = 400_000
"""Of all curves together: about 4 MB of a page. Arms past it are left to the static pictures."""
DIGITS = 5


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One arm: its group's place, its numbers by quantity, and where it came to the endpoint."""

    arm: str
    group: int
    columns: Mapping[str, Sequence[float | None]]
    mark: int | None
    word: str


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What the script is given. ``bunch`` neighbours make one point, their median."""

    unit: str
    bunch: int
    x: Sequence[int]
    quantities: Sequence[str]
    groups: Sequence[str]
    curves: Sequence[Curve]
    num_left_out: int

    def table(self) -> dict[str, object]:
        """The same for JSON."""
        return {
            "unit": self.unit,
            "bunch": self.bunch,
            "x": list(self.x),
            "quantities": list(self.quantities),
            "groups": list(self.groups),
            "curves": [
                {
                    "arm": one.arm,
                    "group": one.group,
                    "mark": one.mark,
                    "word": one.word,
                    "y": [list(one.columns.get(name, ())) for name in self.quantities],
                }
                for one in self.curves
            ],
        }


Members = Mapping[str, Sequence[str]]
"""Label of a group → the names of its arms."""


def curves(arms: Mapping[str, tuple[ArmRecord, Path]], members: Members) -> Curves | None:
    """The curves of arms by their names on a page; ``None`` where none left any of two points.

    Each arm comes with the folder of its hub.
    """
    found = {
        name: columns for name, (arm, folder) in arms.items() if (columns := _columns(arm, folder))
    }
    longest = max((len(one) for table in found.values() for one in table.values()), default=0)
    if longest < 2:
        return None
    bunch = math.ceil(longest / MOST_POINTS)
    names = list(dict.fromkeys(name for table in found.values() for name in table))
    names = sorted(names, key=_rank)[:MOST_QUANTITIES]
    num_points = math.ceil(longest / bunch)
    most = max(1, MOST_NUMBERS // (num_points * len(names)))
    groups = _groups(members, list(found)[:most])
    place = {arm: number for number, arms in enumerate(groups.values()) for arm in arms}
    return Curves(
        unit=EXPERIMENT.progress.unit,
        bunch=bunch,
        x=[number * bunch for number in range(num_points)],
        quantities=[_word(name) for name in names],
        groups=[plain(label) for label in groups],
        curves=[
            Curve(
                arm=plain(key),
                group=place[key],
                columns={_word(name): _thinned(found[key].get(name, ()), bunch) for name in names},
                mark=arm.fate.when if arm.fate.reached else None,
                word=EXPERIMENT.endpoint.past if arm.fate.reached else "",
            )
            for key, (arm, _) in arms.items()
            if key in place
        ],
        num_left_out=len(found) - len(place),
    )


def _columns(arm: ArmRecord, folder: Path) -> dict[str, Column]:
    """The columns of an arm's history, those of parts left out; none where it left no history."""
    path = f"{layout.arm_dir(arm.name)}/{EXPERIMENT.results.files.history}"
    try:
        table = parse_history(read_file(folder, path), path)
    except ValueError:
        return {}
    return {name: column for name, column in table.items() if "." not in name}


def _rank(name: str) -> tuple[int, str]:
    """Those first that are shown while the fit goes on."""
    shown = [key for _, key in EXPERIMENT.progress.shown]
    return (shown.index(name), "") if name in shown else (len(shown), name)


def _word(name: str) -> str:
    words = {key: heading for heading, key in EXPERIMENT.progress.shown}
    return words.get(name) or plain(name).replace("_", " ")


def _groups(members: Members, arms: Sequence[str]) -> dict[str, list[str]]:
    """The arms of each group; one that is in none is a group of its own."""
    groups = {label: [arm for arm in group if arm in arms] for label, group in members.items()}
    grouped = {arm for group in groups.values() for arm in group}
    alone = {arm: [arm] for arm in arms if arm not in grouped}
    return {label: group for label, group in {**alone, **groups}.items() if group}


def _thinned(column: Column | Sequence[float | None], bunch: int) -> list[float | None]:
    return [_median(column[first : first + bunch]) for first in range(0, len(column), bunch)]


def _median(values: Sequence[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return float(f"{statistics.median(finite):.{DIGITS}g}") if finite else None
