"""The end of a run: the record of everything, the pages for people, the seal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from runner.core.digest import pretty_json
from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.host_paths import Places
from runner.hub import layout, provenance
from runner.hub.journal import resumptions
from runner.hub.record import HubRecord
from runner.hub.records.arm import OF_PLAN, ArmRecord
from runner.hub.ro_crate import crate
from runner.hub.signing import sign
from runner.hub.slsa import provenance as provenance_of
from runner.jobs.datasets import not_made
from runner.phase import arms, phase_tests
from runner.phase.arms import timestamp
from runner.phase.conditions import not_judged
from runner.phase.run import Run
from runner.phase.unfinished import WORK, starts
from runner.plan.model import Job
from runner.report import write_reports
from runner.verify import verdict


def conclude(run: Run) -> HubRecord:
    """Everything that the hub says about itself."""
    phase = run.loaded.manifest.phase
    image = run.engine.facts.get("image")
    records = tuple(
        arm.model_copy(update={"level": arm.proof, **run.about.get(arm.name, {})})
        for arm in arms_of(run, run.plan.arms)
    )
    return HubRecord(
        phase=phase.name,
        title=phase.title,
        question=phase.question,
        findings=phase.findings,
        registered=run.registered,
        license=phase.license,
        compare_with=phase.compare_with,
        stage=phase.stage,
        profile=run.plan.profile,
        set_knobs=run.plan.set_knobs,
        started=timestamp(run.started),
        ended=timestamp(now(run)),
        resumed=resumptions(run.staging.path),
        interrupted=run.interrupted,
        only=run.only,
        seed=phase.seed,
        device=run.device,
        engine=run.engine,
        image=image if isinstance(image, dict) else None,
        code=run.code.record,
        datasets=tuple(
            run.datasets.get(job.name) or not_made(job, run.failure) for job in run.plan.datasets
        ),
        arms=records,
        steps=tuple(run.steps.get(step.name) or not_judged(step) for step in run.plan.steps),
        identical_arms=verdict.identical_arms(
            {arm.name: {**arm.parameters, "seed": arm.seed} for arm in records},
            {arm.name: arm.final_weights_sha256 for arm in records},
        ),
        compared=tuple(one.facts for one in run.compared),
        summary=run.summary,
        tests=(
            run.tests or phase_tests.not_run(run.plan.tests, run.failure)
            if run.plan.tests
            else None
        ),
        lock_sha256=run.lock.sha256 if run.lock else None,
        rules_required=run.loaded.manifest.verdict.required,
        notes=tuple(run.notes),
    )


def arms_of(run: Run, jobs: Iterable[Job]) -> Iterator[ArmRecord]:
    """The record of each arm; one of which there is none was cut short, or never started."""
    started = starts(run.staging)
    for job in jobs:
        if job.name in run.arms:
            yield run.arms[job.name]
        elif started[job.name]:
            yield arms.cut_short(job, started[job.name], run.failure)
        else:
            yield arms.not_run(job, run.failure)


def now(run: Run) -> float:
    """Seconds since 1970; not before the run began, also where the clock was set back."""
    return max(run.started, time.time())


def seal(run: Run, record: HubRecord) -> Path:
    """Write the reports and the record, and seal the hub; its final path.

    What is written names no folder of this machine, see ``runner.core.host_paths``, unless the
    manifest does.
    """
    folder = run.staging.path
    remove_tree(folder / WORK)
    described = provenance.describe_run(
        sys.argv, started=timestamp(run.started), ended=timestamp(now(run))
    )
    (folder / layout.ENVIRONMENT).write_bytes(pretty_json(run.places.hidden(described)))
    if missing := why_no_statistics(run):
        run.note(f"no statistics over arms: {missing}")
    record = record.model_copy(update={"notes": tuple(run.notes)})
    record = _without_folders(run.places, record)
    write_reports(record, folder, [one.record for one in run.compared])
    write_metadata(record, folder, run.hub_name)
    layout.write_record(folder, record)
    return run.staging.seal(sign=partial(_sign, run) if run.signing_key else None)


def _without_folders(places: Places, record: HubRecord) -> HubRecord:
    """The record with words for this machine's folders, but in what the manifest itself names.

    That stands in the plan as well, and the two have to agree.
    """
    fields = record.model_dump(mode="json")
    hidden = places.hidden(fields)
    for arm, planned in zip(hidden["arms"], fields["arms"], strict=True):
        arm |= {name: planned[name] for name in OF_PLAN}
    hidden |= {name: fields[name] for name in ("set_knobs",) if name in fields}
    return HubRecord.model_validate(hidden)


def _sign(run: Run, folder: Path) -> None:
    """Sign the hub; where that fails now, it is better kept unsigned than lost."""
    assert run.signing_key is not None
    try:
        sign(folder, run.signing_key)
    except EngineError as error:
        run.failure = error
        run.shown.say(f"the hub is not signed: {error}")


def why_no_statistics(run: Run) -> str | None:
    """Why the hub says nothing about its arms together; ``None`` where it does."""
    if run.summary is not None:
        summary = run.summary
        log = f"; see {summary.log}" if summary.log else ""
        return None if summary.status == "succeeded" else f"{summary.message}{log}"
    if run.interrupted:
        return "the run was interrupted before"
    if run.failure:
        return str(run.failure)
    if any(arm.status == "succeeded" for arm in run.arms.values()):
        return "they are made only where all arms are run again"
    return "no arm succeeded"


def write_metadata(record: HubRecord, folder: Path, name: str) -> None:
    """Describe every file that is there by now for the tools of others; ``name`` is the hub's."""
    files = layout.list_files(folder, record)
    statement = provenance_of(record, name, files)
    (folder / layout.PROVENANCE).write_bytes(pretty_json(statement.table()))
    metadata = crate(record, layout.list_files(folder, record), layout.CRATE)
    (folder / layout.CRATE).write_bytes(pretty_json(metadata))
