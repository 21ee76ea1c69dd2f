"""What a job sees that a supervisor runs, laid out in a folder beside its output folder.

Any process that finds the folder can tell what has become of the job: this machine's, or another's
that shares the file system.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runner.core.errors import EngineError
from runner.core.reading import read_table, typed
from runner.engines import supervisor
from runner.engines.base import Launch
from runner.engines.ending import Ending

SUFFIX = ".process"
LABEL = "phasehub."


def view_of(out_dir: Path) -> Path:
    """The folder beside an output folder that holds what its job sees."""
    return out_dir.resolve().with_name(out_dir.name + SUFFIX)


def fresh_view(launch: Launch) -> Path:
    """The same, of an attempt that is about to begin. Raises ``EngineError`` where one did."""
    view = view_of(launch.out_dir)
    if view.exists():
        raise EngineError(f"{launch.name}: {launch.out_dir} was used before; name a fresh folder")
    return view


def lay_out(
    view: Path,
    launch: Launch,
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    container: Mapping[str, Any] | None = None,
) -> None:
    """Make the folder: the job's input, its data, a folder to work in, and the supervisor's orders.

    ``container`` is what a runtime of the node needs to start the job in one. Raises
    ``FileExistsError`` for a folder that was used before.
    """
    view.mkdir()
    (view / "tmp").mkdir()
    shutil.copytree(launch.job_dir, view / "job")
    if launch.data_dir is not None:
        (view / "data").symlink_to(launch.data_dir.resolve())
    spec: dict[str, Any] = {
        "command": command,
        "environment": environment,
        "cwd": str(view / "tmp"),
        "log": str(launch.log_path.resolve()),
        "out": str(launch.out_dir.resolve()),
        "timeout_s": launch.limits.timeout_s,
        "memory_bytes": launch.limits.memory_bytes,
        "disk_bytes": launch.limits.disk_bytes,
        "stop_s": launch.limits.stop_s,
    }
    if container is not None:
        spec["container"] = container
    (view / supervisor.SPEC).write_text(json.dumps(spec), "utf-8")


def label_words(labels: Mapping[str, str]) -> list[str]:
    """Labels as they stand on a supervisor's command line."""
    return [f"{LABEL}{key}={value}" for key, value in labels.items()]


def labels_of(words: Sequence[str]) -> dict[str, str]:
    """The labels that ``label_words`` made words of."""
    return dict(word.removeprefix(LABEL).partition("=")[::2] for word in words)


def library_path() -> dict[str, str]:
    """A cluster's interpreters may not start without the libraries that their modules name."""
    named = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": named} if named else {}


def has_ended(view: Path) -> bool:
    """Whether the supervisor has left word of the end of its job."""
    return os.path.lexists(view / supervisor.RECORD)


def ending_of(view: Path) -> Ending:
    """What the supervisor wrote about the end of its job.

    Raises ``MissingError`` where it wrote nothing, and ``ValueError`` for what is not its writing:
    a job can reach that file.
    """
    return typed(Ending, read_table(view, supervisor.RECORD), supervisor.RECORD)
