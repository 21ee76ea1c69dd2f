"""Command line of a job: ``python -m models VERB``, the verbs those of ``parser``.

Exit codes: 0 success, and for a job ``result.json`` is there; 1 the job failed, the cause is the
last line on stderr; 2 the job or the command line is wrong, and nothing was computed.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.job import EVENTS, PROBE, Events, Job, JobError, read_job, verify_inputs, write_result

if TYPE_CHECKING:
    from models.config import Table

FAILED, BAD_JOB = 1, 2

Parsed = TypeVar("Parsed", bound="Table")

CACHES = ("MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR")
"""Variables that set where libraries keep what they compute at their start."""

REPORT_NAME = re.compile(r"activation_report[A-Za-z0-9_-]*\.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    options = parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], None] = options.run
    try:
        give_libraries_a_home()
        verb(options)
    except JobError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_JOB
    except Exception as error:
        traceback.print_exc()
        cause = " ".join(str(error).split())
        print(f"error: {type(error).__name__}: {cause}", file=sys.stderr)
        return FAILED
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m models", description="Run one job.")
    verbs = top.add_subparsers(required=True, metavar="VERB")
    for verb, run, text in (
        ("simulate", simulate, "simulate a dataset"),
        ("train", train, "train and evaluate one arm"),
        ("diagnose", diagnose, "look into a stored checkpoint of an arm"),
        ("test", test, "run tests of the project"),
        ("summarise", summarise, "statistics and plots over several arms"),
        ("compare", compare, "where pairs of files begin to differ"),
        ("audit", audit, "derive again what an arm did, and compare"),
    ):
        command = verbs.add_parser(verb, help=text, description=text)
        command.add_argument("--job", type=Path, required=True, help="job.json")
        command.add_argument("--out", type=Path, required=True, help="empty folder for results")
        command.set_defaults(run=run)
    text = "describe the layers of a checkpoint on any patches"
    command = verbs.add_parser("activations", help=text, description=text)
    command.add_argument("--checkpoint", type=Path, required=True, help="model.pt")
    command.add_argument("--job", type=Path, required=True, help="the job that trained it")
    command.add_argument("--npz", type=Path, required=True, help="split whose patches are shown")
    command.add_argument("--out", type=Path, required=True, help="folder for the report")
    command.add_argument("--name", default="activation_report.json", help="file name")
    command.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    command.set_defaults(run=activations)
    return top


def simulate(options: argparse.Namespace) -> None:
    """``simulate``: the dataset's three files."""
    job = read_job(options.job, "simulate")
    from models.config import Dataset

    if set(job.parameters) != {"dataset"}:
        raise JobError(f"parameters of a simulation are 'dataset' alone, not {[*job.parameters]}")
    dataset = validated(Dataset, job.parameters["dataset"])
    probe = job.inputs.get(PROBE)
    if (probe and probe.sha256) != dataset.probe_sha256:
        raise JobError(f"inputs.{PROBE} is not the file of parameters.dataset.probe_sha256")
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.data import grid_lines
        from models.seeding import make_deterministic

        make_deterministic(job.threads)
        grid_lines.simulate(
            dataset, job.seed, options.out, events.stage, probe_file=probe.path if probe else None
        )

    perform(job, options.out, run)


def train(options: argparse.Namespace) -> None:
    """``train``: one arm."""
    job = read_job(options.job, "train")
    from models.config import CheckpointEvery, Parameters, steps_per_epoch

    parameters = validated(Parameters, job.parameters)
    asked = job.checkpoint_every
    every = None if asked is None else validated(CheckpointEvery, asked, "checkpoint_every")
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.arm import train_arm

        train_arm(job, parameters, options.out, events, every)

    perform(
        job,
        options.out,
        run,
        epochs=parameters.train.epochs,
        steps_per_epoch=steps_per_epoch(parameters.dataset, parameters.train),
    )


def diagnose(options: argparse.Namespace) -> None:
    """``diagnose``: reports on a stored checkpoint; ``diagnose`` beside the arm's parameters."""
    job = read_job(options.job, "diagnose")
    from models.config import Diagnose, Parameters

    if "diagnose" not in job.parameters:
        raise JobError("parameters lacks diagnose")
    of_arm = {name: table for name, table in job.parameters.items() if name != "diagnose"}
    parameters = validated(Parameters, of_arm)
    wanted = validated(Diagnose, job.parameters["diagnose"])
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.diagnosis import diagnose_checkpoint

        diagnose_checkpoint(job, parameters, wanted, options.out, events)

    perform(job, options.out, run)


