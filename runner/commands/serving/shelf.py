"""The hubs of a folder as rows of a table, each read through the border, broken ones too."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from runner.core.errors import RunnerError
from runner.core.names import HUB_NAME
from runner.core.reading import MIB, shortened
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.manifest.set_knobs import in_words
from runner.report.tally import Tally, tally
from runner.report.wording import STATUS_WORDS, moment
from runner.verify.checked_hub import CheckedHub

MOST_RECORD_BYTES = 64 * MIB
"""Of a ``hub.json`` that is shown."""
MOST_KEPT = 2000
"""Rows that are kept in memory, as long as nothing about their files has changed."""


@dataclass(frozen=True, kw_only=True)
class ArmCell:
    """What became of an arm in a hub."""

    word: str
    kind: str
    """``good``, ``bad`` or ``neutral``."""


@dataclass(frozen=True, kw_only=True)
class HubRow:
    """A hub in a line; of one that is broken there is nothing but ``problem``."""

    name: str
    problem: str = ""
    title: str = ""
    started: str = ""
    variant: str = ""
    """Its profile, and what was set over its manifest; empty for the phase as it is written."""
    tally: Tally | None = None
    arms: dict[str, ArmCell] = field(default_factory=dict)

    @property
    def phase(self) -> str:
        """The folder of its phase."""
        return self.name.partition("/")[0]

    @property
    def stamp(self) -> str:
        """Its own name, which is its time."""
        return self.name.partition("/")[2]

    def matches(self, words: list[str]) -> bool:
        """Whether all words stand somewhere in it, whatever their case."""
        said = (self.name, self.title, self.variant, self.problem, *self.arms)
        reached = self.tally.reached if self.tally else "broken"
        text = " ".join((*said, reached)).casefold()
        return all(word.casefold() in text for word in words)


class Shelf:
    """The hubs below a folder, of which no path leads out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: OrderedDict[tuple[object, ...], HubRow] = OrderedDict()
        self._lock = threading.Lock()

    def place(self, name: str) -> Path | None:
        """The folder of a hub by its name; ``None`` where there is none, or a link leads out."""
        if not HUB_NAME.fullmatch(name):
            return None
        place = self._folder / name
        is_hub = layout.sealed_from(place) is not None and place.resolve() == place
        return place if is_hub else None

    def rows(self) -> list[HubRow]:
        """Every hub, the newest first."""
        found = (f"{path.parent.name}/{path.name}" for path in layout.find_hubs(self._folder))
        places = {name: place for name in found if (place := self.place(name)) is not None}
        rows = [self._row(name, place) for name, place in places.items()]
        return sorted(rows, key=lambda row: (row.stamp, row.name), reverse=True)

    def _row(self, name: str, place: Path) -> HubRow:
        key = (name, *_facts(place / layout.RECORD), *_facts(place / CHECKSUMS))
        with self._lock:  # one hub is read at a time, however many ask
            if key not in self._rows:
                self._rows[key] = _read(name, place)
                while len(self._rows) > MOST_KEPT:
                    self._rows.popitem(last=False)
            self._rows.move_to_end(key)
            return self._rows[key]


def _facts(path: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    try:
        found = path.lstat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_size, found.st_mtime_ns)


def record_of(place: Path) -> HubRecord:
    """The record of a hub, as it was sealed. Raises ``VerificationError``."""
    checked = CheckedHub(folder=place)
    return layout.parse(checked.read(layout.RECORD, most=MOST_RECORD_BYTES), place)


def _read(name: str, place: Path) -> HubRow:
    try:
        record = record_of(place)
    except RunnerError as error:
        return HubRow(name=name, problem=shortened(str(error).splitlines()[0]))
    if record.phase != name.partition("/")[0]:
        return HubRow(name=name, problem=f"its record is of another phase, {record.phase}")
    words = [f"profile {record.profile}" if record.profile else "", in_words(record.set_knobs)]
    return HubRow(
        name=name,
        title=record.title,
        started=moment(record.started).partition(" ")[0],
        variant=" ".join(filter(None, words)),
        tally=tally(record),
        arms={arm.name: _cell(arm) for arm in record.arms},
    )


def _cell(arm: ArmRecord) -> ArmCell:
    if arm.status != "succeeded":
        return ArmCell(word=STATUS_WORDS[arm.status], kind="bad")
    if arm.fate.reached:
        return ArmCell(word=EXPERIMENT.endpoint.past, kind="bad")
    if arm.rules:
        holds = arm.met_all_rules
        return ArmCell(
            word="rules hold" if holds else "rules do not hold",
            kind="good" if holds else "neutral",
        )
    return ArmCell(word="ran as planned", kind="neutral")
