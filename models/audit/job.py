"""An audit as a job: read what was declared and what an arm left, derive it again, compare.

Nothing that the arm wrote is executed, and nothing of it is believed: what is missing or cannot be
read is a difference like any other.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.audit.data import audit_data
from models.audit.end import Ended, audit_end
from models.audit.loss import normalised
from models.audit.report import Check, sentence
from models.audit.start import audit_start
from models.audit.step import rate_of_epoch
from models.audit.steps import Step, audit_step
from models.audit.streams import Declared, declared, steps_an_epoch, windows
from models.audit.totals import audit_samples, audit_totals, orders
from models.job import AUDIT, PROBE, Events, Job, write_json

ARM = "arm/"
"""What the names of the arm's files begin with among the inputs."""


class Files:
    """What the arm left and what it was given, read with care."""

    def __init__(self, job: Job) -> None:
        self._paths = {name: given.path for name, given in job.inputs.items()}

    def path(self, name: str) -> Path:
        """Where a file is; raises ``FileNotFoundError`` if it is not among the inputs."""
        if name not in self._paths:
            raise FileNotFoundError(f"{name} is not there")
        return self._paths[name]

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of an NPZ file; nothing in it is executed."""
        with np.load(self.path(name), allow_pickle=False) as stored:
            return dict(stored)

    def json(self, name: str) -> Any:  # noqa: ANN401  any JSON
        """The content of a JSON file."""
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    def tensors(self, name: str) -> Any:  # noqa: ANN401  what torch reads with ``weights_only``
        """The content of a file of tensors; nothing in it is executed."""
        return torch.load(self.path(name), map_location="cpu", weights_only=True)

    @cache  # noqa: B019  as many as there are states, for one job
    def state(self, step: int) -> Any:  # noqa: ANN401  as ``tensors``
        """The state after so many steps."""
        return self.tensors(f"{ARM}audit_step_{step:06d}.pt")

    def samples(self, split: str) -> NDArray[np.float32]:
        """Measured amplitudes of a split as a network takes them, (n, C, N, N)."""
        stored = self.arrays(f"{split}.npz")["diffraction"]
        return np.ascontiguousarray(stored.transpose(0, 3, 1, 2))


def audit(
    job: Job, parameters: Mapping[str, Any], parts: list[str], out: Path, events: Events
) -> None:
    """Derive again what ``parts`` names and write ``audit.json``."""
    torch.set_num_threads(job.threads)
    p, files = declared(parameters), Files(job)
    checks: list[Check] = []
    for part in parts:
        events.stage(part)
        checks += attempt(part, p, parameters, job.seed, files)
    whole = "audited" if set(parts) == PARTS.keys() else "in part"
    differing = [check for check in checks if not check.agrees]
    level = "failed" if differing else whole
    write_json(
        out / AUDIT,
        {
            "schema_version": 1,
            "level": level,
            "parts": parts,
            "differences": [sentence(check) for check in differing],
            "checks": [check.table() for check in checks],
        },
    )


def attempt(
    part: str, p: Declared, parameters: Mapping[str, Any], seed: int, files: Files
) -> list[Check]:
    """The checks of a part; what keeps it from being derived is a difference of its own."""
    try:
        return PARTS[part](p, parameters, seed, files)
    except Exception as error:
        cause = " ".join(str(error).split())
        return [Check(name=part, declared="", problems=[f"{type(error).__name__}: {cause}"])]


def data(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """The dataset."""
    stored = {split: files.arrays(f"{split}.npz") for split in ("train", "test")}
    probe = files.path(PROBE) if p.dataset.probe == "file" else None
    return audit_data(p, seed, stored, files.json("metadata.json"), probe)


def start(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """The initial weights."""
    return [audit_start(p, seed, files.state(0)["weights"])]


def steps(p: Declared, parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """The steps of all windows."""
    found = windows(parameters, seed)
    numbers = sorted({number for window in found[0] for number in window})
    stored = files.arrays("train.npz")
    samples = torch.from_numpy(files.samples("train"))
    probe, order = normalised(torch.from_numpy(stored["probeGuess"])), orders(p, seed)
    losses = files.json(f"{ARM}history.json")["val_loss"]
    trace, norms = files.arrays(f"{ARM}audit_trace.npz"), dict(gradient_norms(files))
    checks = []
    for number in numbers:
        epoch, place = divmod(number, steps_an_epoch(p))
        size = p.train.batch_size
        step = Step(
            number=number,
            batch=samples[torch.from_numpy(order[epoch][place * size : (place + 1) * size].copy())],
            rate=rate_of_epoch(p.train, losses[:epoch]),
            before=files.state(number),
            after=files.state(number + 1),
            loss=float(trace["losses"][number]),
            norms=norms.get(number),
        )
        checks += audit_step(step, probe, p, found[1])
    return checks


def gradient_norms(files: Files) -> Iterator[tuple[int, tuple[float, float]]]:
    """Step → norm of the gradient before and after clipping, as the arm tells it."""
    with files.path(f"{ARM}grad_norms.csv").open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            yield int(row["step"]), (float(row["pre_clip"]), float(row["post_clip"]))


def totals(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """Samples, steps, rates, losses."""
    trace = files.arrays(f"{ARM}audit_trace.npz")
    samples = audit_samples(p, seed, files.samples("train"), trace)
    return [samples, *audit_totals(p, trace, files.json(f"{ARM}history.json"))]


def end(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """What is said of the weights at the end."""
    test = files.arrays("test.npz")
    ended = Ended(
        last=files.tensors(f"{ARM}model.pt"),
        best=files.tensors(f"{ARM}model_best.pt"),
        recon=files.arrays(f"{ARM}recon.npz"),
        **{
            name: files.json(f"{ARM}{name}.json")
            for name in ("history", "metrics", "stats", "checkpoints")
        },
        weights_at_end=files.arrays(f"{ARM}audit_trace.npz")["weights_at_end"].tolist(),
        samples={split: torch.from_numpy(files.samples(split)) for split in ("train", "test")},
        probe=normalised(torch.from_numpy(test["probeGuess"])),
        truth=test["YY_ground_truth"][..., 0],
        norm=float(test["norm_Y_I"]),
    )
    return audit_end(p, seed, ended)


Part = Callable[[Declared, Mapping[str, Any], int, Files], list[Check]]

PARTS: dict[str, Part] = {
    "data": data, "start": start, "steps": steps, "totals": totals, "end": end,
}  # fmt: skip
"""What can be audited, in the order in which it happened."""
