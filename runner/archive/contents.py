"""What goes into an archive beside the hub: the image that it ran in, the data that it ran on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.archive.layout import IMAGE, SUFFIX, Index
from runner.archive.pack import Source, pack
from runner.core.errors import EngineError, VerificationError
from runner.core.reading import MissingError
from runner.core.text import Say
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.data import DatasetRecord
from runner.jobs.dataset_cache import digests, places_of, refuse_others
from runner.jobs.datasets import find


def archive_name(folder: Path, record: HubRecord) -> str:
    """What the archive of a hub is called."""
    return f"{record.phase}-{folder.resolve().name}{SUFFIX}"


def archive_hub(
    folder: Path,
    *,
    target: Path | None,
    with_image: bool,
    with_dataset: bool,
    state: Path,
    say: Say,
) -> tuple[Path, Index]:
    """Archive a sealed hub; ``target`` is by default a file of its name in the working folder.

    Raises:
        VerificationError: the hub or its cached dataset is not as it was sealed.
        EngineError: the image or the dataset is no longer there, or ``target`` cannot be written.
    """
    record = layout.read(folder)
    path = target or Path(archive_name(folder, record))
    if path.exists():
        raise EngineError(f"{path} exists already; move it away, or give another name with -o")
    data = dataset_sources(record, state) if with_dataset else []
    with image_sources(record, path.resolve().parent, say) if with_image else _none() as image:
        try:
            index = pack(folder, [*image, *data], path)
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error}; give another with -o") from error
    return path, index


@contextmanager
def _none() -> Iterator[list[Source]]:
    yield []


@contextmanager
def image_sources(record: HubRecord, work: Path, say: Say) -> Iterator[list[Source]]:
    """The image of a hub as ``docker save`` writes it, in a file that goes with the context."""
    if record.image is None:
        raise EngineError(
            f"{record.phase} ran with the {record.engine.name} engine, in no image; archive it "
            "without --with-image: its locks are in the hub"
        )
    from runner.engines.daemon import connect
    from runner.engines.images.build import read_identity, save

    identity = read_identity(record.image, layout.RECORD).id
    with tempfile.NamedTemporaryFile(dir=work, prefix=".image-", suffix=".tar") as file:
        say(f"saving the image {identity[:19]}")
        save(connect(), identity, Path(file.name))
        yield [Source(path=IMAGE, file=Path(file.name))]


def dataset_sources(record: HubRecord, state: Path) -> list[Source]:
    """The datasets of a hub from the cache, their bytes compared with the hub's record."""
    return [one for each in record.datasets for one in _sources(each, state / "datasets")]


def _sources(dataset: DatasetRecord, cache: Path) -> Iterator[Source]:
    found = find(dataset, cache)
    if found is None:
        refuse_absence(dataset, cache)
        return
    for file in dataset.files:
        yield Source(
            path=f"{dataset.folder}/{file.path}",
            file=found.folder / file.path,
            sha256=file.sha256,
        )


def refuse_absence(dataset: DatasetRecord, cache: Path) -> None:
    """Say why the data of a hub cannot be had; a dataset without files is had without any."""
    simulated, restored = places_of(dataset, cache)
    folder = simulated if simulated.is_dir() or not restored.is_dir() else restored
    try:
        refuse_others(folder, digests(dataset.files), "is not what the hub ran on")
    except MissingError as error:
        raise EngineError(
            f"the dataset is not in the cache any more: {folder}/{error}; archive without "
            "--with-dataset, as the hub tells how to simulate it again"
        ) from error
    except ValueError as error:
        raise VerificationError(f"{folder}/{error}; remove that folder") from error
