"""The price of an arm that does nothing: each engine against a bare `docker run` loop."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from runner.core.errors import EngineError
from runner.core.installation import SOURCES, state_dir
from runner.engines import Needs, open_engine
from runner.engines.base import Engine, Launch, Limits
from runner.engines.images.snapshot import take
from tests.bench.pairs import compare

ROUNDS = 5
LIMITS = Limits(
    timeout_s=60,
    memory_bytes=2**30,
    pids=64,
    shm_bytes=2**26,
    tmp_bytes=2**26,
    disk_bytes=2**26,
    threads=1,
)
NO_OP = "import pathlib, sys; pathlib.Path(sys.argv[1], 'result.json').write_text('{}')"


def run_no_op(engine: Engine, folder: Path) -> None:
    """Start a job that does nothing, wait for its end, remove it."""
    job, out = folder / "job", folder / "out"
    job.mkdir(parents=True)
    out.mkdir()
    handle = engine.start(
        Launch(
            name="no_op",
            command=("python", "-c", NO_OP, "{out}"),
            job_dir=job,
            data_dir=None,
            out_dir=out,
            log_path=folder / "console.log",
            environment={},
            limits=LIMITS,
        )
    )
    while (outcome := engine.poll(handle)) is None:
        time.sleep(0.02)
    engine.stop(handle)
    if outcome.status != "succeeded":
        raise SystemExit(f"the arm that does nothing failed: {outcome.message}")


def measure() -> None:
    """Print seconds per arm through each engine that this machine has."""
    for name in ("docker", "process"):
        code = take(SOURCES, state_dir())
        needs = Needs(variant="cpu", cache=state_dir(), say=lambda line: None, code=code)
        try:
            engine = open_engine(name, needs)
        except EngineError as error:
            print(f"\n{name}: not measured, {error}", file=sys.stderr)
            continue
        image = engine.describe().get("image")
        reference = image["reference"] if isinstance(image, dict) else None
        with tempfile.TemporaryDirectory() as root:
            folders = (Path(root) / str(number) for number in itertools.count())

            def through(engine: Engine = engine, folders: object = folders) -> None:
                folder = next(folders)  # type: ignore[call-overload]
                run_no_op(engine, folder)
                shutil.rmtree(folder, ignore_errors=True)

            bare = (
                ("bare docker run", ["docker", "run", "--rm", str(reference)])
                if reference
                else ("bare python", [])
            )
            command = [*bare[1], "python" if reference else sys.executable, "-c", "pass"]
            compare(
                f"An arm that does nothing, engine {name}",
                (f"phasehub, {name} engine", through),
                (bare[0], lambda command=command: subprocess.run(command, check=True)),
                rounds=ROUNDS,
                unit="s/arm",
            )
