"""From an archive to a hub in its place, with what came beside it where a run looks for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from runner.archive.layout import DATASET, HUB, IMAGE, Index
from runner.archive.remote import fetch, scratch
from runner.archive.unpack import unpack
from runner.core.digest import sha256_bytes
from runner.core.errors import EngineError, NoArchiveError, VerificationError
from runner.core.files import remove_tree
from runner.core.names import HUB_NAME
from runner.core.reading import shortened
from runner.hub import layout
from runner.hub.records.data import DatasetRecord
from runner.jobs.dataset_cache import restored_folder


@dataclass(frozen=True, kw_only=True)
class Restored:
    """What an archive gave back."""

    hub: Path
    image: Path | None
    """The saved image, for `docker load`; ``None`` where the archive has none."""
    dataset: bool
    """Whether the dataset is here now, for what is done with the hub."""


def restore(archive: Path, *, artifacts: Path, state: Path, limit_bytes: int) -> Restored:
    """Unpack the hub of an archive below ``artifacts``, verified, or nothing at all.

    An image and a dataset stay below ``state``, for what is done with this hub alone.

    Raises:
        VerificationError: the archive or the hub in it is not what it says it is.
        EngineError: the hub is there already, or something cannot be read or written.
    """
    if not archive.is_file():
        kind = EngineError if os.path.lexists(archive) else NoArchiveError
        raise kind(f"{archive} is no file; give what `phasehub archive` has written")
    try:
        with scratch(_shelf(str(archive.resolve()), state)) as folder:
            index = unpack(archive, folder / "unpacked", limit_bytes=limit_bytes)
            return _put_in_place(
                archive, index, folder / "unpacked", artifacts=artifacts, state=state
            )
    except OSError as error:
        raise EngineError(
            f"{archive} cannot be restored: {error}; make room or mend that, and try again"
        ) from error


def restore_from(url: str, *, artifacts: Path, state: Path, limit_bytes: int) -> Restored:
    """Download an archive from a store and give back its hub; nothing else of it stays.

    Raises ``StoreError`` where the store cannot be read, and as ``restore``.
    """
    with scratch(_shelf(url, state)) as folder:
        file = fetch(url, folder, limit_bytes=limit_bytes)
        return restore(file, artifacts=artifacts, state=state, limit_bytes=limit_bytes)


def _shelf(origin: str, state: Path) -> Path:
    """Where an archive of one origin is worked on; another try comes to the same place."""
    return state / "incoming" / sha256_bytes(os.fsencode(origin))[:16]


def image_file(hub_sha256: str, state: Path) -> Path:
    """Where the image of a restored hub is kept; ``hub_sha256`` is of its ``SHA256SUMS``."""
    return state / "restored" / hub_sha256 / "image.tar"


def _put_in_place(
    archive: Path, index: Index, work: Path, *, artifacts: Path, state: Path
) -> Restored:
    if not HUB_NAME.fullmatch(index.name):
        name = shortened(repr(index.name))
        raise VerificationError(f"{archive} is refused: {name} is no name of a hub")
    target = artifacts / index.name
    if os.path.lexists(target):
        raise EngineError(
            f"{target} is there already; `phasehub verify {target}` tells whether it is intact, or "
            "restore below another folder with --out"
        )
    record = layout.read(work / HUB)
    if record.phase != target.parent.name:
        raise VerificationError(f"{archive} is refused: its hub is of {record.phase}")
    for data in record.datasets:
        _compare_dataset(archive, index, work, data)
    target.parent.mkdir(parents=True, exist_ok=True)
    image = _keep_image(index, work, state)
    if index.holds(DATASET):
        for data in record.datasets:
            _keep_dataset(work, data, state)
    _move(work / HUB, target)
    return Restored(hub=target, image=image, dataset=index.holds(DATASET))


def _keep_image(index: Index, work: Path, state: Path) -> Path | None:
    if not index.holds(IMAGE):
        return None
    kept = image_file(index.hub_sha256, state)
    kept.parent.mkdir(parents=True, exist_ok=True)
    (work / IMAGE).replace(kept)
    return kept


def _compare_dataset(archive: Path, index: Index, work: Path, record: DatasetRecord) -> None:
    """See that the arrays, if there are any, are those of the hub."""
    if not index.holds(DATASET):
        return
    for file in record.files:
        path = f"{record.folder}/{file.path}"
        member = next((m for m in index.members if m.path == path), None)
        if member is None or member.sha256 != file.sha256:
            raise VerificationError(
                f"{archive} is refused: its {_inner(path)} is not what the hub ran on"
            )
    if not (work / HUB / (record.folder if record.files else layout.DATASET)).is_dir():
        raise VerificationError(f"{archive} is refused: it has a dataset, and its hub none")


def _inner(path: str) -> str:
    return path.removeprefix(f"{DATASET}/")


def _keep_dataset(work: Path, record: DatasetRecord, state: Path) -> None:
    """Keep the arrays, and the hub's copy of what describes them, for this hub and its likes."""
    cached = restored_folder(record, state / "datasets")
    if record.files and not cached.exists():
        cached.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(work / HUB / record.folder, work / record.folder, dirs_exist_ok=True)
        _move(work / record.folder, cached)


def _move(source: Path, target: Path) -> None:
    """Move a folder to a name that does not exist, in one step on the target's disk."""
    part = target.with_name(f".{target.name}.part")
    try:
        remove_tree(part)
        shutil.move(source, part)
        part.rename(target)
    except BaseException:
        remove_tree(part)
        raise
