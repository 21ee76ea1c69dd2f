"""``phasehub site check``: one job of a moment, and what it shows of the cluster, in words."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from runner.core.errors import EngineError
from runner.core.files import remove_tree
from runner.core.installation import SOURCES, state_dir
from runner.core.project import project_of
from runner.core.reading import read_table, typed
from runner.core.text import Say
from runner.engines.base import Handle, Launch, Limits, Outcome
from runner.engines.cluster.queue import version
from runner.engines.environments.wheels import lock_path
from runner.engines.leftovers import marks
from runner.engines.process import ProcessEngine
from runner.engines.slurm import SlurmEngine
from runner.jobs.sites import queue_use
from runner.manifest.site import find_site

MIB = 1 << 20
LONGEST_S = 60.0
"""Time limit of the job, s."""
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
    "runtimes": [one for one in ("docker", "podman", "apptainer", "enroot") if shutil.which(one)],
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


def check_site(*, gpu: bool, wait_s: float, say: Say) -> Iterator[str]:
    """What works on the cluster, a line each as it is known.

    Raises ``ManifestError`` for a site file that is wrong, and ``EngineError`` where a job cannot
    be submitted, does not start within ``wait_s``, or leaves nothing.
    """
    project = project_of(Path.cwd() / "manifest.toml")
    site = find_site(project)
    yield f"site file   {site or 'none: the defaults'}"
    lock = lock_path("cpu", SOURCES)
    local = ProcessEngine(Path(sys.executable), source=SOURCES, lock=lock, given=True)
    engine = SlurmEngine(local, queue_use(project), say)
    engine.check_queue()
    yield f"queue       {version()} answers"
    folder = state_dir().resolve() / f"site-check-{secrets.token_hex(4)}"
    try:
        yield from tried(engine, folder, gpu=gpu, wait_s=wait_s)
    finally:
        remove_tree(folder)


def tried(engine: SlurmEngine, folder: Path, *, gpu: bool, wait_s: float) -> Iterator[str]:
    """Submit the job, and say what came of it. Raises ``EngineError``."""
    word = secrets.token_hex(8)
    began = time.time()
    handle = engine.start(launch_in(folder, word, num_gpus=int(gpu)))
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
    yield f"job         ran on {found.node}, {seen - began:.1f} s after it was submitted"
    same = found.word == word
    yield f"folder      {folder.parent} is {'' if same else 'NOT '}the same on the node"
    yield f"clock       {clock_in_words(found.time, began, seen)}"
    yield f"containers  {', '.join(found.runtimes) or 'none'} (jobs run without any)"
    yield f"GPUs        {gpus_in_words(found, asked=gpu)}"
    foreign = ", ".join(found.foreign)
    yield f"blindness   {f'a job sees {foreign}' if foreign else 'a job sees nothing of Slurm'}"


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


def launch_in(folder: Path, word: str, *, num_gpus: int) -> Launch:
    """The job on disk."""
    (folder / "job").mkdir(parents=True)
    (folder / "out").mkdir()
    (folder / "job" / "word").write_text(word)
    labels: Mapping[str, Any] = {"run": word, "phase": "site-check", **marks(folder)}
    return Launch(
        name="site-check",
        command=("python", "-I", "-c", SCRIPT, "{job}", "{out}"),
        job_dir=folder / "job",
        data_dir=None,
        out_dir=folder / "out",
        log_path=folder / "console.log",
        environment={},
        limits=Limits(
            timeout_s=LONGEST_S,
            memory_bytes=256 * MIB,
            pids=64,
            shm_bytes=MIB,
            tmp_bytes=MIB,
            disk_bytes=MIB,
            threads=1,
        ),
        num_gpus=num_gpus,
        labels=labels,
    )


def wait_for(engine: SlurmEngine, handle: Handle, wait_s: float) -> Outcome:
    """How the job ended. Raises ``EngineError`` where it has not after ``wait_s``."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        if (outcome := engine.poll(handle)) is not None:
            return outcome
        engine.wait([handle], 0.5)
    raise EngineError(
        f"the job of the check has not ended after {wait_s:g} s: {engine.in_words(handle)}; "
        "have a look at `squeue --me`, or wait longer with --wait"
    )
