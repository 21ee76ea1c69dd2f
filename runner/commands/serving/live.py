"""Runs under way, by what lies on disk of them: their journals, records and events."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

from runner.commands.status import RunStatus
from runner.core.errors import EngineError, RunnerError
from runner.core.names import SAFE_NAME
from runner.core.reading import read_file, shortened
from runner.hub import layout
from runner.hub.journal import under_way
from runner.jobs.events import NAME, EventReader
from runner.jobs.job_progress import JobProgress
from runner.phase.run_process import read_run_process
from runner.phase.unfinished import RUN, WORK, Unfinished, read_begun
from runner.plan.model import parse_plan

MOST_RUNS, MOST_ARMS = 50, 200
"""Runs, and arms under way of each, that are shown."""
MOST_BLOCKS = 40
"""Blocks of an arm's events that are read at a look."""

Table = dict[str, Any]


class Live:
    """The runs below a folder that are not sealed. It holds no lock, so that none is in the way."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._followed: dict[Path, tuple[EventReader, JobProgress]] = {}
        self._lock = threading.Lock()

    def runs(self) -> list[Table]:
        """A table for each run, the newest first."""
        with self._lock:
            seen: set[Path] = set()
            staged = [one for one in layout.all_staged(self._folder) if self._is_ours(one)]
            newest = sorted(staged, key=lambda one: one.final.name, reverse=True)
            tables = [self._table(one, seen) for one in newest[:MOST_RUNS]]
            self._followed = {path: self._followed[path] for path in seen}
            return tables

    def _is_ours(self, staging: layout.Staging) -> bool:
        state = staging.state
        inside = all(one.resolve() == one for one in (state, staging.path))
        return inside and (state / RUN).is_file()

    def _table(self, staging: layout.Staging, seen: set[Path]) -> Table:
        name = f"{staging.final.parent.name}/{staging.final.name}"
        try:
            begun = read_begun(staging)
            run_process = _run_process(staging)
            ended = sum(1 for _ in (staging.state / "arms").glob("*.json"))
            alive = run_process is not None
            run = Unfinished(staging=staging, begun=begun, alive=alive, ended=ended)
            facts = RunStatus(staging=staging, run=run).table()
        except RunnerError as error:
            return {"name": name, "problem": shortened(str(error))}
        wanted = ("started", "arms", "ended", "failed", "running", "waiting", "alive")
        under_way = self._arms(staging, set(begun.arms), seen) if alive else []
        return {
            "name": name,
            "problem": "",
            **{key: facts[key] for key in wanted},
            "under_way": under_way,
        }

    def _arms(self, staging: layout.Staging, arms: set[str], seen: set[Path]) -> list[Table]:
        """How far each arm is that has been started and has not ended."""
        begun = (name for name in under_way(staging.path) if name in arms)
        safe = (name for name in begun if re.fullmatch(SAFE_NAME[1:-1], name))
        names = list(safe)[:MOST_ARMS]
        steps = _steps(staging) if names else {}
        return [self._arm(staging, name, steps.get(name), seen) for name in names]

    def _arm(self, staging: layout.Staging, name: str, steps: int | None, seen: set[Path]) -> Table:
        numbers = [one.name for one in (staging.path / WORK / name).glob("*") if one.is_dir()]
        newest = max((int(one) for one in numbers if one.isdecimal()), default=1)
        path = staging.path / WORK / name / str(newest) / "out" / NAME
        seen.add(path)
        reader, progress = self._followed.setdefault(
            path, (EventReader(path), JobProgress(name, steps))
        )
        for _ in range(MOST_BLOCKS):
            if not (events := reader.new()):
                break
            for event in events:
                progress.update(event)
        return {
            "name": name,
            "doing": progress.brief,
            "values": progress.values,
            "pace": progress.pace(),
            "part": progress.part,
            "curve": list(progress.curve),
        }


def _run_process(staging: layout.Staging) -> object | None:
    """The process that executes a run; ``None`` where none does, or none of this machine."""
    try:
        run_process = read_run_process(staging)
    except EngineError:
        return None
    return run_process if run_process is not None and run_process.runs else None


def _steps(staging: layout.Staging) -> dict[str, int | None]:
    """Steps of each arm's fit, by the plan."""
    try:
        content = read_file(staging.path, layout.PLAN, most=layout.MOST_RECORD_BYTES)
        return {job.name: job.steps for job in parse_plan(content).arms}
    except ValueError:
        return {}
