"""A plan as text for the console: what would run, before it does."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from runner.core.text import listing
from runner.experiment import EXPERIMENT
from runner.hub.leaves import differing_knobs, leaves
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.dataset_names import users
from runner.manifest.set_knobs import in_words
from runner.plan.estimates import duration, gibibytes
from runner.plan.model import ArmJob, Job, Plan, digest, plan_remarks
from runner.report.designs import answerable
from runner.report.folding import columns

MOST_COLUMNS = 6
"""Arms that are shown side by side; more are shown below each other."""

MOUNTS = (
    ("/job", "read-only", "job.json: what to compute"),
    ("/data", "read-only", "the arm's dataset, simulated once for all that have it"),
    ("/out", "written", "everything that is kept"),
)


def render_plan(plan: Plan, registered: Sequence[RegisteredFinding] = ()) -> str:
    """Arms, what they can answer, parameters (those that differ first), mounts, commands, bounds.

    ``registered`` are the findings that are registered for the phase.
    """
    jobs = [*plan.datasets, *([plan.tests] if plan.tests else []), *plan.arms]
    blocks = [
        _heading(plan),
        "\n".join([_table([_ARM_COLUMNS, *map(_arm_row, plan.arms)]), *_without_sizes(plan)]),
        "\n".join(answerable(plan, registered)),
        *_datasets(plan),
        *_remarks(plan),
        *_steps(plan),
        *_parameters(plan.arms),
        *_tests(plan.tests),
        "Folders of a job\n" + _table(MOUNTS),
        *_commands(jobs),
        *_environments(jobs),
        *_bounds(jobs),
    ]
    return "\n\n".join(blocks)


def _heading(plan: Plan) -> str:
    profile = f", profile {plan.profile}" if plan.profile else ""
    arms = f"{len(plan.arms):,} arm{'s' if len(plan.arms) != 1 else ''}"
    several = len(plan.datasets) > 1
    datasets = f"{len(plan.datasets):,} datasets" if several else "one dataset"
    heading = [f"Phase {plan.phase}{profile}: {datasets}, {arms}. Plan {digest(plan)[:12]}."]
    if plan.set_knobs:
        heading.append(f"Set over the manifest: {in_words(plan.set_knobs)}.")
    if plan.left_out:
        heading.append(left_out(plan.left_out))
    return "\n".join(heading)


def left_out(names: Sequence[str]) -> str:
    """Which optional arms do not run, and how they would."""
    arms = "arm" if len(names) == 1 else "arms"
    return f"Left out, optional {arms} {listing(names)}: --with-optional runs them, or --only NAME."


_ARM_COLUMNS = (
    "arm",
    "device",
    "threads",
    "seed",
    "parameters",
    "nominal",
    "memory",
    "steps",
    "time",
)


def _arm_row(job: ArmJob) -> tuple[str, ...]:
    """Sizes by formula; the memory is the GPU's on a GPU, where no time is guessed.

    There are none of a command of the manifest's own.
    """
    placed = (job.name, job.execution.device, str(job.execution.threads), str(job.seed))
    if not job.is_known:
        return (*placed, *["-"] * (len(_ARM_COLUMNS) - len(placed)))
    parameters = job.values
    costs, on_cpu = EXPERIMENT.costs, job.execution.device == "cpu"
    counts, memory = costs.size(parameters), costs.memory(parameters, job.execution.device)
    steps, threads = job.steps or 0, job.execution.threads
    return (
        *placed,
        f"{counts.live:,}",
        f"{counts.nominal:,}",
        f"~{gibibytes(memory.host_bytes if on_cpu else memory.gpu_bytes)}",
        f"{steps:,}",
        f"~{duration(costs.cpu_seconds(parameters, steps, threads))}" if on_cpu else "-",
    )


def _without_sizes(plan: Plan) -> Iterator[str]:
    """The arms of which no formula tells the sizes."""
    names = [job.name for job in plan.arms if not job.is_known]
    if names:
        yield f"Own command, no estimate: {_named(names)}."


def _datasets(plan: Plan) -> Iterator[str]:
    """Where there are several: in what they differ, and which arms are shown each."""
    if len(plan.datasets) == 1:
        return
    tables = [dict(leaves(job.parameters)) for job in plan.datasets]
    knobs = [
        knob
        for knob in differing_knobs([job.parameters for job in plan.datasets])
        if knob != "dataset.seed"
    ]
    arms = users(plan.datasets, plan.arms)
    rows = [("dataset", "seed", *(knob.removeprefix("dataset.") for knob in knobs), "arms")]
    rows += [
        (
            job.name,
            str(job.seed),
            *(_spelled(table, knob) for knob in knobs),
            _named([arm.name for arm in arms[job.name]]),
        )
        for job, table in zip(plan.datasets, tables, strict=True)
    ]
    yield "Datasets, each simulated once\n" + _table(rows)


def _remarks(plan: Plan) -> Iterator[str]:
    """What is odd without being wrong."""
    found = plan_remarks(plan)
    if found:
        yield "\n".join(f"Note: {remark}." for remark in found)


def _steps(plan: Plan) -> Iterator[str]:
    """What follows the arms, and on which condition."""
    if plan.steps:
        rows = [
            (step.name, step.when, ", ".join(step.capture), step.checkpoint) for step in plan.steps
        ]
        yield "Steps after the arms\n" + _table([("step", "when", "capture", "checkpoint"), *rows])


def _parameters(arms: tuple[ArmJob, ...]) -> Iterator[str]:
    """The knobs that tell the arms apart, then the ones that they share.

    A column for each arm; a row for each where there are many, as a matrix has them.
    """
    differing = differing_knobs([job.parameters for job in arms])
    if differing:
        rows = [("", *(job.name for job in arms))]
        rows += [
            (knob, *(_spelled(_leaf(job.parameters, knob), knob) for job in arms))
            for knob in differing
        ]
        if len(arms) > MOST_COLUMNS:
            rows = list(zip(*rows, strict=True))
        yield "Differing parameters\n" + _table(rows)
    first = dict(leaves(arms[0].parameters))
    rows = [(knob, _spelled(first, knob)) for knob in first if knob not in differing]
    yield "Shared parameters\n" + _table(rows)


def _tests(job: Job | None) -> Iterator[str]:
    if job is not None:
        yield "Regression tests\n" + _table([(test,) for test in job.parameters["select"]])


def _commands(jobs: list[Job]) -> Iterator[str]:
    """Command lines; ``{job}`` and ``{out}`` stand for the folders, as the engine shows them."""
    groups: dict[str, list[str]] = {}
    for job in jobs:
        groups.setdefault(" ".join(_quoted(word) for word in job.command), []).append(job.name)
    yield "Commands\n" + _table([(_named(names), command) for command, names in groups.items()])


def _quoted(word: str) -> str:
    """A word of a command line, with the braces of placeholders left bare."""
    return word if re.fullmatch(r"[\w{}./:=,@%+-]+", word, re.ASCII) else shlex.quote(word)


def _environments(jobs: list[Job]) -> Iterator[str]:
    yield from _grouped("Environment", jobs, [job.environment for job in jobs])


def _bounds(jobs: list[Job]) -> Iterator[str]:
    yield from _grouped("Bounds", jobs, [job.resources.model_dump() for job in jobs])


def _grouped(title: str, jobs: list[Job], tables: list[Mapping[str, Any]]) -> Iterator[str]:
    """A table for each set of jobs that share it."""
    groups: dict[str, list[int]] = {}
    for index, table in enumerate(tables):
        groups.setdefault(json.dumps(table, sort_keys=True), []).append(index)
    for indices in groups.values():
        names = _named([jobs[index].name for index in indices])
        table = tables[indices[0]]
        yield f"{title} of {names}\n" + _table([(key, _spelled(table, key)) for key in table])


def _named(names: Sequence[str]) -> str:
    """Names of jobs in a row, the first and the last where they are many."""
    if len(names) <= MOST_COLUMNS:
        return ", ".join(names)
    return f"{names[0]}, {names[1]}, … {names[-1]} ({len(names):,})"


def _leaf(table: Mapping[str, Any], knob: str) -> dict[str, Any]:
    """The value of a dotted knob under its name; nothing where it does not apply."""
    value: Any = table
    for key in knob.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return {}
        value = value[key]
    return {knob: value}


def _spelled(table: Mapping[str, Any], key: str) -> str:
    """A value as the manifest spells it; a dash for a knob that does not apply."""
    value = table.get(key)
    return "-" if value is None else value if isinstance(value, str) else json.dumps(value)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(columns(list(rows), indent=2))
