"""On what the bits of a training depend: one small job under many circumstances, as a table.

Nothing here is a speed. QEMU's user emulation stands in for other processors; without it their rows
say so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.config import PORTABLE, Parameters
from models.job import sha256_file, write_json

ROOT = Path(__file__).parents[2]
QEMU = shutil.which("qemu-x86_64")
TABLES = {
    "dataset": {"object_size": 64, "patch_size": 32, "train_stride": 8, "test_stride": 8},
    "model": {
        "architecture": "stable_hybrid",
        "hidden_channels": 8,
        "modes": 8,
        "fno_blocks": 3,
    },
    "train": {"epochs": 2, "batch_size": 16, "learning_rate": 2e-3},
}
Done = subprocess.CompletedProcess[bytes]
DATA = ("train.npz", "test.npz")
FILES = ("model.pt", "history.json", "stats.json", "recon.npz")


@dataclass(frozen=True, kw_only=True)
class Circumstance:
    """How a job is run. ``variables`` are set beside those of the plan."""

    name: str
    determinism: str
    threads: int = 1
    processor: str | None = None


def circumstances() -> Iterator[Circumstance]:
    """Every row of the table; the first of each kind of kernels is what the others are held to."""
    for determinism in ("native", "portable"):
        yield Circumstance(name="here", determinism=determinism)
        yield Circumstance(name="here, again", determinism=determinism)
        yield Circumstance(name="here, two threads", determinism=determinism, threads=2)
        for processor in ("Haswell", "EPYC-Rome"):
            yield Circumstance(
                name=f"emulated {processor}", determinism=determinism, processor=processor
            )


def measure() -> None:
    """Print the table in Markdown."""
    print(
        "| where | kernels | threads | simulated data | weights and scores |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory(prefix="phasehub-portability-") as folder:
        data = Path(folder) / "data"
        job(data, "simulate", Circumstance(name="data", determinism="portable"), {})
        first: dict[str, dict[str, str]] = {}
        for number, case in enumerate(circumstances()):
            if case.processor and QEMU is None:
                print(f"| {case.name} | {case.determinism} | | qemu-user is not installed | |")
                continue
            simulated = Path(folder) / f"{number}-data"
            trained = Path(folder) / f"{number}-arm"
            given = inputs(data, trained)
            found = {
                "data": digest(simulated, job(simulated, "simulate", case, {}), DATA),
                "arm": digest(trained, job(trained, "train", case, given), FILES),
            }
            reference = first.setdefault(case.determinism, found)
            words = [said(found[part], reference[part], first=reference is found) for part in found]
            print(f"| {case.name} | {case.determinism} | {case.threads} | {' | '.join(words)} |")
            sys.stdout.flush()


def said(found: str, reference: str, *, first: bool) -> str:
    """Whether the digest is that of the first row of its kind."""
    return found if first else "the same" if found == reference else f"**other**: {found}"


def digest(folder: Path, done: Done, names: tuple[str, ...]) -> str:
    """The first digits of the digests of some files together."""
    if done.returncode != 0:
        return "the emulator crashed"
    return "".join(sha256_file(folder / "out" / name)[:3] for name in names)


def inputs(data: Path, folder: Path) -> dict[str, dict[str, str]]:
    """What a training job reads."""
    return {
        name: {
            "path": os.path.relpath(data / "out" / name, folder / "job"),
            "sha256": sha256_file(data / "out" / name),
        }
        for name in ("train.npz", "test.npz", "metadata.json")
    }


def job(folder: Path, experiment: str, case: Circumstance, given: Mapping[str, object]) -> Done:
    """Run a job as the plan would start it. Raises ``RuntimeError`` if it fails on no emulator."""
    (folder / "job").mkdir(parents=True)
    parameters = Parameters.model_validate(TABLES).model_dump(mode="json")
    if experiment == "simulate":
        parameters = {"dataset": parameters["dataset"]}
    execution = {"device": "cpu", "threads": case.threads, "determinism": case.determinism}
    table = {
        "schema_version": 1, "experiment": experiment, "name": "arm", "parameters": parameters,
        "seed": 7, "execution": execution, "inputs": given,
    }  # fmt: skip
    write_json(folder / "job" / "job.json", table)
    threads = dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(case.threads)
    )
    inherited = {name: value for name, value in os.environ.items() if name not in PORTABLE}
    pinned = dict(PORTABLE) if case.determinism == "portable" else {}
    emulated = [QEMU, "-cpu", case.processor] if QEMU and case.processor else []
    command = [
        *emulated, sys.executable, "-m", "models", experiment,
        "--job", str(folder / "job" / "job.json"), "--out", str(folder / "out"),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, env=inherited | threads | pinned, capture_output=True, check=False
    )
    if done.returncode != 0 and not emulated:
        raise RuntimeError(f"{case}: {done.stderr.decode(errors='replace')[-1000:]}")
    return done
