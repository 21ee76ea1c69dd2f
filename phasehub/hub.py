"""One sealed hub: its arms as rows, their histories and arrays, every file as it was sealed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phasehub import frames
from phasehub._own import own
from phasehub.arrays import read_npz
from phasehub.errors import HubError, as_hub_errors

if TYPE_CHECKING:
    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from runner.hub.records.arm import ArmRecord
    from runner.verify.checked_hub import CheckedHub

Row = dict[str, Any]
"""One arm: what it is, its knobs by dotted names, its scores, its timing."""


class Arm:
    """One arm of a hub: what was planned, how it ended, what it measured, which files it left."""

    def __init__(self, hub: Hub, record: ArmRecord, row: Row) -> None:
        self._hub, self._record, self._row = hub, record, row

    def __repr__(self) -> str:
        return f"<Arm {self.name}: {self.status}>"

    @property
    def name(self) -> str:
        """Its name, which no other arm of the hub has."""
        return self._record.name

    @property
    def status(self) -> str:
        """How it ended, ``succeeded`` or another word of docs/hub.md."""
        return self._record.status

    @property
    def message(self) -> str:
        """Why it did not succeed; empty for one that did."""
        return self._record.message

    @property
    def started(self) -> datetime | None:
        """When it was started; ``None`` for one that never was."""
        return datetime.fromisoformat(text) if (text := self._record.started) else None

    @property
    def ended(self) -> datetime | None:
        """When it ended."""
        return datetime.fromisoformat(text) if (text := self._record.ended) else None

    @property
    def seed(self) -> int:
        """The seed of all its random streams."""
        return self._record.seed

    @property
    def proof(self) -> str:
        """What stands behind its numbers: ``audited``, ``read back`` or ``declared only``."""
        return self._record.proof

    @property
    def parameters(self) -> dict[str, Any]:
        """Every knob, defaults spelled out, as tables: ``["train"]["learning_rate"]``."""
        return copy.deepcopy(self._record.parameters)

    @property
    def scores(self) -> dict[str, Any]:
        """Its statistics by name; ``None`` for one that means nothing for it."""
        return copy.deepcopy(self._record.stats)

    @property
    def null_reasons(self) -> dict[str, str]:
        """Why a score is ``None``, by its name."""
        return dict(self._record.null_reasons)

    @property
    def collapsed(self) -> bool | None:
        """Whether its reconstruction is flat; ``None`` where that is not known."""
        return self._record.fate.reached

    @property
    def collapse_epoch(self) -> int | None:
        """The epoch of the collapse, from 0."""
        return self._record.fate.when

    @property
    def collapse_reason(self) -> str | None:
        """What the collapse was seen by, or why it is no reconstruction although not collapsed."""
        return self._record.fate.why

    @property
    def row(self) -> Row:
        """All of this in one flat table, as ``Hub.rows`` has it."""
        return copy.deepcopy(self._row)

    @property
    def history(self) -> dict[str, tuple[float | None, ...]]:
        """What its fit came to: a column for each quantity, an entry an epoch.

        ``None`` stands for what was not finite. Raises ``HubError``.
        """
        with as_hub_errors():
            return dict(self._hub._checked.history(self._record))

    @property
    def files(self) -> tuple[str, ...]:
        """The files that it left, in byte order."""
        return self._hub._checked.files_below(f"arms/{self.name}")

    def read(self, file: str) -> bytes:
        """The bytes of one of its files, as they were sealed. Raises ``HubError``."""
        return self._hub.read(f"arms/{self.name}/{file}")

    @property
    def array_files(self) -> tuple[str, ...]:
        """Those of its files that hold arrays, without their ``.npz``."""
        return tuple(name.removesuffix(".npz") for name in self.files if name.endswith(".npz"))

    def arrays(self, name: str = "recon") -> dict[str, NDArray[Any]]:
        """The arrays of one of ``array_files``. Needs numpy; raises ``HubError``."""
        return read_npz(self.read(f"{name}.npz"), f"{self._hub.path}: arms/{self.name}/{name}.npz")


class Hub:
    """A sealed hub, read-only. Every file is held against ``SHA256SUMS`` whenever it is read.

    Made by ``phasehub.open``.
    """

    def __init__(self, checked: CheckedHub) -> None:
        self._checked, self._record = checked, checked.record
        rows = own("runner.hub.metrics_table").flat_rows(self._record)
        self.arms: tuple[Arm, ...] = tuple(
            Arm(self, arm, row) for arm, row in zip(self._record.arms, rows, strict=True)
        )
        """Its arms, in the order of the manifest."""

    def __repr__(self) -> str:
        return f"<Hub {self.name}: {len(self.arms)} arms>"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._checked.folder

    @property
    def name(self) -> str:
        """The phase and the hub's own name: ``phase8/2026-01-30T050000Z``."""
        return self._checked.name

    @property
    def phase(self) -> str:
        """The phase that was run."""
        return self._record.phase

    @property
    def profile(self) -> str | None:
        """The profile that was run; ``None`` for the phase in full."""
        return self._record.profile

    @property
    def set_knobs(self) -> dict[str, Any]:
        """What `--set` has set over the manifest, by dotted names; empty for none."""
        return dict(self._record.set_knobs)

    @property
    def title(self) -> str:
        """The phase's title."""
        return self._record.title

    @property
    def question(self) -> str:
        """What the phase was to answer."""
        return self._record.question

    @property
    def started(self) -> datetime:
        """When the run began."""
        return datetime.fromisoformat(self._record.started)

    @property
    def ended(self) -> datetime:
        """When the run ended."""
        return datetime.fromisoformat(self._record.ended)

    def arm(self, name: str) -> Arm:
        """The arm of that name. Raises ``KeyError`` that names those there are."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(
            f"{name!r} is no arm of {self.name}; it has {[one.name for one in self.arms]}"
        )

    def rows(self) -> list[Row]:
        """A flat table of every arm, the same keys in each, in the order of ``arms``."""
        return [arm.row for arm in self.arms]

    @property
    def files(self) -> tuple[str, ...]:
        """The paths of all files, as ``SHA256SUMS`` lists them."""
        return tuple(self._checked.digests)

    def read(self, path: str) -> bytes:
        """The bytes of a file, by its path inside the hub. Raises ``HubError``."""
        with as_hub_errors():
            return self._checked.read(path)

    def read_json(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The value of a JSON file, such as ``statistics.json``. Raises ``HubError``."""
        with as_hub_errors():
            return self._checked.json(path)

    def verify(self) -> int:
        """Check all files, and what they say against each other, as ``phasehub verify`` does.

        Returns the number of files. Raises ``HubError`` that names whatever is wrong.
        """
        with as_hub_errors():
            return self._checked.verify()

    def to_pandas(self) -> pd.DataFrame:
        """``rows`` as a table with the arms' names as index. Needs pandas."""
        return frames.of_rows(self.rows(), ["arm"])

    def histories(self) -> pd.DataFrame:
        """The histories of all arms, by arm and epoch. Needs pandas."""
        return frames.of_histories({(arm.name,): arm.history for arm in self.arms}, ["arm"])

    def to_xarray(self) -> xarray.Dataset:
        """The histories of all arms, each quantity over arm × epoch. Needs xarray."""
        return frames.dataset({arm.name: arm.history for arm in self.arms})


