"""``phasehub.toml``: what a site asks of each job that is put into its queue, if anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from runner.experiment.common import Integer, Table
from runner.manifest.validation import read_settings_file
from runner.manifest.value_kinds import EngineWord

NAME = "phasehub.toml"
OURS = frozenset(
    {
        "--array",
        "--chdir",
        "--comment",
        "--cpus-per-task",
        "--error",
        "--export",
        "--gpus-per-node",
        "--input",
        "--job-name",
        "--mem",
        "--no-requeue",
        "--nodes",
        "--ntasks",
        "--open-mode",
        "--output",
        "--parsable",
        "--requeue",
        "--time",
        "--wait",
        "--wrap",
    }
)
"""Options of sbatch that phasehub gives itself."""


def _option(text: str) -> str:
    name = text.partition("=")[0]
    if not text.startswith("--") or not text.isprintable() or " " in name:
        raise ValueError("expected a long option of sbatch, like '--reservation=course'")
    if name in OURS:
        raise ValueError(f"{name} is given by phasehub itself; leave it out")
    return text


def _word(text: str) -> str:
    if not text or not text.isprintable() or text != text.strip():
        raise ValueError("expected a word as sbatch takes it")
    return text


def _absolute(text: str) -> str:
    if not Path(text).is_absolute():
        raise ValueError("expected an absolute path")
    return text


Word = Annotated[str, AfterValidator(_word)]


class SlurmSite(Table):
    """What `--engine slurm` adds to each job, and how patient it is."""

    partition: Word | None = Field(None, description="Partition, or several with commas.")
    account: Word | None = Field(None, description="Account that the time is charged to.")
    qos: Word | None = Field(None, description="Quality of service.")
    constraint: Word | None = Field(None, description="Features that a node must have.")
    options: tuple[Annotated[str, AfterValidator(_option)], ...] = Field(
        (), description="Further long options of sbatch, such as `--reservation=course`."
    )
    runtime: Literal["process", "docker", "podman", "oci", "apptainer", "slurm"] = Field(
        "process",
        description=(
            "How a job starts on a node: as a process of yours, or in a container of this program; "
            "`oci` is runc or crun, `slurm` is Slurm's own `--container`."
        ),
    )
    shared: Annotated[str, AfterValidator(_absolute)] | None = Field(
        None,
        description=(
            "The folder that nodes see under the same path; what lies outside is refused before a "
            "job is submitted."
        ),
    )
    concurrency: Annotated[int, Integer] = Field(
        64,
        ge=1,
        le=10_000,
        description="Most jobs in the queue at a time, unless `--jobs` is given.",
    )
    look_every_s: float = Field(
        5.0, ge=0.2, le=600, description="Time between two looks at the queue, s."
    )
    result_within_s: float = Field(
        10.0,
        ge=0.0,
        le=600,
        description="How long a result is waited for after the queue says that its job ended, s.",
    )
    held_at_most_s: float = Field(
        600.0, ge=0.0, le=604_800, description="How long a job that is held stays in the queue, s."
    )
    controller_within_s: float = Field(
        300.0, ge=1.0, le=86_400, description="How long a silent controller is waited for, s."
    )


class Site(Table):
    """The whole file."""

    engine: EngineWord | None = Field(
        None, description="Where jobs run unless `--engine` or the manifest says so."
    )
    slurm: SlurmSite = Field(default_factory=SlurmSite, description="The queue.")


def places(project: Path | None) -> Iterator[Path]:
    """Where the file may lie, the first that is there counts: the project, the user's settings."""
    if project is not None:
        yield project / NAME
    if named := os.environ.get("XDG_CONFIG_HOME"):
        yield Path(named) / "phasehub" / NAME
    else:
        yield Path.home() / ".config" / "phasehub" / NAME


def find_site(project: Path | None) -> Path | None:
    """The site file that counts for a project; ``None`` where there is none."""
    return next((path for path in places(project) if path.exists()), None)


def read_site(path: Path) -> Site:
    """A site file.

    Raises ``ManifestError`` that names everything that is wrong with it, line by line.
    """
    return read_settings_file(path, Site)
