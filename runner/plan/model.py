"""A plan and its jobs: what is known of each before it runs, and the bytes of its ``job.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from runner.core.digest import digest_json, pretty_json
from runner.core.names import SafeName, is_dataset_name
from runner.core.reading import first_problem
from runner.experiment import EXPERIMENT, Dataset, Parameters
from runner.experiment.common import Determinism, Table, variables
from runner.manifest.dataset_names import (
    ONLY,
    OneOrMany,
    assigned,
    refuse_ambiguity,
    with_one_or_many,
)
from runner.manifest.follow_ups import Step
from runner.manifest.set_knobs import SetKnobs
from runner.manifest.tables import Audit, Resources
from runner.manifest.value_kinds import Seed

Device = Literal["cpu", "cuda"]


FIXED: Mapping[str, str] = {
    # cuBLAS repeats its bits only so: https://docs.nvidia.com/cuda/cublas/#results-reproducibility
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
    "TZ": "UTC",
    "LC_ALL": "C.UTF-8",
}
"""Variables that every job has, for its numbers to be repeatable and its console to be prompt."""
OF_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
FOR_ARMS: Mapping[str, None] = {"checkpoint_every": None, "silent_for_min": None}
"""What of their resources the jobs beside the arms do not have."""
VARIABLES = frozenset({*FIXED, *OF_THREADS, *variables("portable")})
"""All that a plan sets. A plan that sets another one (``LD_PRELOAD``, ``PATH``) is not ours."""


def _variable(name: str) -> str:
    if name not in VARIABLES:
        raise ValueError("no plan sets this variable")
    return name


Variable = Annotated[str, AfterValidator(_variable)]
Setting = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:+ -]{0,200}$")]
"""Value of a variable: words, and nowhere a path."""


class PlannedExecution(BaseModel):
    """Where the numbers are made: part of the plan, because the bits depend on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: Device
    threads: int
    determinism: Determinism


class Job(BaseModel):
    """One planned execution: an arm's training, the simulation, or the regression tests."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: SafeName
    experiment: Literal["simulate", "train", "test", "diagnose", "summarise", "compare", "audit"]
    values: dict[str, Any] | BaseModel = Field(
        alias="parameters", exclude=True, union_mode="left_to_right"
    )
    """Its parameters: typed for an arm and a simulation, tables for any other."""
    seed: Seed
    execution: PlannedExecution
    resources: Resources
    command: Annotated[tuple[str, ...], Field(min_length=1)]
    environment: dict[Variable, Setting]
    """Variables that must be set before the process starts: threads and determinism."""
    num_parameters: int | None
    """Live parameters of the network; ``None`` for a job that trains none, or whose command is the
    manifest's own: nothing is known of what it trains."""
    steps: int | None
    """Optimisation steps of the whole fit; ``None`` as for ``num_parameters``."""

    @cached_property
    def parameters(self) -> dict[str, Any]:
        """Its parameters as files have them; a plan of an earlier version lacks later knobs."""
        values = self.values
        if isinstance(values, BaseModel):
            return values.model_dump(mode="json", exclude_unset=True)
        return dict(values)

    @property
    def is_known(self) -> bool:
        """Whether formulas tell the sizes of what it computes: not of a manifest's own command.

        In plans of earlier versions such a job has a number of parameters, too.
        """
        return is_ours(self.command)

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {**write(self), "parameters": self.parameters}


class ArmJob(Job):
    """The training of an arm."""

    values: Parameters = Field(alias="parameters", exclude=True)


class Simulation(Table):
    """The parameters of a simulation."""

    dataset: Dataset


class DatasetJob(Job):
    """The simulation of a dataset."""

    values: Simulation = Field(alias="parameters", exclude=True)


def _is_empty(value: object) -> bool:
    return not value


