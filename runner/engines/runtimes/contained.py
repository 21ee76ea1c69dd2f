"""Jobs of a cluster in containers, as the machine sees them that submits them.

The image is that of the docker engine, made by this machine's daemon. What a runtime keeps from a
job, and what it cannot, is known before any node is: a node that keeps less refuses the job.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.core.text import Say
from runner.engines import Needs, views
from runner.engines.accounts import take_back
from runner.engines.base import PROMISES, Launch
from runner.engines.daemon import answering, connect
from runner.engines.images.build import BuiltImage, build
from runner.engines.isolation import Isolation, isolation_of
from runner.engines.runtimes.shelf import archive_of, root_of, sif_of


@dataclass(frozen=True, kw_only=True)
class Guarantees:
    """What a runtime does not keep of ``PROMISES``, and what else it cannot do."""

    not_kept: frozenset[str] = frozenset()
    without_root: frozenset[str] = frozenset()
    """What it does not keep, either, where the caller is not root."""
    gpus: bool = False
    """Whether it can show a container GPUs."""
    own_profile: bool = True
    """Whether it has a profile of system calls of its own."""
    put: Callable[[BuiltImage, Path, Say], Path] = archive_of
    """What writes an image below the state folder in the form that it takes."""


UNBOUNDED = frozenset({"pids", "swap"})
"""What only cgroups keep; memory is looked at where they do not, as of processes."""
GUARANTEES: Mapping[str, Guarantees] = {
    "docker": Guarantees(gpus=True),
    "podman": Guarantees(without_root=UNBOUNDED),
    "oci": Guarantees(without_root=UNBOUNDED, own_profile=False, put=root_of),
    "slurm": Guarantees(without_root=UNBOUNDED, own_profile=False, put=root_of),
    "apptainer": Guarantees(not_kept=UNBOUNDED, own_profile=False, gpus=True, put=sif_of),
}


@dataclass(frozen=True, kw_only=True)
class NodeImage:
    """An image as nodes find it on the shared folder."""

    built: BuiltImage
    place: Path
    """Its archive, its root file system, or a file of Apptainer's."""
    environment: tuple[str, ...]
    workdir: str

    def table(self) -> dict[str, Any]:
        """The same for a node, as a JSON value."""
        place = self.place.resolve()
        return {
            "id": self.built.id,
            "reference": self.built.reference,
            "packages_sha256": self.built.packages_sha256,
            "folder": str(place.parent),
            "place": str(place),
            "environment": list(self.environment),
            "workdir": self.workdir,
        }


class Contained:
    """Lays jobs out for a runtime of the nodes, in containers of one image."""

    isolated = True
    prepare_s = 1200.0
    """What a node may need to load the image, or to wait for another job that does, s."""

    def __init__(self, runtime: str, image: NodeImage) -> None:
        self._runtime, self._image = runtime, image
        self._guarantees = GUARANTEES[runtime]

    @property
    def places(self) -> list[Path]:
        """What nodes have to see besides a job's own folders."""
        return [self._image.place]

    def check(self) -> None:
        """Raise ``EngineError`` where the image is gone from the shared folder."""
        if not self._image.place.exists():
            raise EngineError(f"{self._image.place} was removed; run again to write it")

    def lay_out(self, view: Path, launch: Launch) -> None:
        """Make the folder of a job. Raises ``EngineError`` for what the runtime cannot do."""
        if launch.num_gpus and not self._guarantees.gpus:
            raise EngineError(
                f'the {self._runtime} runtime gives a container no GPU; use runtime = "docker" in '
                "phasehub.toml, or --device cpu"
            )
        if launch.limits.seccomp == "docker" and not self._guarantees.own_profile:
            raise EngineError(
                f"the {self._runtime} runtime has no profile of system calls of its own; use "
                'resources.seccomp = "strict" or "unconfined"'
            )
        views.lay_out(view, launch, command=(), environment={}, container=self._table(view, launch))

    def _table(self, view: Path, launch: Launch) -> dict[str, Any]:
        """What the runtime is given on the node."""
        seen = _of_copy(isolation_of(launch), view / "job")
        return {
            "runtime": self._runtime,
            "name": f"phasehub-{launch.name}-{secrets.token_hex(4)}",
            "image": self._image.table(),
            "isolation": seen.to_table(),
            "labels": dict(launch.labels),
            "num_gpus": launch.num_gpus,
        }

    def take_back(self, out_dir: Path) -> None:
        """Make the caller the owner of what a job has left whose supervisor did not do so."""
        take_back(out_dir, (os.getuid(), os.getgid()))

    def describe(self) -> dict[str, object]:
        """The runtime, what it keeps from a job, whom that runs as, and the image's identity."""
        missing = self._guarantees.not_kept
        if os.getuid() != 0:
            missing |= self._guarantees.without_root
        built = self._image.built
        return {
            "runtime": self._runtime,
            "enforced": sorted(PROMISES - missing),
            "not_enforced": sorted(missing),
            "image": built.identity(),
            "models_sha256": built.models_sha256,
            "packages_sha256": built.packages_sha256,
        }


def _of_copy(isolation: Isolation, job: Path) -> Isolation:
    """The isolation with the job's folder as it was copied for the node."""
    folders = [
        replace(one, source=str(job.resolve())) if one.place == "/job" else one
        for one in isolation.folders
    ]
    return replace(isolation, folders=tuple(folders))


def open_contained(needs: Needs, runtime: str) -> Contained:
    """Build the image if need be, and write it to where nodes find it. Raises ``EngineError``."""
    if needs.python is not None:
        raise EngineError(
            f'--python is for jobs without containers, and phasehub.toml says runtime = "{runtime}"'
        )
    with answering():
        image = needs.image or build(
            needs.variant, base=needs.base, cache=needs.cache, say=needs.say, root=needs.code.root
        )
    return Contained(runtime, node_image(runtime, image, needs.cache, needs.say))


def node_image(runtime: str, image: BuiltImage, state: Path, say: Say) -> NodeImage:
    """The image as a runtime takes it, below the state folder. Raises ``EngineError``."""
    with answering():
        config = connect().images.get(image.id).attrs.get("Config") or {}
    return NodeImage(
        built=image,
        place=GUARANTEES[runtime].put(image, state, say),
        environment=tuple(config.get("Env") or ()),
        workdir=str(config.get("WorkingDir") or "/"),
    )