def test(options: argparse.Namespace) -> None:
    """``test``: tests of the project, in the environment of its arms."""
    job = read_job(options.job, "test")
    from models.config import Selection

    selection = validated(Selection, job.parameters)
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.regression import run_tests

        run_tests(job, selection, options.out, events)

    perform(job, options.out, run)


def summarise(options: argparse.Namespace) -> None:
    """``summarise``: what several arms say together."""
    job = read_job(options.job, "summarise")
    from models.config.summary import Summary

    summary = validated(Summary, job.parameters)
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.summary import job as last

        last.summarise(job, summary, options.out, events)

    perform(job, options.out, run)


def compare(options: argparse.Namespace) -> None:
    """``compare``: files that are there twice and are not the same."""
    job = read_job(options.job, "compare")
    from models.config.differences import FilePairs

    pairs = validated(FilePairs, job.parameters)
    verify_inputs(job)
    wanted = {f"{side}/{path}" for path in pairs.paths for side in ("before", "after")}
    if wanted != job.inputs.keys():
        raise JobError("inputs are not before/ and after/ of every path in parameters.paths")

    def run(events: Events) -> None:
        from models.differences.job import compare_files

        compare_files(job, pairs, options.out, events)

    perform(job, options.out, run)


def audit(options: argparse.Namespace) -> None:
    """``audit``: a second implementation against what an arm, or a simulation, left."""
    job = read_job(options.job, "audit")
    from models.config.audit import Audit

    wanted = validated(Audit, job.parameters.get("audit", {}))
    table = declared(job, data_alone=wanted.parts == ("data",))
    verify_inputs(job)

    def run(events: Events) -> None:
        from models.audit.job import audit as derive

        derive(job, table, list(wanted.parts), options.out, events)

    perform(job, options.out, run)


def declared(job: Job, *, data_alone: bool) -> dict[str, Any]:
    """The parameters of the arm that is audited; a dataset alone needs no arm."""
    from models.config import Dataset, Parameters

    rest = {name: table for name, table in job.parameters.items() if name != "audit"}
    if data_alone and rest.keys() == {"dataset"}:
        return {"dataset": validated(Dataset, rest["dataset"]).model_dump(mode="json")}
    parameters = validated(Parameters, rest)
    if not parameters.diagnostics.audit_steps:
        raise JobError("parameters.diagnostics.audit_steps is 0: the arm left nothing to audit")
    return parameters.model_dump(mode="json")


def activations(options: argparse.Namespace) -> None:
    """``activations``: a report on a stored checkpoint."""
    job = read_job(options.job, "train")
    from models.config import Parameters

    parameters = validated(Parameters, job.parameters)
    if not REPORT_NAME.fullmatch(options.name):
        raise JobError(f"--name is {options.name!r}, not activation_report….json")
    from models.diagnosis import report_on_checkpoint
    from models.job import write_json

    report = report_on_checkpoint(
        options.checkpoint, parameters, options.npz, device=options.device, threads=job.threads
    )
    options.out.mkdir(parents=True, exist_ok=True)
    write_json(options.out / options.name, report)


def validated(kind: type[Parsed], content: object, where: str = "parameters") -> Parsed:
    """``content`` as a frozen table; raises ``JobError`` that names every wrong key."""
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(json.dumps(content))
    except ValidationError as error:
        problems = [
            f"{'.'.join([where, *map(str, problem['loc'])])}: {problem['msg']}"
            for problem in error.errors()
        ]
        raise JobError("; ".join(problems)) from error


def perform(job: Job, out: Path, run: Callable[[Events], None], **facts: object) -> None:
    """Run a job into an empty folder; ``result.json`` is written when all else is complete.

    ``facts`` stand in the first event, beside the experiment.
    """
    require_variables(job)
    out.mkdir(parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise JobError(f"{out} is not empty; give every attempt a fresh folder")
    with Events(out / EVENTS) as events:
        events.write("started", experiment=job.experiment, **facts)
        run(events)
        events.write("finished")
    write_result(job, out)


def require_variables(job: Job) -> None:
    """Refuse a job whose promise cannot be kept: libraries read these variables as they load."""
    from models.seeding import missing_variables

    if missing := missing_variables(job.determinism):
        wanted = " ".join(f"{name}={shlex.quote(value)}" for name, value in missing.items())
        raise JobError(
            f"execution.determinism is {job.determinism!r}, but the process was started without "
            f"{wanted}"
        )


def give_libraries_a_home() -> None:
    """Point the libraries' caches to a temporary folder, as the home may not be writable."""
    missing = [name for name in CACHES if name not in os.environ]
    if missing:
        folder = tempfile.mkdtemp(prefix="models-")
        os.environ.update(dict.fromkeys(missing, folder))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
