"""The engines that there are, and what is known of each before it is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EngineName(StrEnum):
    """What can be asked for: ``auto``, and the engines."""

    auto = "auto"
    docker = "docker"
    process = "process"
    slurm = "slurm"


ENGINES = tuple(name for name in EngineName if name is not EngineName.auto)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an engine is, whatever it finds where it runs."""

    place: str
    """Where its jobs run, as it continues "would run that"."""
    jobs: str
    """What its jobs are to who looks at the machine."""
    elsewhere: bool = False
    """Whether its jobs take nothing of this machine but its disk."""
    always_contained: bool = False
    """Whether its jobs run in containers wherever they run."""
    has_runtimes: bool = False
    """Whether the site file says how a job starts there, and so whether in a container."""

    def contains(self, runtime: str) -> bool:
        """Whether its jobs run in containers, with this runtime in the site file."""
        return self.always_contained or (self.has_runtimes and runtime != EngineName.process)

    @property
    def may_lack_image(self) -> bool:
        """Whether it may run jobs without an image."""
        return not self.always_contained


KINDS: Mapping[str, Kind] = {
    EngineName.docker: Kind(place="in containers", jobs="containers", always_contained=True),
    EngineName.process: Kind(place="on this machine", jobs="processes"),
    EngineName.slurm: Kind(
        place="on a cluster's nodes",
        jobs="jobs in Slurm's queue",
        elsewhere=True,
        has_runtimes=True,
    ),
}
"""By names, one row for each engine. A new engine is a row here and a module of its name."""

UNKNOWN = Kind(place="on this machine", jobs="jobs")
"""What is held of ``auto``, and of a name that is not known: as little as can be."""


def kind_of(name: str) -> Kind:
    """The kind of an engine, by a name that anybody may have written."""
    return KINDS.get(name, UNKNOWN)


def is_elsewhere(name: str) -> bool:
    """Whether an engine's jobs take nothing of this machine but its disk."""
    return kind_of(name).elsewhere
