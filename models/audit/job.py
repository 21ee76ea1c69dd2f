"""An audit as a job: read what was declared and what an arm left, derive it again, compare.

Nothing that the arm wrote is executed, and nothing of it is believed: what is missing or cannot be
read is a difference like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from models.audit.data import audit_data
from models.audit.end import Ended, audit_end
from models.audit.files import ARM, Files
from models.audit.loss import normalised
from models.audit.report import Check, sentence
from models.audit.start import audit_start
from models.audit.step import rate_of_epoch
from models.audit.steps import Step, audit_step
from models.audit.streams import Declared, declared, steps_an_epoch, windows
from models.audit.totals import audit_samples, audit_totals, orders
from models.job import AUDIT, PROBE, Events, Job, write_json


def audit(
    job: Job, parameters: Mapping[str, Any], parts: list[str], out: Path, events: Events
) -> None:
    """Derive again what ``parts`` names and write ``audit.json``."""
    torch.set_num_threads(job.threads)
    p, files = declared(parameters), Files(job)
    checks: list[Check] = []
    derived = []
    for part in parts:
        events.stage(part)
        made = attempt(part, p, parameters, job.seed, files)
        checks += made
        if any(check.verdict != "not comparable" for check in made):
            derived.append(part)
    differing = [check for check in checks if check.verdict == "differs"]
    level = "audited" if set(derived) == PARTS.keys() else "in part"
    if differing or not derived:
        level = "failed"
    write_json(
        out / AUDIT,
        {
            "schema_version": 1,
            "level": level,
            "parts": derived,
            "not_comparable": sum(check.not_comparable for check in checks),
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
    trace, norms = (
        files.arrays(f"{ARM}audit_trace.npz"),
        files.gradient_norms(f"{ARM}grad_norms.csv"),
    )
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


def totals(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """Samples, steps, rates, losses."""
    trace = files.arrays(f"{ARM}audit_trace.npz")
    samples = audit_samples(p, seed, files.samples("train"), trace)
    return [samples, *audit_totals(p, trace, files.json(f"{ARM}history.json"))]


def end(p: Declared, _parameters: Mapping[str, Any], seed: int, files: Files) -> list[Check]:
    """What is said of the weights at the end."""
    test = files.arrays("test.npz")
    ended = Ended(
        last=files.weights(f"{ARM}model.pt"),
        best=files.weights(f"{ARM}model_best.pt"),
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
