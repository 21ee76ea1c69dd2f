"""``phasehub site check``: one job of a moment, and what it shows of the cluster, in words."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from runner.commands.site_job import launch_in, wait_for
from runner.commands.site_runtime import runtime_tried
from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.core.project import project_of
from runner.core.reading import read_table, typed
from runner.core.text import Say
from runner.engines.cluster.queue import version
from runner.engines.environments.wheels import lock_path
from runner.engines.process import ProcessEngine
from runner.engines.slurm import SlurmEngine
from runner.jobs.sites import queue_use
from runner.manifest.site import find_site

SKEW_S = 2.0
"""By how much the clocks of two machines may differ without a word, s."""
SCRIPT = """
import json, os, pathlib, shutil, socket, subprocess, sys, time
job, out = map(pathlib.Path, sys.argv[1:])
def gpus():
    try:
        said = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines())
found = {
    "word": (job / "word").read_text(),
    "time": time.time(),
    "node": socket.gethostname(),
    "runtimes": [one for one in ("docker", "podman", "runc", "apptainer") if shutil.which(one)],
    "gpus": gpus(),
    "shown_gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
    "foreign": sorted(name for name in os.environ if name.startswith(("SLURM", "SBATCH"))),
}
(out / ".part").write_text(json.dumps(found))
(out / ".part").replace(out / "result.json")
"""
"""What runs on the node."""


class FoundThere(BaseModel):
    """What the job found on its node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: str
    time: float
    node: str
    runtimes: tuple[str, ...]
    gpus: int
    shown_gpus: str
    foreign: tuple[str, ...]


def check_site(*, gpu: bool, wait_s: float, say: Say) -> Iterator[tuple[str, str]]:
    """What works on the cluster: what was looked at, and what is to be said of it.

    Raises ``ManifestError`` for a site file that is wrong, and ``EngineError`` where a job cannot
    be submitted, does not start within ``wait_s``, or leaves nothing.
    """
    project = project_of(Path.cwd() / "manifest.toml")
    site = find_site(project)
    yield "site file", str(site or "none: the defaults")
    lock = lock_path("cpu", SOURCES)
    local = ProcessEngine(Path(sys.executable), source=SOURCES, lock=lock, given=True)
    use = queue_use(project)
    engine = SlurmEngine(local, use, say)
    engine.check_queue()
    yield "queue", f"{version()} answers"
    folder = state_dir().resolve() / f"site-check-{secrets.token_hex(4)}"
    try:
        yield from tried(engine, folder / "process", gpu=gpu, wait_s=wait_s)
        if use.runtime == "process":
            yield "runtime", "process: jobs run in no container"
        else:
            yield from runtime_tried(use, folder / "container", wait_s=wait_s, say=say)
    finally:
        remove_tree(folder)


def tried(
    engine: SlurmEngine, folder: Path, *, gpu: bool, wait_s: float
) -> Iterator[tuple[str, str]]:
    """Submit the job, and say what came of it. Raises ``EngineError``."""
    word = secrets.token_hex(8)
    began = time.time()
    handle = engine.start(launch_in(folder, word, SCRIPT, num_gpus=int(gpu)))
    try:
        outcome = wait_for(engine, handle, wait_s)
        seen = time.time()
        if outcome.status != "succeeded":
            raise EngineError(f"the job of the check came to nothing: {outcome.message}")
        found = typed(FoundThere, read_table(folder / "out", "result.json"), "result.json")
    except ValueError as error:
        raise EngineError(f"the job of the check left {error}") from None
    finally:
        engine.stop(handle)
    yield "job", f"ran on {found.node}, {seen - began:.1f} s after it was submitted"
    same = found.word == word
    yield "folder", f"{folder.parents[1]} is {'' if same else 'NOT '}the same on the node"
    yield "clock", clock_in_words(found.time, began, seen)
    yield "containers", f"{', '.join(found.runtimes) or 'none'} on the node"
    yield "GPUs", gpus_in_words(found, asked=gpu)
    foreign = ", ".join(found.foreign)
    yield "blindness", f"a job sees {foreign}" if foreign else "a job sees nothing of Slurm"


def clock_in_words(there: float, began: float, seen: float) -> str:
    """Whether the node's clock can be ours: its time is one between two of this machine."""
    ahead = max(0.0, there - seen, began - there)
    if ahead <= SKEW_S:
        return "as here"
    way = "ahead of" if there > seen else "behind"
    return f"the node's is {ahead:.0f} s {way} this machine's; have both follow one server"


def gpus_in_words(found: FoundThere, *, asked: bool) -> str:
    """What the node has of GPUs, and what of them the job was given."""
    listed = f"nvidia-smi lists {found.gpus} on the node"
    if not asked:
        return f"{listed}; `phasehub site check --gpu` asks for one"
    return f"{listed}; the job was given {found.shown_gpus or 'NONE'}"
