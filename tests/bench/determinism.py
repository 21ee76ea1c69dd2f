"""What `determinism = "portable"` costs: a training step beside the same step with native kernels.

Libraries choose their kernels when they are loaded, so each side is a process of its own, which
takes one step whenever it is told to. N = 64, h = 32, M = 12, n = 4, batch 16, Adam, one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from models.config import PORTABLE, Determinism, Parameters, variables
from tests.bench.pairs import compare

ROOT = Path(__file__).parents[2]
ARCHITECTURES = ("hybrid", "stable_hybrid")
ROUNDS = 7


class Stepper:
    """A process with a network and an optimizer."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def step(self) -> None:
        """Have it take one step, and wait until it is done."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        if not self.process.stdout.readline():
            raise RuntimeError("the process that takes steps has ended")


@contextmanager
def stepper(architecture: str, determinism: Determinism) -> Iterator[Stepper]:
    """Start one; it sees that its kernels are those that are asked for."""
    inherited = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    with subprocess.Popen(
        [sys.executable, "-m", __name__, architecture, determinism],
        cwd=ROOT,
        env=inherited | threads | dict(variables(determinism)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield Stepper(process)
        finally:
            process.terminate()


def measure() -> None:
    """Print seconds per step of both kinds of kernels, in turn."""
    for architecture in ARCHITECTURES:
        with ExitStack() as running:
            portable, native = (
                running.enter_context(stepper(architecture, determinism))
                for determinism in ("portable", "native")
            )
            compare(
                f"A training step of {architecture}, N = 64, h = 32, batch 16, one thread, {cpu()}",
                ("portable", portable.step),
                ("native", native.step),
                rounds=ROUNDS,
                unit="s/step",
            )


def cpu() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown processor")


def take_steps(architecture: str, determinism: str) -> None:
    """A step for each line on stdin, a line on stdout when it is done."""
    import torch

    from models.job import Events
    from models.seeding import make_deterministic, reach
    from models.training.fit import prepare
    from tests.bench.steps import BATCH, synthetic

    make_deterministic(threads=1)
    if reach() != determinism:
        raise SystemExit(f"the kernels are {reach()}, and {determinism} were asked for")
    parameters = Parameters.model_validate(
        {
            "model": {"architecture": architecture},
            "train": {"validation": "test", "inference_batch_size": BATCH},
        }
    )
    data = synthetic(BATCH)
    with tempfile.TemporaryDirectory() as folder, Events(Path(folder) / "events.jsonl") as events:
        module = prepare(parameters, 1, data, data, device="cpu", events=events).module
        optimizer = module.configure_optimizers()["optimizer"]
        measured = torch.from_numpy(data.diffraction.transpose(0, 3, 1, 2).copy())
        for _ in sys.stdin:
            optimizer.zero_grad()
            module.training_step(measured, 0).backward()
            optimizer.step()
            print(flush=True)


if __name__ == "__main__":
    take_steps(*sys.argv[1:])