class Plan(BaseModel):
    """Everything that a run will do, before it does it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    phase: SafeName
    profile: SafeName | None
    set_knobs: SetKnobs = Field(default_factory=dict, exclude_if=_is_empty)
    """What the command line set over manifest and profile; not written where it set nothing."""
    datasets: OneOrMany[DatasetJob]
    """The simulations. Each is shared by the arms with its parameters."""
    arms: tuple[ArmJob, ...]
    tests: Job | None = None
    """The regression tests that the phase names."""
    audit: Audit | None = None
    """How what ran is derived again; ``None`` in plans from before there were audits."""
    steps: tuple[Step, ...] = ()
    """What follows the arms if its condition holds."""
    left_out: tuple[str, ...] = ()
    """Optional arms that were not asked for."""

    @model_validator(mode="after")
    def _jobs_have_their_places(self) -> Self:
        names = {job.name for job in self.arms}
        if len(names) < len(self.arms):
            raise ValueError("arms names one twice")
        for job in self.datasets:
            if job.experiment != "simulate" or not is_dataset_name(job.name):
                raise ValueError("dataset is no simulation")
            if job.values.dataset.seed not in (None, job.seed):
                raise ValueError("dataset has another seed than its parameters")
        refuse_ambiguity(self.datasets)
        for name in names - assigned(self.datasets, self.arms).keys():
            raise ValueError(f"arms: no dataset is that of {name}")
        if any(job.experiment != "train" for job in self.arms):
            raise ValueError("arms has a job that is no arm")
        if self.tests is not None and self.tests.experiment != "test":
            raise ValueError("tests is another job")
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_one_or_many(write(self))

    def for_arms(self, arms: Sequence[Job]) -> Plan:
        """The plan with these of its arms, and the datasets that they are shown."""
        shown = {job.name for job in assigned(self.datasets, arms).values()}
        datasets = tuple(job for job in self.datasets if job.name in shown)
        return self.model_copy(update={"arms": tuple(arms), "datasets": datasets})


def parse_plan(content: bytes) -> Plan:
    """The plan in the bytes of a ``plan.json``. Raises ``ValueError`` that names the key."""
    try:
        return Plan.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(f"plan.json: {first_problem(error)}") from None


@dataclass(frozen=True, kw_only=True)
class InputRef:
    """A file that a job reads: where, relative to ``job.json``, and its digest."""

    path: str
    sha256: str


def computes_on(plan: Plan) -> Device:
    """``cuda`` when any arm computes on a GPU."""
    return "cuda" if any(job.execution.device == "cuda" for job in plan.arms) else "cpu"


def plan_remarks(plan: Plan) -> list[str]:
    """What is odd about the planned arms without being wrong."""
    return EXPERIMENT.parameters.remarks((job.name, job.values) for job in plan.arms)


def digest(plan: Plan) -> str:
    """Digest of everything that the plan says."""
    return digest_json(plan.model_dump(mode="json"))


def job_document(job: Job, inputs: Mapping[str, InputRef]) -> bytes:
    """The bytes of ``job.json``, the same whichever engine runs the job; see docs/contract.md.

    They are the same for every attempt, too: what one goes on from is no part of the job.
    """
    every = job.resources.checkpoint_every if job.experiment == "train" else None
    return pretty_json(
        {
            "schema_version": 1,
            "experiment": job.experiment,
            # One simulation is one job, whatever a phase calls what it makes.
            "name": ONLY if job.experiment == "simulate" else job.name,
            "parameters": job.parameters,
            "seed": job.seed,
            "execution": job.execution.model_dump(),
            "inputs": {
                name: {"path": ref.path, "sha256": ref.sha256} for name, ref in inputs.items()
            },
            **({"checkpoint_every": every.model_dump(mode="json")} if every else {}),
        }
    )


def beside_the_arms(experiment: str, seed: int, resources: Resources) -> dict[str, Any]:
    """What jobs have in common that are no arms: the CPU, and the phase's bounds."""
    return {
        "seed": seed,
        "execution": execution_of("cpu", resources),
        "resources": resources.model_copy(update={"gpus": 0, **FOR_ARMS}),
        "command": command_of(experiment),
        "environment": environment_of(resources),
        "num_parameters": None,
        "steps": None,
    }


PROGRAM = EXPERIMENT.program.command


def is_ours(command: Sequence[str]) -> bool:
    """Whether a command runs the experiment; another can do anything."""
    return tuple(command[: len(PROGRAM)]) == PROGRAM


def command_of(experiment: str) -> tuple[str, ...]:
    """The standard command of an experiment."""
    return (*PROGRAM, experiment, "--job", "{job}/job.json", "--out", "{out}")


def execution_of(device: Device, resources: Resources) -> PlannedExecution:
    """Where a job computes, on how many threads, and how it is to be repeatable."""
    return PlannedExecution(
        device=device, threads=resources.threads, determinism=resources.determinism
    )


def environment_of(resources: Resources) -> dict[str, str]:
    """What has to be set before a process starts for its numbers to be repeatable."""
    return {
        **variables(resources.determinism),
        **dict.fromkeys(OF_THREADS, str(resources.threads)),
        **FIXED,
    }
