"""A hub, and what else is given, into one file."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backports import zstd

from runner.archive.layout import (
    END,
    HUB,
    INDEX,
    LARGEST_INDEX_BYTES,
    Index,
    Member,
    header,
    padding,
    wrong_paths,
)
from runner.core.digest import entries, pretty_json, sha256_file
from runner.core.errors import VerificationError
from runner.hub.checksums import CHECKSUMS, compare_checksums, digest_all, listed_digests

LEVEL = 9
READ_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that goes into the archive: where it lies and what it is called there."""

    path: str
    file: Path
    sha256: str | None = None
    """Its digest, where it was taken already."""


def pack(hub: Path, extras: Sequence[Source], target: Path) -> Index:
    """Write the sealed ``hub`` and ``extras`` to ``target``, whole or not at all.

    The same contents give the same bytes before compression: members are sorted, belong to owner 0
    and have no date. The compressed bytes depend on the version of Zstandard too.

    Raises:
        VerificationError: the hub is not as it was sealed, a name cannot be archived, or a file
            changed while it was read.
        FileExistsError: ``target`` exists.
        OSError: something cannot be read or written.
    """
    if not (found := compare_checksums(hub)).intact:
        raise VerificationError(found.describe())
    sources = sorted([*_hub_files(hub), *extras], key=lambda source: os.fsencode(source.path))
    index = make_index(hub, sources)
    if target.exists():
        raise FileExistsError(target)
    part = target.with_name(f".{target.name}.part")
    try:
        with zstd.open(part, "wb", options=_options()) as stream:
            _write(index, sources, stream)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.link(part, target)  # unlike a rename, this does not replace what came there meanwhile
    finally:
        part.unlink(missing_ok=True)
    return index


def make_index(hub: Path, sources: Sequence[Source]) -> Index:
    """The index over ``sources``, which are sorted. Raises ``VerificationError`` for bad names."""
    if problems := list(wrong_paths([source.path for source in sources])):
        raise VerificationError(f"{hub} cannot be archived: {'; '.join(problems)}; rename the file")
    unknown = [source for source in sources if source.sha256 is None]
    digests = dict(zip(unknown, digest_all([source.file for source in unknown]), strict=True))
    return Index(
        name=f"{hub.resolve().parent.name}/{hub.resolve().name}",
        hub_sha256=sha256_file(hub / CHECKSUMS),
        members=tuple(
            Member(
                path=source.path,
                bytes=source.file.stat().st_size,
                sha256=source.sha256 or digests[source],
            )
            for source in sources
        ),
    )


def _hub_files(hub: Path) -> Iterator[Source]:
    """The files of a hub, with the digests that were compared with it a moment ago."""
    listed, _ = listed_digests(hub)
    for path in entries(hub):
        name = path.as_posix()
        yield Source(path=f"{HUB}/{name}", file=hub / path, sha256=listed.get(name))


def _options() -> dict[int, int]:
    return {
        zstd.CompressionParameter.compression_level: LEVEL,
        zstd.CompressionParameter.checksum_flag: 1,
        zstd.CompressionParameter.nb_workers: os.cpu_count() or 1,
    }


def _write(index: Index, sources: Sequence[Source], stream: zstd.ZstdFile) -> None:
    content = pretty_json(index.model_dump(mode="json"))
    if len(content) > LARGEST_INDEX_BYTES:
        raise VerificationError(f"the index would exceed {LARGEST_INDEX_BYTES} bytes")
    stream.write(header(INDEX, len(content)) + content + padding(len(content)))
    for member, source in zip(index.members, sources, strict=True):
        stream.write(header(member.path, member.bytes))
        _copy(member, source, stream)
        stream.write(padding(member.bytes))
    stream.write(END)


def _copy(member: Member, source: Source, stream: zstd.ZstdFile) -> None:
    """Copy a file that was digested before, and see that it is still the same."""
    digest, size = hashlib.sha256(), 0
    with source.file.open("rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
            size += len(block)
            stream.write(block)
    if (size, digest.hexdigest()) != (member.bytes, member.sha256):
        raise VerificationError(f"{source.file} changed while it was archived; archive it again")
