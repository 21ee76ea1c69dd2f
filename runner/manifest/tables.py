"""The tables of a manifest as frozen values.

The sections of parameters are kept as the partial tables that the file holds, because only a phase,
a profile and an arm together make up parameters that can be checked; ``arms`` lays them over one
another.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt

from runner.core.names import SafeName
from runner.experiment import EXPERIMENT
from runner.experiment.common import CheckpointEvery, Determinism, Integer, Table
from runner.experiment.interface import OneOf
from runner.manifest.follow_ups import Step
from runner.manifest.matrix import MOST_ARMS
from runner.manifest.matrix_tables import Matrix
from runner.manifest.phase_tests import Tests
from runner.manifest.rule_parser import parse
from runner.manifest.rules import Rule
from runner.manifest.section_fields import with_parts
from runner.manifest.value_kinds import (
    Argument,
    ArmName,
    EngineWord,
    FindingId,
    ImageName,
    Prose,
    RuleText,
    Seed,
    Text,
)

MOST_PROFILES = 16
"""Of a phase."""
MIB = 2**20
GIB = 2**30
RESULTS = EXPERIMENT.results


class Phase(Table):
    """What the phase is and asks."""

    name: SafeName = Field(description="Name of the phase, and of the file without `.toml`.")
    title: Text = Field(description="One line for headings.")
    question: Text = Field(description="What the phase is to answer.")
    findings: tuple[FindingId, ...] = Field(
        (),
        max_length=256,
        description="Ids of the findings that the phase bears on, like `STABLE-LS-001`. Those that "
        "are registered for the phase must be among them, and the hub carries what is registered.",
    )
    license: Text | None = Field(
        None, description="How the hub may be used: the name or address of a license."
    )
    stage: Annotated[str, OneOf(EXPERIMENT.stages.names)] = Field(
        EXPERIMENT.stages.names[0],
        description="Stage of the study; the names of logs and metrics begin with it.",
    )
    seed: Seed = Field(
        description="Governs weights, data order and noise of each arm without a seed of its own."
    )
    compare_with: tuple[SafeName, ...] = Field(
        (),
        max_length=64,
        description="Earlier phases whose arms the summary puts beside this phase's.",
    )


class Image(Table):
    """The container image that the arms run in."""

    base: ImageName | None = Field(
        None, description="Base image to build on; by default the one of the Dockerfile."
    )
    variant: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Which torch is inside; `auto` takes the one for the device."
    )


def _is_none(value: object) -> bool:
    return value is None


class Resources(Table):
    """Bounds of one arm. Each can be relaxed here, and the hub says so."""

    gpus: NonNegativeInt = Field(
        0,
        le=64,
        description="GPUs of an arm; more than 1 for one with its own `command`. An arm that asks "
        "for one runs on the CPU where there is none.",
    )
    threads: PositiveInt = Field(
        2,
        le=4096,
        description="Threads of an arm's computations; the bits of the result depend on it.",
    )
    determinism: Determinism = Field(
        "portable",
        description="`portable` holds all libraries to AVX2, so that another x86-64 machine gives "
        "the same bits; `native` uses what the processor has, for the same machine.",
    )
    timeout_s: PositiveFloat = Field(
        7200.0, le=1e9, description="Time after which an arm is stopped, s."
    )
    silent_for_min: PositiveFloat | None = Field(
        None,
        le=1e6,
        exclude_if=_is_none,
        description="Time without a line in `events.jsonl` after which an arm is stopped, min; by "
        "default never. Between two of them lies at most a step and a second while it trains, and "
        "each of its other stages as a whole.",
    )
    memory_gib: PositiveFloat = Field(8.0, le=1e6, description="Memory limit, GiB.")
    shm_mib: PositiveInt = Field(64, le=2**30, description="Size of /dev/shm, MiB.")
    pids: PositiveInt = Field(512, le=2**22, description="Most processes and threads at a time.")
    tmp_mib: PositiveInt = Field(256, le=2**30, description="Size of /tmp, MiB.")
    disk_gib: PositiveFloat = Field(
        4.0, le=1e6, description="Most that the outputs of an arm take, GiB; at most 100,000 files."
    )
    network: bool = Field(default=False, description="Whether the arm reaches the network.")
    seccomp: Literal["strict", "docker", "unconfined"] = Field(
        "strict",
        description="Which system calls an arm may make: `strict` those that computing takes, "
        "without io_uring and AF_VSOCK; `docker` those of the Docker daemon's own profile; "
        "`unconfined` all.",
    )
    checkpoint_every: CheckpointEvery | None = Field(
        None,
        exclude_if=_is_none,  # a plan without checkpoints is as it was before there were any
        description="How often an arm leaves what it can go on from if it has to be run again; by "
        "default never. No result depends on it.",
    )

    @property
    def memory_bytes(self) -> int:
        """Memory limit in bytes."""
        return round(self.memory_gib * GIB)

    @property
    def shm_bytes(self) -> int:
        """Size of /dev/shm in bytes."""
        return self.shm_mib * MIB

    @property
    def tmp_bytes(self) -> int:
        """Size of /tmp in bytes."""
        return self.tmp_mib * MIB

    @property
    def disk_bytes(self) -> int:
        """Limit of the outputs in bytes."""
        return round(self.disk_gib * GIB)


class Audit(Table):
    """How what the jobs did is derived again by a second implementation; see docs/audit.md."""

    level: Literal["audited", "read back"] = Field(
        "audited",
        description="What an arm has to stand up to: `audited`, its data, weights, steps and "
        "scores derived again and compared; `read back`, its settings as its live objects tell "
        "them, and nothing else.",
    )
    steps: Annotated[int, Field(ge=1, le=10), Integer] = Field(
        3, description="Steps of the fit in a row that are derived again at each of three moments."
    )
    keep: bool = Field(
        default=False,
        description="Whether the states between the steps stay in the hub once they were audited; "
        "otherwise their digests do.",
    )

    @property
    def layer(self) -> dict[str, dict[str, Any]]:
        """What it asks of an arm, below whatever the manifest says of what arms record."""
        steps = self.steps if self.level == "audited" else 0
        return EXPERIMENT.parameters.recorded_for_audit(steps)


class Verdict(Table):
    """What counts as success."""

    success: tuple[RuleText, ...] = Field(
        (),
        max_length=64,
        description=f"Rules that each arm is held against, such as `{RESULTS.example_rule}`: "
        "statistics compared with numbers or with each other, flags, `not`, `and`, "
        "`or` and parentheses.",
    )
    required: bool = Field(
        default=False, description="Whether a rule that does not hold makes the run fail."
    )

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules of ``success``, parsed."""
        return tuple(parse(text) for text in self.success)


