"""An archive to a store and back, compared by digest both ways, a ``.sha256`` beside it."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from runner.archive.contents import archive_hub, archive_name
from runner.archive.layout import Index
from runner.archive.store import Store, open_store
from runner.core.digest import sha256_file
from runner.core.errors import EngineError, StoreError, VerificationError
from runner.core.files import remove_tree
from runner.core.text import Say
from runner.hub import layout

CHECKSUM = ".sha256"
LONGEST_CHECKSUM = 4096
_LINE = re.compile(rb"([0-9a-f]{64}) [ *][^\n]+\n?")


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """An archive in a store."""

    url: str
    sha256: str
    index: Index
    fresh: bool
    """Whether it was uploaded now; ``False`` if it was there already."""


def archive_to(
    folder: Path,
    url: str,
    *,
    target: Path | None,
    with_image: bool,
    with_dataset: bool,
    state: Path,
    say: Say,
) -> Delivered:
    """Archive a sealed hub and put it into a store; ``target`` is a file that is kept, if given.

    Raises:
        StoreError: the store cannot be used, or has another file of that name.
        VerificationError, EngineError: as ``archive_hub``.
    """
    name = target.name if target else archive_name(folder, layout.read(folder))
    store = open_store(url, name)
    store.prepare()
    with scratch(state / "outgoing" / name) as outgoing:
        path, index = archive_hub(
            folder,
            target=target or outgoing / name,
            with_image=with_image,
            with_dataset=with_dataset,
            state=state,
            say=say,
        )
        digest = sha256_file(path)
        say(f"uploading {path.stat().st_size} bytes to {store.url}")
        try:
            fresh = deliver(path, digest, store, outgoing)
        except StoreError as error:
            kept = f"\n{target} is complete; move it away before the next try" if target else ""
            raise StoreError(f"{error}{kept}") from error
    return Delivered(url=store.url, sha256=digest, index=index, fresh=fresh)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A folder of its own that goes with the context; what a killed process left goes first."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EngineError(
            f"{folder} cannot be made: {error.strerror}; set PHASEHUB_STATE to another folder"
        ) from error
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        try:
            remove_tree(folder)
            folder.mkdir()
            yield folder
        finally:
            remove_tree(folder)


def deliver(file: Path, digest: str, store: Store, work: Path) -> bool:
    """Put a file of this digest and its ``.sha256`` into a store; whether it was not there yet.

    The latter comes last and is made in the folder ``work``. Raises ``StoreError`` where another
    file has that name, or what came back is not what was sent.
    """
    checksum = work / f"{store.name}{CHECKSUM}"
    checksum.write_bytes(f"{digest}  {store.name}\n".encode())
    beside = store.beside(CHECKSUM)
    lacks_checksum = _is_missing(checksum, sha256_file(checksum), beside)
    fresh = _is_missing(file, digest, store)
    if fresh:
        store.put(file, digest)
    if lacks_checksum:
        beside.put(checksum, sha256_file(checksum))
    return fresh


def _is_missing(file: Path, digest: str, store: Store) -> bool:
    """Whether a store lacks a file. Raises ``StoreError`` if it has another of that name."""
    size = store.size()
    if size is None:
        return True
    if size not in (0, file.stat().st_size) or store.digest() != digest:
        raise StoreError(
            f"{store.url} is there already and is another file than the one of SHA-256 {digest}; "
            "nothing was overwritten: remove it yourself, or give another name with --to"
        )
    return False


def fetch(url: str, folder: Path, *, limit_bytes: int) -> Path:
    """Download an archive into ``folder``, compared with the ``.sha256`` beside it if there is one.

    Raises:
        StoreError: the store cannot be read.
        VerificationError: it is larger than ``limit_bytes``, or not what its ``.sha256`` says.
        EngineError: it cannot be written here.
    """
    store = open_store(url)
    size = store.size()
    if size is None:
        raise StoreError(f"{store.url} is not there; look at the name, and where it was put")
    _require_room(store, size, folder, limit_bytes)
    announced = _announced(store)
    path = folder / store.name
    found = _download(store, path, limit_bytes)
    if announced not in (None, found):
        raise VerificationError(
            f"{store.url} is refused: its SHA-256 is {found}, and {announced} by {CHECKSUM} beside "
            "it. Nothing was unpacked; take the archive from its source again"
        )
    return path


def _require_room(store: Store, size: int, folder: Path, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise _too_large(store, limit_bytes)
    if size > (free := shutil.disk_usage(folder).free):
        raise EngineError(
            f"{store.url} has {size} bytes and the disk of {folder} {free}; make room, or set "
            "PHASEHUB_STATE to a folder on another disk"
        )


def _too_large(store: Store, limit_bytes: int) -> VerificationError:
    return VerificationError(
        f"{store.url} is refused: it has more than the {limit_bytes} bytes that are allowed; "
        "allow more with --limit-gib if you trust it"
    )


def _announced(store: Store) -> str | None:
    """The digest that stands beside an archive, if any."""
    beside = store.beside(CHECKSUM)
    size = beside.size()
    if size is None:
        return None
    content = b"" if size > LONGEST_CHECKSUM else next(beside.blocks(), b"")
    if (match := _LINE.fullmatch(content)) is None:
        raise VerificationError(f"{beside.url} is no line of sha256sum; look who wrote it there")
    return match[1].decode()


def _download(store: Store, path: Path, limit_bytes: int) -> str:
    """Write the file to ``path``; its digest."""
    whole, size = hashlib.sha256(), 0
    try:
        with path.open("xb") as file:
            for block in store.blocks():
                whole.update(block)
                size += len(block)
                if size > limit_bytes:
                    raise _too_large(store, limit_bytes)
                file.write(block)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be written: {error.strerror}; set PHASEHUB_STATE to a folder on a "
            "disk with more room"
        ) from error
    return whole.hexdigest()
