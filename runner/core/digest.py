"""Digests of bytes, files, JSON values and folders: the identity of everything that is recorded.

All digests are SHA-256 in lowercase hexadecimal. A JSON value has one canonical spelling, and a
folder is identified by the names and contents of its files alone: not by where it lies, nor by
dates, modes, or the order in which the file system lists it.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from runner.core.errors import VerificationError
from runner.core.names import is_plain_name

MOST_HOLLOW_BYTES = 2**29
"""Of all holes in the files of a hub; a second of digesting."""
BLOCK_BYTES = 2**20


def sha256_bytes(content: bytes) -> str:
    """Digest of ``content``."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """Digest of the bytes of one file, read in blocks. Raises ``OSError`` as ``open`` does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(value: object) -> bytes:
    """The one spelling of a JSON value: keys sorted, no blanks, UTF-8.

    Raises ``ValueError`` for NaN and infinity and ``TypeError`` for what JSON has no word for.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest_json(value: object) -> str:
    """Digest of the canonical spelling of a JSON value; see ``canonical_json``."""
    return sha256_bytes(canonical_json(value))


def pretty_json(value: object) -> bytes:
    """A JSON value as it is written to files: keys sorted, indented by 2, newline at the end.

    Raises as ``canonical_json`` does.
    """
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def tree_digest(root: Path, *, include: Callable[[PurePosixPath], bool] | None = None) -> str:
    r"""Digest of the files below ``root``; ``include`` chooses by path relative to it, all if None.

    It is the digest of what ``sha256sum`` prints for the files in byte order of their paths, so
    anyone can repeat it::

        find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum

    Empty folders do not count. Raises ``VerificationError`` when ``root`` is not a folder, and for
    a symbolic link, a device or a name that is not plain among the chosen entries.
    """
    if not root.is_dir():
        raise VerificationError(f"{root} is not a folder; give the folder that is to be digested")
    chosen = [path for path in entries(root) if include is None or include(path)]
    for path in chosen:
        if problem := oddity(root, path):
            raise VerificationError(f"{root}: {problem}")
    return files_digest({path.as_posix(): sha256_file(root / path) for path in chosen})


def files_digest(digests: Mapping[str, str]) -> str:
    """``tree_digest`` of a folder with these files, from path → digest; paths are plain."""
    whole = hashlib.sha256()
    for path in sorted(digests, key=os.fsencode):
        whole.update(f"{digests[path]}  {path}\n".encode())
    return whole.hexdigest()


def entries(root: Path, *, most: int | None = None) -> list[PurePosixPath]:
    """Everything below ``root`` that is not a real folder, relative to it, in byte order.

    Symbolic links are listed and never followed. Raises ``OSError`` for what cannot be listed, and
    ``ValueError`` where there are more than ``most`` files and folders.
    """
    found: list[PurePosixPath] = []
    folders = [PurePosixPath()]
    num_seen = 0
    while folders:
        folder = folders.pop()
        with os.scandir(root / folder) as listing:
            for entry in listing:
                kind = folders if entry.is_dir(follow_symlinks=False) else found
                kind.append(folder / entry.name)
                num_seen += 1
                if most is not None and num_seen > most:
                    raise ValueError(f"there are more than {most:,} files and folders")
    return sorted(found, key=lambda path: os.fsencode(path.as_posix()))


def holes(path: Path) -> int:
    """Bytes of a file that lie in holes: read as zeros, and nowhere on the disk."""
    with path.open("rb") as file:
        size, total, place = path.stat().st_size, 0, 0
        while place < size:
            try:
                data = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:  # ENXIO: no data from here to the end
                data = size
            total += data - place
            place = os.lseek(file.fileno(), data, os.SEEK_HOLE) if data < size else size
    return total


def refuse_hollow(paths: Iterable[Path]) -> None:
    """Raise ``VerificationError`` where holes would keep whoever digests the files for hours.

    A file of a few bytes on the disk can say to be terabytes long; nothing that is sealed is so.
    """
    total = 0
    for path in paths:
        facts = path.lstat()
        missing = facts.st_size - 512 * facts.st_blocks
        # A file system that compresses takes less room for data, too, but then there is no hole.
        total += holes(path) if missing > BLOCK_BYTES else 0
        if total > MOST_HOLLOW_BYTES:
            raise VerificationError(
                f"{path} says to be {facts.st_size:,} bytes long and has {512 * facts.st_blocks:,} "
                "on the disk: a hole, which no hub has; take the hub from its archive"
            )


def oddity(root: Path, path: PurePosixPath) -> str | None:
    """Why an entry below ``root`` cannot be part of a record, with the remedy; ``None`` if it can.

    Only regular files with plain names can: a link would let content change from outside.
    """
    if not is_plain_name(path.as_posix()):
        return (
            f"the name {path.as_posix()!r} has a control character or a backslash; rename the file"
        )
    mode = (root / path).lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"{path} is a symbolic link; replace it by the file that it points to"
    if not stat.S_ISREG(mode):
        return f"{path} is not a regular file; remove it"
    return None
