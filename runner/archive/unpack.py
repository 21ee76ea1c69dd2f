"""An archive back into a folder, believing nothing that it says before it is compared.

Only what the index announces may follow it: each member's header must be, byte for byte, the one
that ``pack`` would have written. That leaves no room for links, devices, odd names, duplicates or
more bytes than were announced.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from backports import zstd
from pydantic import ValidationError

from runner.archive.layout import (
    BLOCK,
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
from runner.core.digest import sha256_file
from runner.core.errors import VerificationError
from runner.core.files import make_durable, remove_tree, undone
from runner.core.reading import parse_json
from runner.hub.checksums import CHECKSUMS, compare_checksums

DEFAULT_LIMIT_BYTES: Final = 64 * 2**30
"""Most bytes that an archive may unpack to unless the user allows more."""
LARGEST_WINDOW_LOG: Final = 27
"""Base-2 logarithm of the memory that decompression may ask for: 128 MiB."""
READ_BYTES = 2**20

KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.DIRTYPE: "a folder",
    tarfile.FIFOTYPE: "a pipe",
}


def unpack(archive: Path, target: Path, *, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> Index:
    """Unpack an archive into the new folder ``target``, whole and verified or not at all.

    Raises:
        VerificationError: it is no archive, was changed or cut short, holds what no archive may
            hold, or would unpack to more than ``limit_bytes``.
        FileExistsError: ``target`` exists.
        OSError: something cannot be read or written.
    """
    if os.path.lexists(target):
        raise FileExistsError(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with undone(
        lambda: Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent)), remove_tree
    ) as work:
        index = _extract(archive, work, limit_bytes)
        _verify_hub(archive, work / HUB, index)
        work.chmod(0o755)
        work.rename(target)
    return index


def _extract(archive: Path, folder: Path, limit_bytes: int) -> Index:
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: LARGEST_WINDOW_LOG}
    try:
        with zstd.open(archive, "rb", options=options) as stream:
            index = _read_index(archive, stream, limit_bytes)
            _require_room(archive, folder, index)
            for member in index.members:
                _extract_member(archive, member, stream, folder)
            _require_end(archive, stream.read(len(END) + 1))
        make_durable(folder / member.path for member in index.members)
    except (zstd.ZstdError, EOFError) as error:
        reason = "it is cut short" if isinstance(error, EOFError) else str(error)
        raise _refusal(archive, reason) from error
    return index


def _require_end(archive: Path, rest: bytes) -> None:
    if rest != END:
        short = END.startswith(rest)
        reason = "its end is missing" if short else "something follows its last member"
        raise _refusal(archive, reason)


def _read_index(archive: Path, stream: zstd.ZstdFile, limit_bytes: int) -> Index:
    size = _announced_size(_exactly(stream, BLOCK))
    if size is None:
        raise _refusal(archive, f"it does not begin with {INDEX}; it is no archive of phasehub")
    content = _exactly(stream, size)
    if any(_exactly(stream, len(padding(size)))):
        raise _refusal(archive, f"something is hidden behind {INDEX}")
    try:
        index = Index.model_validate_json(content, strict=True)
        parse_json(content)
    except (ValidationError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise _refusal(archive, f"{INDEX} cannot be used: {first}") from error
    if problems := list(wrong_paths([member.path for member in index.members])):
        raise _refusal(archive, "; ".join(problems[:5]))
    if index.total_bytes > limit_bytes:
        raise _refusal(
            archive,
            f"it unpacks to {index.total_bytes} bytes and {limit_bytes} are allowed; "
            "allow more with --limit-gib if you trust it",
        )
    return index


def _announced_size(block: bytes) -> int | None:
    """Bytes of the index by its header; ``None`` unless it is the header of one."""
    try:
        size = tarfile.TarInfo.frombuf(block, "utf-8", "strict").size
    except (tarfile.HeaderError, UnicodeError):
        return None
    honest = 0 <= size <= LARGEST_INDEX_BYTES and block == header(INDEX, size)
    return size if honest else None


def _require_room(archive: Path, folder: Path, index: Index) -> None:
    free = shutil.disk_usage(folder).free
    if index.total_bytes > free:
        raise OSError(f"{archive} unpacks to {index.total_bytes} bytes and the disk has {free}")


def _extract_member(archive: Path, member: Member, stream: zstd.ZstdFile, folder: Path) -> None:
    block = _exactly(stream, BLOCK)
    if block != header(member.path, member.bytes):
        raise _refusal(archive, f"in place of {member.path} it has {_description(block)}")
    path = folder / member.path
    path.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), member.bytes
    with path.open("xb") as file:
        while left:
            content = _exactly(stream, min(left, READ_BYTES))
            digest.update(content)
            file.write(content)
            left -= len(content)
    if digest.hexdigest() != member.sha256:
        raise _refusal(archive, f"{member.path} was changed")
    if any(_exactly(stream, len(padding(member.bytes)))):
        raise _refusal(archive, f"something is hidden behind {member.path}")
    path.chmod(0o444)


def _description(block: bytes) -> str:
    """What a header that was not announced is of."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeError):
        return "no member"
    return f"{KINDS.get(info.type, 'another member')} {info.name!r}"


def _exactly(stream: zstd.ZstdFile, size: int) -> bytes:
    parts = []
    while size:
        part = stream.read(min(size, READ_BYTES))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _verify_hub(archive: Path, hub: Path, index: Index) -> None:
    if not (hub / CHECKSUMS).is_file():
        raise _refusal(archive, "it holds no hub")
    if not (found := compare_checksums(hub)).intact:
        raise VerificationError(found.describe())
    if sha256_file(hub / CHECKSUMS) != index.hub_sha256:
        raise _refusal(archive, f"its hub is not the one that {INDEX} names")


def _refusal(archive: Path, reason: str) -> VerificationError:
    return VerificationError(
        f"{archive} is refused: {reason}. Nothing was unpacked; take the archive from its source "
        "again"
    )
