"""Runs on the node that was chosen for a job: ``python -c START FOLDER LABEL…``.

It becomes the job's supervisor, which keeps the limits and writes how the job ended into the
folder, on the file system that all nodes share. Standard library only, as the supervisor is.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from runner.core.installation import SOURCES
from runner.engines import supervisor
from runner.engines.runtimes.start import starter_of

START = (
    f"import sys; sys.path.insert(0, {str(SOURCES)!r}); "
    "from runner.engines.cluster.node import main; main()"
)
"""The code passed to its interpreter, which is isolated and has no path of ours."""
BEGUN = "begun"
"""The folder that tells that a job has begun, made by whoever comes first."""
GPUS = "CUDA_VISIBLE_DEVICES"


def main() -> None:
    """Supervise the job of the folder, unless that was begun before.

    An attempt runs once: a scheduler that starts a job again, or has been given it twice, finds
    its folder taken. The runner makes further attempts, each in a folder of its own.
    """
    view = Path(sys.argv[1])
    try:
        (view / BEGUN).mkdir()
    except FileExistsError:
        sys.exit("this attempt was begun before; nothing is run twice in one folder")
    except FileNotFoundError:
        sys.exit(f"{view} is not there: the runner has given this attempt up, or it is not shared")
    show_gpus(view)
    supervisor.main(starter_of)


def show_gpus(view: Path) -> None:
    """Let the job see the GPUs that the scheduler gave it; one that asked for none sees none."""
    path = view / supervisor.SPEC
    spec = json.loads(path.read_text("utf-8"))
    if spec["environment"].get(GPUS) == ASSIGNED:
        spec["environment"][GPUS] = os.environ.get(GPUS, "")
        path.write_text(json.dumps(spec), "utf-8")


ASSIGNED = "assigned by the scheduler"
"""Stands for the GPUs in an environment that is written before they are known."""
