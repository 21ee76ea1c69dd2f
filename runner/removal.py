"""Removing folders that jobs wrote into, however deep they are."""

from __future__ import annotations

import subprocess
from pathlib import Path


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` and all below it, if it is there; follows no link.

    A job can leave thousands of nested folders, at which ``shutil.rmtree`` runs out of stack in
    Python 3.11; ``rm`` does not. Raises ``OSError`` when something cannot be removed.
    """
    done = subprocess.run(
        ["rm", "-rf", "--", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise OSError(f"{folder} cannot be removed: {done.stderr.strip()[:300]}")
