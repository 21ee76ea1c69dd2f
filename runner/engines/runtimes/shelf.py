"""Images as nodes get them: written once below the state folder, which the nodes see."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock

from runner.core.caches import OF_SHELF, mark_used
from runner.core.errors import EngineError
from runner.core.text import Say
from runner.engines.daemon import answering, connect
from runner.engines.images.build import BuiltImage, save

SHELF = "node-images"
"""Folder of the state folder; an entry bears the id of its image."""
ARCHIVE = "image.tar"
"""An image as ``docker save`` writes it."""


def archive_of(image: BuiltImage, state: Path, say: Say) -> Path:
    """The archive of an image, written unless it is there. Raises ``EngineError``."""
    shelf = state / SHELF
    folder = shelf / image.id.removeprefix("sha256:")
    target = folder / ARCHIVE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(shelf / OF_SHELF):
            mark_used(folder)
            if not target.exists():
                say(f"Writing {image.reference} to {target}, from where nodes load it")
                part = target.with_suffix(".part")
                with answering():
                    save(connect(), image.id, part)
                part.replace(target)
    except OSError as error:
        raise EngineError(
            f"the image cannot be written below {shelf}: {error}; make room there, or name another "
            "folder in PHASEHUB_STATE"
        ) from error
    return target