class Hubs(Mapping[str, Hub]):
    """The hubs below a folder by their names. Made by ``phasehub.open_all``."""

    def __init__(self, hubs: dict[str, Hub], broken: dict[Path, str]) -> None:
        self._hubs = hubs
        self.broken = broken
        """Folders that are sealed and cannot be read, each with the reason."""

    def __repr__(self) -> str:
        broken = f", {len(self.broken)} broken" if self.broken else ""
        return f"<Hubs: {len(self)}{broken}>"

    def __getitem__(self, name: str) -> Hub:
        return self._hubs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hubs)

    def __len__(self) -> int:
        return len(self._hubs)

    def rows(self) -> list[Row]:
        """The rows of all hubs, the hub's name and phase before each; the same keys in all."""
        rows = [
            {"hub": name, "phase": hub.phase} | row
            for name, hub in self.items()
            for row in hub.rows()
        ]
        names = dict.fromkeys(name for row in rows for name in row)
        return [{name: row.get(name) for name in names} for row in rows]

    def to_pandas(self) -> pd.DataFrame:
        """``rows`` as a table with hub and arm as index. Needs pandas."""
        return frames.of_rows(self.rows(), ["hub", "arm"])

    def histories(self) -> pd.DataFrame:
        """The histories of all arms, by hub, arm and epoch. Needs pandas."""
        found = {(name, arm.name): arm.history for name, hub in self.items() for arm in hub.arms}
        return frames.of_histories(found, ["hub", "arm"])


def open_hub(path: str | PathLike[str]) -> Hub:
    """Open a sealed hub by its folder, or by a name as verbs take it: ``latest``, ``phase8``.

    Names are looked for below ``artifacts``. Raises ``HubError``.
    """
    with as_hub_errors():
        return Hub(own("runner.verify.checked_hub").open_checked(Path(path)))


def open_hubs(folder: str | PathLike[str]) -> Hubs:
    """Open every hub below a folder such as ``artifacts``. Raises ``HubError``."""
    if not Path(folder).is_dir():
        raise HubError(
            f"{folder} is no folder; give one like artifacts, with a folder for each phase"
        )
    with as_hub_errors():
        found = own("runner.verify.checked_hub").open_below(Path(folder))
        hubs = [Hub(checked) for checked in found.hubs]
    return Hubs({hub.name: hub for hub in hubs}, dict(found.broken))
