"""Images that phasehub has built and nobody needs: found by their names and labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, ImageNotFound

from runner.core.digest import sha256_file
from runner.core.project import models_digest
from runner.engines.environments.wheels import lock_path

REPOSITORIES = {"phasehub": "phasehub.models", "phasehub-environment": "phasehub.lock"}
"""What our images are called → the label that says for which code or which packages they are."""


@dataclass(frozen=True, kw_only=True)
class UnusedImage:
    """An image that is made again where it is wanted."""

    reference: str
    age_s: float
    client: DockerClient

    def remove(self) -> bool:
        """Remove it unless a container has it; whether that was done."""
        try:
            self.client.images.remove(self.reference)
        except ImageNotFound:
            return True
        except APIError:
            return False
        return True


def unused_images(client: DockerClient, root: Path, older_than_s: float) -> Iterator[UnusedImage]:
    """Our images that were built longer ago, and not of the code at ``root``."""
    locks = {sha256_file(lock_path(variant, root)) for variant in ("cpu", "cuda")}
    needed = {"phasehub.models": {models_digest(root)}, "phasehub.lock": locks}
    now = datetime.now(UTC)
    for repository, label in REPOSITORIES.items():
        for image in client.images.list(repository):
            # None without the label: it is somebody else's, whatever it is called.
            if image.labels.get(label) in {None, *needed[label]}:
                continue
            age_s = (now - datetime.fromisoformat(image.attrs["Created"])).total_seconds()
            if age_s > older_than_s:
                found = partial(UnusedImage, age_s=age_s, client=client)
                yield from (found(reference=tag) for tag in image.tags)
