"""Images as nodes get them: written once below the state folder, which the nodes see."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from filelock import FileLock

from runner.core.caches import OF_SHELF, mark_used
from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.programs import answer_of
from runner.core.text import Say
from runner.engines.daemon import answering, connect
from runner.engines.images.build import BuiltImage, save

SHELF = "node-images"
"""Folder of the state folder; an entry bears the id of its image."""
ARCHIVE = "image.tar"
"""An image as ``docker save`` writes it."""
ROOT = "root"
"""The root file system of an image, unpacked."""
SIF, APPTAINER = "image.sif", "apptainer"
"""An image as Apptainer has it, and the program that makes it."""
CONVERT_S = 3600.0
"""The longest that it may take, s; 1.5 GB took two minutes and a half."""
PLACES = ("job", "out", "data")
"""Folders that a container is shown, which nobody could make in a root that is read-only."""
TAR = ("tar", "--extract", "--preserve-permissions", "--exclude=dev/*", "--directory")


def archive_of(image: BuiltImage, state: Path, say: Say) -> Path:
    """The archive of an image, written unless it is there. Raises ``EngineError``."""
    return _put(image, state, ARCHIVE, partial(save, connect(), image.id), say)


def root_of(image: BuiltImage, state: Path, say: Say) -> Path:
    """The root file system of an image, unpacked unless it is there. Raises ``EngineError``."""
    return _put(image, state, ROOT, partial(_unpack, image.id), say)


def sif_of(image: BuiltImage, state: Path, say: Say) -> Path:
    """The image as Apptainer's file, which spares a shared folder some ten thousand small ones.

    It takes Apptainer to make it: where this machine has none, the root file system, unpacked.
    Raises ``EngineError``.
    """
    if shutil.which(APPTAINER) is None:
        return root_of(image, state, say)
    return _put(image, state, SIF, partial(_convert, image.id), say)


def _put(image: BuiltImage, state: Path, name: str, make: Callable[[Path], None], say: Say) -> Path:
    shelf = state / SHELF
    folder = shelf / image.id.removeprefix("sha256:")
    target, part = folder / name, folder / f".{name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / OF_SHELF):
            mark_used(folder)
            if not target.exists():
                say(f"Writing {image.reference} to {target}, where nodes find it")
                remove_tree(part)
                with answering():
                    make(part)
                part.replace(target)
    except OSError as error:
        raise EngineError(
            f"the image cannot be written below {shelf}: {error}; make room there, or name another "
            "folder in PHASEHUB_STATE"
        ) from error
    return target


def _convert(identity: str, target: Path) -> None:
    """Write an image as a file of Apptainer's. Raises ``EngineError`` where it does not."""
    archive = target.with_name(f".{SIF}.{ARCHIVE}")
    command = [APPTAINER, "--silent", "build", "--disable-cache", "--force", str(target)]
    try:
        save(connect(), identity, archive)
        done = answer_of(
            [*command, f"docker-archive:{archive}"], environment=os.environ, within_s=CONVERT_S
        )
    finally:
        archive.unlink(missing_ok=True)
    if done.returncode != 0:
        raise EngineError(
            f"{APPTAINER} cannot write {target}: {(done.stderr or done.stdout).strip()[-300:]}"
        )


def _unpack(identity: str, target: Path) -> None:
    """Write the files of an image into a folder, as a container of it would see them.

    Raises ``EngineError`` where they cannot all be written.
    """
    target.mkdir()
    container = connect().containers.create(identity, ["true"])
    try:
        with subprocess.Popen(
            [*TAR, str(target)], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as tar:
            assert tar.stdin is not None
            assert tar.stderr is not None
            with suppress(BrokenPipeError):  # it says why itself
                files: Iterable[bytes] = container.export()  # type: ignore[assignment]
                for chunk in files:
                    tar.stdin.write(chunk)
                tar.stdin.close()
            said = tar.stderr.read().decode(errors="replace").strip()
    finally:
        container.remove(force=True)
    if tar.returncode != 0:
        raise EngineError(f"the image cannot be unpacked into {target}: {said[-300:]}")
    for name in PLACES:
        (target / name).mkdir(exist_ok=True)
