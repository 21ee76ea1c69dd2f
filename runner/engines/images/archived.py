"""Loading one image out of an archive: that image alone, and none of the names it gives itself.

Docker takes the names in a file as they are and moves them away from the images that had them. So
a file could put itself where a run looks for the image that it has built. The daemon is therefore
not given the file but a stream that is made from it: the one image that is asked for, nameless.
Nothing has to be put right afterwards, whenever we or the daemon stop.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from runner.core.digest import canonical_json
from runner.core.errors import EngineError
from runner.core.names import InnerPath
from runner.core.reading import MIB, open_regular, parse_json, typed

if TYPE_CHECKING:
    from docker import DockerClient

REPOSITORY = "phasehub-restored"
"""What a loaded image is called, by its id, so that Docker does not count it as left over."""
MANIFEST = "manifest.json"
MOST_BYTES = 16 * MIB
"""Of the manifest and of an image's description; the layers are as large as they are."""


class _Saved(BaseModel):
    """An image in the ``manifest.json`` of ``docker save``; its names are not looked at.

    https://github.com/moby/docker-image-spec/blob/main/v1.2.md#combined-image-json--filesystem-changeset-format
    """

    config: Annotated[InnerPath, Field(alias="Config")]
    layers: Annotated[tuple[InnerPath, ...], Field(alias="Layers", max_length=128)]


def load(client: DockerClient, saved: Path, wanted: str) -> None:
    """Load the image with the id ``wanted`` from ``saved``; every other image keeps its names.

    Raises ``DockerException`` when it cannot be loaded, ``OSError`` when it cannot be read,
    ``ValueError`` when it does not hold that image or is no such file, and ``EngineError`` for an
    image that no arm may run in.
    """
    with open_regular(saved) as file:
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                image, description = _find(tar, wanted)
                refuse_odd(f"the image {wanted}", description.get("config"))
                client.images.load(_nameless(tar, image))  # type: ignore[arg-type]
        except (tarfile.TarError, KeyError, RecursionError) as error:
            raise ValueError(f"it is no file of `docker save`: {error}") from error
    client.images.get(wanted).tag(REPOSITORY, wanted.removeprefix("sha256:")[:12])


def refuse_odd(name: str, config: Mapping[str, Any] | None) -> None:
    """Refuse an image that would do more than hold files: run in builds, write past all limits.

    ``config`` is what the daemon or the image's own description says of it. Raises ``EngineError``.
    """
    for key, text in (("OnBuild", "instructions for builds (ONBUILD)"), ("Volumes", "volumes")):
        if (config or {}).get(key):
            raise EngineError(
                f"{name} declares {text}, which phasehub does not run; use an image without"
            )


def _find(tar: tarfile.TarFile, wanted: str) -> tuple[_Saved, dict[str, Any]]:
    """The image with that id, which is the digest of its description, and the description."""
    entries = parse_json(_content(tar, MANIFEST))
    for entry in entries if isinstance(entries, list) else []:
        image = typed(_Saved, entry, MANIFEST)
        content = _content(tar, image.config)
        if f"sha256:{hashlib.sha256(content).hexdigest()}" == wanted:
            description = parse_json(content)
            return image, description if isinstance(description, dict) else {}
    raise ValueError(f"it does not hold the image {wanted} that the hub names")


def _content(tar: tarfile.TarFile, name: str) -> bytes:
    _, file = _open(tar, name)
    content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"{name} is larger than {MOST_BYTES:,} bytes")
    return content


def _open(tar: tarfile.TarFile, name: str) -> tuple[int, IO[bytes]]:
    """Size and content of a file in the archive; a link is followed inside the archive only."""
    file = tar.extractfile(name)  # `docker save` links layers that several images share
    if file is None:
        raise ValueError(f"{name} is no file")
    size = file.seek(0, 2)
    file.seek(0)
    archive: Any = tar.fileobj
    if size > os.fstat(archive.fileno()).st_size:
        raise ValueError(f"{name} says that it is larger than the whole file")
    return size, file


def _nameless(tar: tarfile.TarFile, image: _Saved) -> Iterator[bytes]:
    """An archive for `docker load` with this image alone and no name."""
    entry = {"Config": image.config, "RepoTags": None, "Layers": list(image.layers)}
    manifest = canonical_json([entry])
    yield _header(MANIFEST, len(manifest)) + _padded(manifest)
    for name in dict.fromkeys((image.config, *image.layers)):
        size, file = _open(tar, name)
        yield _header(name, size)
        while block := file.read(MIB):
            yield block
        yield _padding(size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padded(content: bytes) -> bytes:
    return content + _padding(len(content))


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
