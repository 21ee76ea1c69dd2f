"""Deterministic files beside their originals: which are the same, where others begin to differ."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.core.digest import sha256_file
from runner.core.reading import read_table, typed
from runner.engines.base import Outcome
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.again import ReproducedFile
from runner.hub.records.arm import MEASURED
from runner.hub.records.base import FileRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.ended import take
from runner.manifest.tables import Resources
from runner.phase.unfinished import WORK
from runner.plan.model import InputRef
from runner.plan.other_jobs import comparison_job

DIFFERENCES = "differences.json"
GIVEN = (layout.MANIFEST, layout.PLAN)
"""Files that were given to the run, and are copied and not made; a dataset may have one, too."""
NOT_MADE = (*layout.BUNDLED, layout.TESTS, WORK)
"""Folders of what was given, of tests, and of work in progress."""

RunAttempt = Callable[[Attempt], Outcome]


@dataclass(frozen=True, kw_only=True)
class Side:
    """A hub, sealed or on its way, as a place where deterministic files are looked for."""

    folder: Path
    record: HubRecord
    data: Mapping[str, Path]
    """Dataset → folder of the simulated data, which no hub holds; without those that are gone."""

    def path(self, name: str) -> Path | None:
        """Where a file is, if it is anywhere."""
        place = self.folder / name
        for one in self.record.datasets:
            inner = name.removeprefix(f"{one.folder}/")
            if inner != name and inner in {file.path for file in one.files}:
                if one.name not in self.data:
                    return None
                place = self.data[one.name] / inner
        return place if place.is_file() else None


def made(files: Iterable[FileRecord], record: HubRecord, arms: Sequence[str]) -> dict[str, str]:
    """Path → digest of the deterministic files that a run makes; of some ``arms`` if not of all.

    Of some arms: what is theirs alone, and their data. An arm without results has none to compare.
    """
    used = used_datasets(record, arms)
    unused = tuple(f"{one.folder}/" for one in record.datasets if one.name not in used)
    without = tuple(
        f"{layout.arm_dir(arm.name)}/" for arm in record.arms if arm.status not in MEASURED
    )
    found = {
        file.path: file.sha256
        for file in files
        if file.deterministic
        and file.path not in GIVEN
        and not layout.is_given(PurePosixPath(file.path))
        and not file.path.startswith(unused)
        and file.path.split("/")[0] not in NOT_MADE
        and not file.path.startswith(without)
    }
    for arm in record.arms:
        for file in arm.audit.removed if arm.audit else ():
            found[f"{layout.arm_dir(arm.name)}/{file.path}"] = file.sha256
    found |= {
        f"{one.folder}/{file.path}": file.sha256
        for one in record.datasets
        if one.name in used
        for file in one.files
    }
    if not arms:
        return found
    kept = tuple(
        f"{folder}/"
        for folder in (layout.DATASET, *map(layout.arm_dir, arms), *map(layout.audit_dir, arms))
    )
    return {path: digest for path, digest in found.items() if path.startswith(kept)}


def used_datasets(record: HubRecord, arms: Sequence[str]) -> frozenset[str]:
    """The names of the datasets that arms with results were shown; of some ``arms`` if not all."""
    shown = record.datasets_of_arms
    return frozenset(
        shown[arm.name].name
        for arm in record.arms
        if arm.status in MEASURED and arm.name in shown and (not arms or arm.name in arms)
    )


def pair(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[ReproducedFile, ...]:
    """Both sides by path: data first, then arms, then what was made of several arms."""
    return tuple(
        ReproducedFile(path=path, before=before.get(path), after=after.get(path))
        for path in sorted(before.keys() | after.keys(), key=_order)
    )


def _order(path: str) -> tuple[int, str]:
    first = path.split("/")[0]
    stages = (layout.DATASET, layout.ARMS, layout.STEPS)
    return (stages.index(first) if first in stages else len(stages), path)


def explain(
    pairs: tuple[ReproducedFile, ...],
    before: Side,
    after: Side,
    *,
    work: Path,
    resources: Resources,
    labels: Mapping[str, str],
    run: RunAttempt,
) -> tuple[ReproducedFile, ...]:
    """Say of every pair that differs where it begins to.

    A job looks into the files, as the host has no torch; it runs what the hub carries. Raises
    ``ValueError`` where it does not come to an end, ``EngineError`` where it cannot be started.
    """
    both = {
        one.path: (old, new)
        for one in pairs
        if not one.identical
        if (old := before.path(one.path)) and (new := after.path(one.path))
    }
    if not both:
        return pairs
    attempt = lay_out(
        comparison_job([*both], resources=resources),
        folder=work / "1",
        inputs=dict(_hand_over(both, work / "data")),
        data_dir=work / "data",
        labels=labels,
    )
    found = _findings(attempt, run(attempt), work / "collected")
    return tuple(one.model_copy(update={"finding": found.get(one.path)}) for one in pairs)


def _hand_over(both: Mapping[str, tuple[Path, Path]], data: Path) -> Iterable[tuple[str, InputRef]]:
    for path, sides in both.items():
        for side, source in zip(("before", "after"), sides, strict=True):
            key = f"{side}/{path}"
            target = data / key
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            yield key, InputRef(path=f"../data/{key}", sha256=sha256_file(target))


Words = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=0)]


class FileFinding(BaseModel):
    """Where two files begin to differ. The hub's own code may have said so: it can be anything."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    place: Words
    before: Words
    after: Words
    ulp: Count | None = None
    differing: Count | None = None
    total: Count | None = None
    unit: Words = ""


class Differences(BaseModel):
    """``differences.json``, by path."""

    schema_version: Literal[1]
    files: dict[str, FileFinding]


def _findings(attempt: Attempt, outcome: Outcome, collected: Path) -> dict[str, Any]:
    """What the job found, by path. Raises ``ValueError`` where it did not get so far."""
    facts = take(attempt, outcome, collected)
    if facts["status"] != "succeeded":
        raise ValueError(f"the job that compares files {facts['status']}: {facts['message']}")
    files = typed(Differences, read_table(collected, DIFFERENCES), DIFFERENCES).files
    return {path: one.model_dump(exclude_unset=True) for path, one in files.items()}
