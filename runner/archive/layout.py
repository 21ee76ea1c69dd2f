"""What an archive holds and how its bytes lie: the index, and the one header for each member."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.core import names

INDEX = "index.json"
HUB = "hub"
IMAGE = "image/image.tar"
DATASET = "dataset"
SUFFIX = ".phasehub.tar.zst"

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
"""Two blocks of zeros end a tar."""
LARGEST_INDEX_BYTES = 32 * 2**20
MOST_ENTRIES = 100_000
"""Members and the folders that they need: each takes room on a disk, however small it is."""


class Member(BaseModel):
    """A file of the archive."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    path: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Index(BaseModel):
    """The table of contents, in the order of the members."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    schema_version: Literal[1] = 1
    name: str
    """``<phase>/<id>`` of the hub."""
    hub_sha256: str
    """Digest of the hub's ``SHA256SUMS``, which names all its files: the identity of the hub."""
    members: tuple[Member, ...]

    @property
    def total_bytes(self) -> int:
        """Size of all members together."""
        return sum(member.bytes for member in self.members)

    def holds(self, path: str) -> bool:
        """Whether there is a member, or a folder with members, of that path."""
        return any(
            member.path == path or member.path.startswith(f"{path}/") for member in self.members
        )


def header(path: str, size: int) -> bytes:
    """The tar header of a regular file: mode 0644, owner 0, no date.

    Raises ``ValueError`` for a path that one header cannot hold.
    """
    info = tarfile.TarInfo(path)
    info.size, info.mode = size, 0o644
    # The old header has room for 8 GiB.
    block = info.tobuf(
        tarfile.USTAR_FORMAT if size < 8**11 else tarfile.GNU_FORMAT, "utf-8", "strict"
    )
    if len(block) != BLOCK:
        raise ValueError(f"the path {path} is too long for an archive")
    return block


def padding(size: int) -> bytes:
    """Zeros from the end of a member to the next block."""
    return bytes(-size % BLOCK)


def wrong_path(path: str) -> str | None:
    """Why a path may not be a member's; ``None`` if it may."""
    if problem := names.wrong_path(path):
        return problem
    if path.split("/")[0] not in (HUB, DATASET) and path != IMAGE:
        return "belongs to no part of an archive"
    return None


def wrong_paths(paths: Sequence[str]) -> Iterable[str]:
    """What is wrong with the paths of an index, a sentence each."""
    for path in paths:
        if problem := wrong_path(path):
            yield f"{path!r} {problem}"
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            yield f"{path!r} appears twice"
        seen.add(path)
    folders = folders_of(paths)
    for path in sorted(seen & folders):
        yield f"{path!r} is a file and a folder"
    if len(seen) + len(folders) > MOST_ENTRIES:
        yield f"there are more than {MOST_ENTRIES} files and folders"


def folders_of(paths: Iterable[str]) -> set[str]:
    """Every folder that the paths need."""
    folders: set[str] = set()
    for path in paths:
        folder = path
        while "/" in folder and (folder := folder.rpartition("/")[0]) not in folders:
            folders.add(folder)
    return folders
