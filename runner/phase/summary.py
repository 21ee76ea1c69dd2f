"""The job at the end of a phase: shown the small files of all arms, it says what they show.

Whatever goes wrong with it is reported and kept with its log; the arms' own results do not depend
on it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.digest import sha256_file
from runner.core.reading import copy_below, is_file_below
from runner.engines.base import Outcome
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.base import FileRecord
from runner.hub.records.beside import SummaryRecord
from runner.jobs.attempts import Attempt, lay_out
from runner.jobs.collection import RESULT
from runner.jobs.ended import take
from runner.manifest.tables import Resources
from runner.plan.model import InputRef
from runner.plan.other_jobs import summary_job
from runner.verify.baselines import small_files
from runner.verify.groups import summary_of
from runner.verify.sealed_hub import NamedHub

LOG = "summary.log"

RunAttempt = Callable[[Attempt], Outcome]


@dataclass(frozen=True, kw_only=True)
class ArmsOf:
    """A hub's record, and the folder in which its ``arms`` lie."""

    name: str
    record: HubRecord
    folder: Path

    @property
    def source(self) -> NamedHub:
        """The same without its place on disk."""
        return NamedHub(name=self.name, record=self.record)


def summarise(
    hubs: Sequence[ArmsOf],
    *,
    work: Path,
    folder: Path,
    seed: int,
    resources: Resources,
    labels: dict[str, str],
    run: RunAttempt,
    own: bool = True,
) -> SummaryRecord:
    """Run the job over the arms of ``hubs`` and put what it leaves into ``folder``.

    ``statistics.json`` and the plots come to lie in ``folder`` itself and in its ``plots/``, the
    job and its events in ``summary/``. ``work`` is a folder that does not exist yet. With ``own``
    the first hub is the one in question.
    """
    summary = summary_of([one.source for one in hubs], own=own)
    data = work / "data"
    data.mkdir(parents=True)
    attempt = lay_out(
        summary_job(summary, seed=seed, resources=resources),
        folder=work / "1",
        inputs=dict(hand_over(hubs, data)),
        data_dir=data,
        labels=labels,
    )
    outcome = run(attempt)
    return _conclude(attempt, outcome, work / "collected", folder)


def hand_over(hubs: Sequence[ArmsOf], data: Path) -> Iterator[tuple[str, InputRef]]:
    """Copy the small files of every arm that succeeded to ``data``; the inputs by name.

    ``data/<n>`` has the layout of the folder ``arms`` of the n-th hub.
    """
    for place, one in enumerate(hubs):
        for arm in one.record.arms:
            for name in small_files(arm):
                source = f"{layout.arm_dir(arm.name)}/{name}"
                if not is_file_below(one.folder, source):
                    continue  # a hub that is not as it was sealed; the arm will not count
                key = f"{place}/{arm.name}/{name}"
                target = data / key
                target.parent.mkdir(parents=True, exist_ok=True)
                copy_below(one.folder, source, target)
                yield key, InputRef(path=f"../data/{key}", sha256=sha256_file(target))


def _conclude(attempt: Attempt, outcome: Outcome, collected: Path, folder: Path) -> SummaryRecord:
    inner, log = folder / layout.SUMMARY_DIR, folder / LOG
    inner.mkdir(parents=True)
    facts = take(attempt, outcome, collected, log=log)
    facts["files"] = tuple(_put(file, collected, folder) for file in facts.get("files", ()))
    for name in (layout.JOB, RESULT):
        if (collected / name).is_file():
            shutil.copyfile(collected / name, inner / name)
    return SummaryRecord(log=LOG if log.is_file() else None, **facts)


def _put(file: FileRecord, collected: Path, folder: Path) -> FileRecord:
    """Bring one file to its place in the hub; what is no result goes to ``summary/``.

    So does what lies in any folder but that of the plots.
    """
    below = file.path.rpartition("/")[0]
    taken = (
        not file.deterministic or below not in ("", layout.PLOTS) or (folder / file.path).exists()
    )
    path = f"{layout.SUMMARY_DIR}/{file.path}" if taken else file.path
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(collected / file.path, folder / path)
    return file.model_copy(update={"path": path})
