"""Processes that have loaded the heavy libraries already, and import ``models`` from any folder."""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

LIBRARIES = (
    "torch", "lightning.pytorch", "torch.utils.checkpoint", "scipy.ndimage", "skimage.metrics",
    "skimage.draw", "skimage.restoration", "matplotlib.figure", "matplotlib.backends.backend_agg",
    "pydantic", "PIL.Image",
)  # fmt: skip


def load_libraries() -> None:
    """Import what takes seconds, once; nothing of this project."""
    for name in LIBRARIES:
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


def apart(source: Path, folder: Path, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` returns in a child that imports ``models`` from ``source``.

    Its console goes to ``folder``. A child that breaks has crashed
    in the audit: simulation and training tell of theirs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answer = folder / "answer.json"
    child = os.fork()
    if not child:
        _in_child(source, folder, answer, work)
    os.waitpid(child, 0)
    if not answer.exists():
        return {"crashed": "the audit", "labels": [], "audit": [], "level": None}
    return dict(json.loads(answer.read_text()))


def _in_child(source: Path, folder: Path, answer: Path, work: Callable[[], dict[str, Any]]) -> None:
    try:
        log = os.open(folder / "console.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.path.insert(0, str(source))
        for name in [
            name for name in sys.modules if name.partition(".")[0] in ("models", "runner")
        ]:
            del sys.modules[name]
        answer.write_text(json.dumps(work()))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
