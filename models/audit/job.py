"""An audit as a job: read what was declared and what an arm left, derive it again, compare.

Nothing that the arm wrote is executed, and nothing of it is believed: what is missing or cannot be
read is a difference like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from models.audit.data import audit_data
from models.audit.end import Ended, audit_end
from models.audit.files import ARM, Files
from models.audit.loss import normalised
from models.audit.report import Check, sentence, silent
from models.audit.start import audit_start
from models.audit.step import rate_of_epoch
from models.audit.steps import Step, audit_step
from models.audit.streams import Declared, declared, steps_an_epoch, windows
from models.audit.totals import audit_samples, audit_totals, orders
from models.job import AUDIT, PROBE, Events, Job, write_json


class Arm(NamedTuple):
    """What was declared of an arm, and the files that it left and was given."""

    p: Declared
    parameters: Mapping[str, Any]
    seed: int
    files: Files


def audit(
    job: Job, parameters: Mapping[str, Any], parts: list[str], out: Path, events: Events
) -> None:
    """Derive again what ``parts`` names and write ``audit.json``."""
    torch.set_num_threads(job.threads)
    arm = Arm(declared(parameters), parameters, job.seed, Files(job))
    found: dict[str, list[Check]] = {}
    for part in parts:
        events.stage(part)
        found[part] = attempt(part, arm)
    checks = [check for made in found.values() for check in made]
    differing = [check for check in checks if check.verdict == "differs"]
    derived = [part for part, made in found.items() if is_derived(part, made, arm)]
    whole = "audited" if set(derived) == PARTS.keys() else "in part"
    write_json(
        out / AUDIT,
        {
            "schema_version": 1,
            "level": "failed" if differing else whole,
            "parts": derived,
            "not_comparable": sum(check.not_comparable for check in checks),
            "differences": [sentence(check) for check in differing],
            "checks": [check.table() for check in checks],
        },
    )


def is_derived(part: str, checks: Sequence[Check], arm: Arm) -> bool:
    """Whether something of a part was compared, and of the steps numbers of each window."""
    if all(check.verdict == "not comparable" for check in checks):
        return False
    if part != "steps" or any(check.verdict == "differs" for check in checks):
        return True
    chosen, _ = windows(arm.parameters, arm.seed)
    return not any(silent(window, checks) for window in chosen)


def attempt(part: str, arm: Arm) -> list[Check]:
    """The checks of a part; what keeps it from being derived is a difference of its own."""
    try:
        return PARTS[part](arm)
    except Exception as error:
        cause = " ".join(str(error).split())
        return [Check(name=part, declared="", problems=[f"{type(error).__name__}: {cause}"])]


def data(arm: Arm) -> list[Check]:
    """The dataset."""
    p, files = arm.p, arm.files
    stored = {split: files.arrays(f"{split}.npz") for split in ("train", "test")}
    probe = files.path(PROBE) if p.dataset.probe == "file" else None
    return audit_data(p, arm.seed, stored, files.json("metadata.json"), probe)


def start(arm: Arm) -> list[Check]:
    """The initial weights."""
    return [audit_start(arm.p, arm.seed, arm.files.state(0)["weights"])]


def steps(arm: Arm) -> list[Check]:
    """The steps of all windows."""
    p, files = arm.p, arm.files
    chosen, thin_from = windows(arm.parameters, arm.seed)
    samples = torch.from_numpy(files.samples("train"))
    probe = normalised(torch.from_numpy(files.arrays("train.npz")["probeGuess"]))
    batches = [
        batch
        for order in orders(p, arm.seed)
        for batch in torch.split(torch.from_numpy(order), p.train.batch_size)
    ]
    losses = files.json(f"{ARM}history.json")["val_loss"]
    trace = files.arrays(f"{ARM}audit_trace.npz")
    norms = files.gradient_norms(f"{ARM}grad_norms.csv")
    checks = []
    for number in sorted({number for window in chosen for number in window}):
        step = Step(
            number=number,
            batch=samples[batches[number]],
            rate=rate_of_epoch(p.train, losses[: number // steps_an_epoch(p)]),
            before=files.state(number),
            after=files.state(number + 1),
            loss=float(trace["losses"][number]),
            norms=norms.get(number),
        )
        checks += audit_step(step, probe, p, thin_from)
    return checks


def totals(arm: Arm) -> list[Check]:
    """Samples, steps, rates, losses."""
    p, files = arm.p, arm.files
    trace = files.arrays(f"{ARM}audit_trace.npz")
    samples = audit_samples(p, arm.seed, files.samples("train"), trace)
    return [samples, *audit_totals(p, trace, files.json(f"{ARM}history.json"))]


def end(arm: Arm) -> list[Check]:
    """What is said of the weights at the end."""
    files, test = arm.files, arm.files.arrays("test.npz")
    tables = ("history", "metrics", "stats", "checkpoints")
    ended = Ended(
        last=files.weights(f"{ARM}model.pt"),
        best=files.weights(f"{ARM}model_best.pt"),
        recon=files.arrays(f"{ARM}recon.npz"),
        **{name: files.json(f"{ARM}{name}.json") for name in tables},
        weights_at_end=files.arrays(f"{ARM}audit_trace.npz")["weights_at_end"].tolist(),
        samples={split: torch.from_numpy(files.samples(split)) for split in ("train", "test")},
        probe=normalised(torch.from_numpy(test["probeGuess"])),
        truth=test["YY_ground_truth"][..., 0],
        norm=float(test["norm_Y_I"]),
    )
    return audit_end(arm.p, arm.seed, ended)


PARTS: dict[str, Callable[[Arm], list[Check]]] = {
    "data": data, "start": start, "steps": steps, "totals": totals, "end": end,
}  # fmt: skip
"""What can be audited, in the order in which it happened."""
