"""Waiting until what was written would survive a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def make_durable(paths: Iterable[Path]) -> None:
    """Wait until files and folders are on disk. Raises ``OSError`` for what cannot be written.

    All at once: a disk takes many together sooner than one after the other.
    """
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(_sync, paths):
            pass


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
