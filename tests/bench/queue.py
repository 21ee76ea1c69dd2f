"""The price of a queue: a whole phase of arms through Slurm, against a bare array of the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.engines.cluster.queue import COMMANDS
from tests.bench.phase import run_phase
from tests.faults.phase import ARM, light_interpreter
from tests.slurm.cluster import Cluster, missing

NODES, CORES = 3, 4
NUMBERS = (10, 30, 100, 300, 1000)
"""Arms of a phase; an array of as many is below Slurm's MaxArraySize, 1001 if not set."""
COUNTED = """#!/bin/sh
echo {name} >> {folder}/calls
exec {command} "$@"
"""
HEAD = (
    f"{'arms':>6}{'phase, s':>10}{'arms, s':>10}{'array, s':>10}{'ratio':>8}{'runner ms/a':>12}"
    f"{'MiB':>8}" + "".join(f"{name:>9}" for name in COMMANDS)
)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Twelve slots, and commands that are counted."""
    one = Cluster(folder, num_nodes=NODES)
    commands = folder / "commands"
    commands.mkdir()
    for name in COMMANDS:
        text = COUNTED.format(name=name, folder=folder, command=shutil.which(name))
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    os.environ["SLURM_CONF"] = str(one.conf)
    os.environ["PATH"] = f"{commands}:{os.environ['PATH']}"
    try:
        one.up()
        yield one
    finally:
        one.down()


def calls(folder: Path) -> Counter[str]:
    """How often each command was called since the last time that this was asked."""
    file = folder / "calls"
    lines = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return Counter(lines)


def bare_array(folder: Path, number: int) -> float:
    """The same commands as an array that nobody follows but for its end."""
    shutil.rmtree(folder, ignore_errors=True)
    for index in range(number):
        (folder / str(index) / "out").mkdir(parents=True)
        (folder / str(index) / "job.json").write_text("{}")
    (folder / "arm").write_text(ARM)
    place = f"{folder}/$SLURM_ARRAY_TASK_ID"
    script = f'#!/bin/sh\nexec /bin/sh {folder}/arm "{place}/out" "{place}" bare 0\n'
    began = time.perf_counter()
    subprocess.run(
        ["sbatch", f"--array=0-{number - 1}", "--mem=1300M", "--output=/dev/null", "--wait"],
        input=script, text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return time.perf_counter() - began


def measure() -> None:
    """Print, for more and more arms, the phase beside the array, and calls of the controller."""
    if (why := missing()) is not None:
        print(f"\nslurm: not measured, {why}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        by_slurm = ["--engine", "slurm", "--python", str(light_interpreter(folder / "venv"))]
        (folder / "phasehub.toml").write_text('[slurm]\npartition = "all"\n')
        (folder / "slurm").mkdir()
        with cluster(folder / "slurm") as one:
            run_phase(folder, by_slurm, 1)  # makes the dataset
            print(f"\nArms that do nothing, engine slurm, {NODES * CORES} slots")
            print(HEAD)
            for number in NUMBERS:
                calls(one.folder)
                timed, made = run_phase(folder, by_slurm, number), calls(one.folder)
                bare_s = bare_array(folder / "bare", number)
                by_minute = (f"{made[name] / timed.whole_s * 60:9.0f}" for name in COMMANDS)
                print(
                    f"{number:6}{timed.whole_s:10.1f}{timed.arms_s:10.1f}{bare_s:10.1f}"
                    f"{timed.arms_s / bare_s:8.2f}{1000 * timed.runner_cpu_s / number:12.0f}"
                    f"{timed.runner_mib:8.0f}{''.join(by_minute)}",
                    flush=True,
                )
