"""Any hubs side by side: the same tables, statistics and plots as a phase has beside its own.

Nothing is refused for being different: what differs beside the declared knobs is said where the
tables are read. A hub that was changed after its seal is compared too, and said so at the top.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.digest import pretty_json
from runner.core.errors import EngineError, RunnerError, VerificationError
from runner.core.files import remove_tree
from runner.core.host_paths import Places
from runner.core.installation import SOURCES, state_dir
from runner.core.reading import read_table
from runner.engines import Needs, open_engine
from runner.hub import layout
from runner.hub.provenance import describe_engine, take_code
from runner.hub.records.beside import SummaryRecord
from runner.hub.records.provenance import EngineRecord
from runner.jobs.progress import Display, display
from runner.jobs.session import Session, cleaned_up
from runner.jobs.sites import queue_use
from runner.manifest.tables import Resources
from runner.phase.run import NO_ENGINE
from runner.phase.summary import ArmsOf, summarise
from runner.phase.unfinished import WORK
from runner.report.comparison import PAGE, render_comparison
from runner.verify.baselines import Baseline, open_hub
from runner.verify.statistics import Statistics, read_statistics

RECORD = "comparison.json"
PLOT = ".png"


@dataclass(frozen=True, kw_only=True)
class CompareRequest:
    """What the user asked for on the command line; without ``out`` nothing is kept."""

    hubs: tuple[Path, ...]
    engine: str = "auto"
    python: Path | None = None
    out: Path | None = None


@dataclass(kw_only=True)
class Summarised:
    """What the job over all arms left, and what kept it from leaving more."""

    engine: EngineRecord = NO_ENGINE
    summary: SummaryRecord | None = None
    statistics: Statistics | None = None
    notes: list[str]


def compare(request: CompareRequest) -> tuple[str, dict[str, Any]]:
    """The comparison as Markdown and as a table; with ``out`` also as a sealed folder with plots.

    Raises:
        VerificationError: A folder is no hub; or fewer than two were given.
        EngineError: An engine that was asked for by name is not there; or ``out`` exists.
    """
    hubs = opened(request.hubs)
    with tempfile.TemporaryDirectory(prefix="phasehub-compare-") as temporary:
        final = Path(temporary, "kept") if request.out is None else request.out.resolve()
        with layout.staged_at(final) as staging, display() as shown:
            found = look(hubs, request, staging.path, shown)
            page = describe(hubs, found, staging.path, with_plots=request.out is not None)
            table = read_table(staging.path, RECORD)
            if request.out is not None:
                staging.seal()
    statistics = found.statistics
    dumped = None if statistics is None else statistics.model_dump(mode="json")
    return page, {**table, "statistics": dumped}


def opened(folders: Sequence[Path]) -> tuple[Baseline, ...]:
    """The hubs, each once, verified. Raises ``VerificationError`` for what is no hub."""
    distinct = list({folder.resolve(): folder for folder in folders}.values())
    if len(distinct) < 2:
        raise VerificationError(
            "a comparison needs two different hubs or more; `phasehub list` names the sealed hubs"
        )
    return tuple(open_hub(folder) for folder in distinct)


def look(
    hubs: Sequence[Baseline], request: CompareRequest, folder: Path, shown: Display
) -> Summarised:
    """Run the job over all arms; without an engine there is a note in place of statistics."""
    found = Summarised(notes=[])
    try:
        code = take_code(SOURCES, state_dir()).snapshot
        engine = open_engine(
            request.engine,
            Needs(
                variant="cpu",
                cache=state_dir(),
                say=shown.say,
                code=code,
                python=request.python,
                queue=queue_use(),
            ),
        )
    except EngineError as error:
        if request.engine != "auto":
            raise
        found.notes.append(f"no statistics over arms: {error}")
        return found
    found.engine = describe_engine(engine, code)
    try:
        with cleaned_up(Session(engine=engine, shown=shown)) as session:
            found.summary = run_summary(hubs, session, folder)
        found.statistics = read_statistics(folder, layout.STATISTICS)
    except (RunnerError, OSError, ValueError) as error:
        found.notes.append(f"no statistics over arms: {error}")
    finally:
        remove_tree(folder / WORK)
    if found.summary is not None and found.summary.status != "succeeded":
        tail = "; ".join(found.summary.log_tail[-1:])
        found.notes.append(f"no statistics over arms: {found.summary.message}: {tail}")
    return found


def run_summary(hubs: Sequence[Baseline], session: Session, folder: Path) -> SummaryRecord:
    """The job at the end of a phase, over the arms of all hubs, none of them in the middle."""
    return summarise(
        [ArmsOf(name=one.facts.name, record=one.record, folder=one.folder) for one in hubs],
        work=folder / WORK / "summary",
        folder=folder,
        seed=hubs[0].record.seed,
        resources=Resources(),
        labels={"phase": "comparison", "run": session.run_id},
        run=session.run_alone,
        own=False,
    )


def describe(hubs: Sequence[Baseline], found: Summarised, folder: Path, *, with_plots: bool) -> str:
    """Write the page and the record into ``folder``; the page, with plots if they are kept."""
    places = Places(comparison=folder)
    found.notes = [places.hide(note) for note in found.notes]
    plots = [path.name for path in folder.iterdir() if path.suffix == PLOT and with_plots]
    page = render_comparison(hubs, found.statistics, notes=found.notes, plots=plots)
    (folder / PAGE).write_text(page, encoding="utf-8")
    summary = found.summary
    record = {
        "schema_version": 1,
        "hubs": [one.facts.model_dump(mode="json") for one in hubs],
        "engine": found.engine.model_dump(mode="json"),
        "summary": None if summary is None else summary.model_dump(mode="json"),
        "notes": found.notes,
    }
    (folder / RECORD).write_bytes(pretty_json(places.hidden(record)))
    return page