_RESOURCES = "Bounds of one arm; see `resources`."


@with_parts(lambda section: section.of_arm, after="seed")
class Arm(Table):
    """One arm: what it is called and in what it differs from the phase."""

    name: ArmName = Field(description="Name of the arm, and of its files.")
    title: Prose = Field("", description="One line for tables and figures.")
    description: Prose = Field("", description="Why the arm is there.")
    optional: bool = Field(
        default=False, description="Whether the arm runs only with `--with-optional` or by name."
    )
    seed: Seed | None = Field(None, description="Seed of this arm in place of the phase's.")
    resources: Resources = Field(default_factory=Resources, description=_RESOURCES)
    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=256)] | None = Field(
        None,
        description="Command in place of the standard one; `{job}` and `{out}` stand for the "
        "folders of the file contract.",
    )


@with_parts(lambda section: section.of_profile)
class Profile(Table):
    """A variant of the phase: what it changes for all arms."""

    resources: Resources = Field(default_factory=Resources, description=_RESOURCES)
    matrix: Matrix | None = Field(
        None, description="Axes in place of the phase's; an empty one takes an axis away."
    )


@with_parts(lambda section: section.of_phase, after="resources")
class Manifest(Table):
    """One phase of a study."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["arms"]}, {"required": ["matrix"]}]}
    )

    schema_version: Annotated[Literal[1], Integer] = Field(description="Version of this format: 1.")
    engine: EngineWord | None = Field(
        None,
        exclude_if=_is_none,
        description="Where jobs run unless `--engine` says so; by default as the site file says.",
    )
    phase: Phase = Field(description="What the phase is and asks.")
    image: Image = Field(default_factory=Image, description="The container image.")
    resources: Resources = Field(default_factory=Resources, description="Bounds of one arm.")
    audit: Audit = Field(
        default_factory=Audit, description="How what the jobs did is derived again."
    )
    verdict: Verdict = Field(default_factory=Verdict, description="What counts as success.")
    arms: Annotated[tuple[Arm, ...], Field(min_length=1, max_length=MOST_ARMS)] = Field(
        (), description="The arms, each under `[[arms]]`; a `[matrix]` can stand without."
    )
    tests: Tests = Field(default_factory=Tests, description="Regression tests of the phase.")
    steps: tuple[Step, ...] = Field(
        (),
        max_length=64,
        description="What is captured after the arms on a condition, each under `[[steps]]`.",
    )
    matrix: Matrix | None = Field(None, description="Axes whose combinations become arms.")
    profiles: dict[SafeName, Profile] = Field(
        default_factory=dict,
        max_length=MOST_PROFILES,
        description="Named variants, each under `[profiles.<name>]`.",
    )
