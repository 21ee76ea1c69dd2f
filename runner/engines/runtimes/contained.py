"""Jobs of a cluster in containers, as the machine sees them that submits them.

The image is that of the docker engine, made by this machine's daemon. What a runtime keeps from a
job, and what it cannot, is known before any node is: a node that keeps less refuses the job.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.engines import Needs, views
from runner.engines.accounts import take_back
from runner.engines.base import PROMISES, Launch
from runner.engines.daemon import answering
from runner.engines.images.build import BuiltImage, build
from runner.engines.isolation import Isolation, isolation_of
from runner.engines.runtimes.shelf import archive_of

NOT_KEPT: Mapping[str, frozenset[str]] = {
    "docker": frozenset(),
    "podman": frozenset(),
}
"""What of ``PROMISES`` a runtime does not keep for anybody."""
NOT_KEPT_WITHOUT_ROOT: Mapping[str, frozenset[str]] = {
    "docker": frozenset(),
    "podman": frozenset({"pids", "swap"}),
}
"""What it does not keep where the caller is not root; memory is looked at then, as of processes."""
WITHOUT_GPUS = ("podman",)
"""Runtimes that give a container no GPU."""


class Contained:
    """Lays jobs out for a runtime of the nodes, in containers of one image."""

    isolated = True
    prepare_s = 1200.0
    """What a node may need to load the image, or to wait for another job that does, s."""

    def __init__(self, runtime: str, image: BuiltImage, archive: Path) -> None:
        self._runtime, self._image, self._archive = runtime, image, archive

    @property
    def places(self) -> list[Path]:
        """What nodes have to see besides a job's own folders."""
        return [self._archive]

    def check(self) -> None:
        """Raise ``EngineError`` where the image is gone from the shared folder."""
        if not self._archive.is_file():
            raise EngineError(f"{self._archive} was removed; run again to write it")

    def lay_out(self, view: Path, launch: Launch) -> None:
        """Make the folder of a job. Raises ``EngineError`` for what the runtime cannot do."""
        if launch.num_gpus and self._runtime in WITHOUT_GPUS:
            raise EngineError(
                f'the {self._runtime} runtime gives a container no GPU; use runtime = "docker" in '
                "phasehub.toml, or --device cpu"
            )
        views.lay_out(view, launch, command=(), environment={}, container=self._table(view, launch))

    def _table(self, view: Path, launch: Launch) -> dict[str, Any]:
        """What the runtime is given on the node."""
        seen = _of_copy(isolation_of(launch), view / "job")
        return {
            "runtime": self._runtime,
            "name": f"phasehub-{launch.name}-{secrets.token_hex(4)}",
            "image": {
                "id": self._image.id,
                "reference": self._image.reference,
                "packages_sha256": self._image.packages_sha256,
                "folder": str(self._archive.parent.resolve()),
                "archive": str(self._archive.resolve()),
            },
            "isolation": seen.to_table(),
            "labels": dict(launch.labels),
            "num_gpus": launch.num_gpus,
        }

    def take_back(self, out_dir: Path) -> None:
        """Make the caller the owner of what a job has left whose supervisor did not do so."""
        take_back(out_dir, (os.getuid(), os.getgid()))

    def describe(self) -> dict[str, object]:
        """The runtime, what it keeps from a job, whom that runs as, and the image's identity."""
        missing = NOT_KEPT[self._runtime]
        if os.getuid() != 0:
            missing |= NOT_KEPT_WITHOUT_ROOT[self._runtime]
        return {
            "runtime": self._runtime,
            "enforced": sorted(PROMISES - missing),
            "not_enforced": sorted(missing),
            "image": self._image.identity(),
            "models_sha256": self._image.models_sha256,
            "packages_sha256": self._image.packages_sha256,
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
    return Contained(runtime, image, archive_of(image, needs.cache, needs.say))
