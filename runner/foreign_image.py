"""Loading an image out of an archive, without believing the names that it gives itself.

Docker takes the names in a file as they are and moves them away from the images that had them. So
a file could put itself where a run looks for the image that it has built.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docker import DockerClient

REPOSITORY = "phasehub-restored"
"""What a loaded image is called, by its id, so that Docker does not count it as left over."""


def load(client: DockerClient, saved: Path) -> None:
    """Load what ``saved`` holds; every other image keeps its names, and no name is new but ours.

    Raises ``DockerException`` when it cannot be loaded, ``OSError`` when it cannot be read.
    """
    before = {tag: str(image.id) for image in client.images.list() for tag in image.tags}
    with saved.open("rb") as file:
        loaded = client.images.load(file)
    for image in {image.id: image for image in loaded}.values():
        image.tag(REPOSITORY, str(image.id).removeprefix("sha256:")[:12])
        for tag in image.tags:
            _give_back(client, tag, str(image.id), before.get(tag))


def _give_back(client: DockerClient, tag: str, loaded: str, owner: str | None) -> None:
    """Have a name mean again what it meant before."""
    if owner is None:
        client.images.remove(tag, noprune=True)  # the name; the image has ours
    elif owner != loaded:
        client.images.get(owner).tag(tag)
