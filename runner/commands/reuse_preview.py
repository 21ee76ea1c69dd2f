"""`phasehub plan --reuse HUB`: which arms a run would take from sealed hubs, before it runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import ManifestError
from runner.core.installation import SOURCES
from runner.core.project import models_digest
from runner.core.text import listing
from runner.engines import choose
from runner.hub.records.provenance import EngineRecord
from runner.jobs.sites import contains_jobs, queue_use
from runner.manifest.manifest_errors import did_you_mean, listed
from runner.phase.reuse import why_not
from runner.phase.sources import ArmSource, ArmSources, find_sources
from runner.plan.model import Job, Plan
from runner.verify.content_key import LATER, of_plan


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What a hub that is asked for an arm has to say."""

    hub: str
    reason: str
    """Why the arm is not taken from it; empty if it is."""
    components: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ReusePreview:
    """Whether an arm would be taken from a hub, as far as a plan tells."""

    arm: str
    answers: tuple[Answered, ...]
    """Of each hub that was asked, up to the one that has it."""
    in_full: bool
    """Whether the components are to be listed."""

    @property
    def source(self) -> str | None:
        """The hub that it would be taken from."""
        return next((one.hub for one in self.answers if not one.reason), None)

    def table(self) -> dict[str, Any]:
        """For machines."""
        answers = [
            {"hub": one.hub, "reason": one.reason, "components": list(one.components)}
            for one in self.answers
        ]
        return {"arm": self.arm, "source": self.source, "answers": answers}

    def lines(self) -> Iterator[str]:
        """For people."""
        if self.source is not None:
            later = listing(LATER)
            yield f"{self.arm}: taken from {self.source}, if {later} are the same when it runs"
        else:
            others = len(self.answers) - 1
            more = "" if self.in_full or not others else f"; and {others} more: --why {self.arm}"
            yield f"{self.arm}: runs; {self.answers[0].hub}: {self.answers[0].reason}{more}"
        for one in self.answers if self.in_full else ():
            yield f"  {one.hub}: {one.reason or 'has it'}"
            yield from (f"    {line}" for line in one.components)


def preview_reuse(
    plan: Plan,
    *,
    engine: str,
    reuse: Sequence[Path],
    why: Sequence[str],
    signers: Path | None,
    project: Path | None = None,
) -> list[ReusePreview]:
    """What becomes of each arm of a plan. Raises ``RunnerError`` for no such hub or arm."""
    names = [job.name for job in plan.arms]
    for name in why:
        if name not in names:
            near = did_you_mean(name, names)
            raise ManifestError(f"--why {name}: no such arm; arms are {listed(names)}{near}")
    sources = find_sources(reuse, signers=signers, why=why)
    named = choose(engine, python=None, say=lambda _: None)
    record = EngineRecord(name=named, isolated=contains_jobs(named, queue_use(project)))
    models = models_digest(SOURCES)
    return [_of_arm(job, sources, record, models) for job in plan.arms]


def _of_arm(job: Job, sources: ArmSources, engine: EngineRecord, models: str) -> ReusePreview:
    ours = of_plan(job, models_sha256=models, engine=engine, machine=sources.machine)
    answers = []
    for source in sources.hubs:
        reason, lines = why_not(source, job, ours, LATER)
        answers.append(Answered(hub=_name(source), reason=reason, components=tuple(lines)))
        if not reason:
            break
    return ReusePreview(arm=job.name, answers=tuple(answers), in_full=job.name in sources.why)


def _name(source: ArmSource) -> str:
    return str(source.sealed.folder)
