"""The price of scheduling: a whole phase of arms that do nothing, against a bare loop of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from runner.core.installation import SOURCES
from runner.hub import layout
from tests.faults.phase import ARM, light_interpreter, manifest

SIDE_BY_SIDE = 2
ARMS = 60
FEW, MANY = 10, 1000


class Used:
    """What a process takes itself, without its children's, which `wait4` has in it."""

    def __init__(self, pid: int) -> None:
        self.mib = self.cpu_s = 0.0
        """Its largest resident set, and its processor time."""
        self._status, self._times = Path(f"/proc/{pid}/status"), Path(f"/proc/{pid}/stat")
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with contextlib.suppress(OSError):
            while found := re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text()):
                self.mib = int(found[1]) / 1024
                ticks = self._times.read_text().rpartition(")")[2].split()[11:13]
                self.cpu_s = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
                time.sleep(0.05)


@dataclass(frozen=True)
class Timed:
    """One phase: all of it, what its arms alone took, and what the runner took itself."""

    whole_s: float
    arms_s: float
    runner_mib: float
    runner_cpu_s: float
    image: str | None


def run_phase(folder: Path, engine: list[str], num_arms: int) -> Timed:
    """Run a phase of arms that do nothing. The datasets are cached after the first one."""
    path = folder / "tiny.toml"
    path.write_text(manifest(**{f"arm{number:04}": 0 for number in range(num_arms)}))
    out = folder / "artifacts"
    words = ["-m", "runner", "run", str(path), "--out", str(out), "--device", "cpu", *engine]
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, *words], cwd=SOURCES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as runner:
        used = Used(runner.pid)
        assert runner.stdout is not None
        hub = Path(runner.stdout.read().decode().splitlines()[-1])
    whole_s = time.perf_counter() - began
    told = [json.loads(line) for line in (hub / layout.JOURNAL).read_bytes().splitlines()]
    of_arms = [one["time"] for one in told if str(one.get("name", "")).startswith("arm")]
    image = layout.read(hub).engine.facts.get("image")
    return Timed(
        whole_s=whole_s,
        arms_s=max(of_arms) - min(of_arms),
        runner_mib=used.mib,
        runner_cpu_s=used.cpu_s,
        image=image["reference"] if isinstance(image, dict) else None,
    )


def bare_loop(folder: Path, image: str | None, num_arms: int) -> float:
    """The same commands, as many at a time, by a loop that follows nothing and keeps nothing."""

    def one(number: int) -> None:
        job, out = folder / f"bare{number}" / "job", folder / f"bare{number}" / "out"
        job.mkdir(parents=True)
        out.mkdir(mode=0o777)
        out.chmod(0o777)
        (job / "job.json").write_text("{}")
        places = (job, out) if image is None else (Path("/job"), Path("/out"))
        words = ["/bin/sh", "-c", ARM, "arm", str(places[1]), str(places[0]), "bare", "0"]
        if image is not None:
            mounts = [f"--volume={job}:/job:ro", f"--volume={out}:/out"]
            words = ["docker", "run", "--rm", "--network=none", "--init", *mounts, image, *words]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    began = time.perf_counter()
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        list(pool.map(one, range(num_arms)))
    return time.perf_counter() - began


def measure() -> None:
    """Print, for each engine, a whole phase beside the bare loop; then the cost of many arms."""
    with tempfile.TemporaryDirectory() as name, contextlib.suppress(KeyboardInterrupt):
        folder = Path(name)
        by_process = ["--engine", "process", "--python", str(light_interpreter(folder / "venv"))]
        for engine, options in (("docker", ["--engine", "docker"]), ("process", by_process)):
            try:
                run_phase(folder, options, 1)  # makes image and dataset
            except IndexError:
                print(f"\n{engine}: not measured, it cannot run here", file=sys.stderr)
                continue
            timed = run_phase(folder, options, ARMS)
            bare_s = bare_loop(folder / engine, timed.image, ARMS)
            print(f"\n{ARMS} arms that do nothing, engine {engine}")
            for label, seconds in (
                ("the whole phase", timed.whole_s),
                ("its arms, from the first to the last", timed.arms_s),
                ("bare loop, 2 at a time", bare_s),
            ):
                print(f"  {label:<44}{seconds:10.2f} s  {seconds / bare_s:6.2f}", flush=True)
        few, many = (run_phase(folder, by_process, number) for number in (FEW, MANY))
        print(f"\nAn arm among {MANY} beside one among {FEW}, engine process")
        for number, timed in ((FEW, few), (MANY, many)):
            print(f"  {f'{number} arms':<44}{1000 * timed.arms_s / number:10.1f} ms/arm")
        ratio = many.arms_s / MANY / (few.arms_s / FEW)
        print(f"  {'ratio':<44}{ratio:10.3g}")
        print(f"  {'the runner, resident at most':<44}{many.runner_mib:10.0f} MiB", flush=True)
