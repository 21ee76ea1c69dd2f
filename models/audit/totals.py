"""What the whole fit adds up to: samples, steps, rates, losses, and weights between the epochs."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.audit.report import Check
from models.audit.step import rate_of_epoch
from models.audit.streams import Declared, num_training, steps_an_epoch, stream

Trace = Mapping[str, NDArray[Any]]


def orders(p: Declared, seed: int) -> list[NDArray[np.int64]]:
    """The training samples of every epoch in their order: one permutation after another."""
    random = stream(seed, "order")
    return [random.permutation(num_training(p)) for _ in range(p.train.epochs)]


def fingerprints(samples_nCHW: NDArray[np.float32]) -> NDArray[np.uint64]:
    """The first 8 bytes of the SHA-256 of every sample's bytes."""
    digests = [hashlib.sha256(np.ascontiguousarray(s).tobytes()).digest() for s in samples_nCHW]
    return np.array([int.from_bytes(digest[:8], "big") for digest in digests], np.uint64)


def audit_samples(p: Declared, seed: int, samples: NDArray[np.float32], trace: Trace) -> Check:
    """Every epoch shows each training sample once, none of validation, in the declared order."""
    check = Check(
        name="totals: samples",
        declared=f"{num_training(p)} samples an epoch, {p.train.epochs} epochs, stream order",
    )
    known = fingerprints(samples)
    number = {int(mark): index for index, mark in enumerate(known)}
    seen = [number.get(int(mark)) for mark in trace["samples"]]
    trained = num_training(p)
    if None in seen:
        check.problems.append(f"{seen.count(None)} samples are none of train.npz")
    if outside := [index for index in seen if index is not None and index >= trained]:
        check.problems.append(
            f"{len(outside)} times a sample was trained on that is held out, first {outside[0]}"
        )
    check.equal("samples in all", p.train.epochs * trained, len(seen))
    for epoch, order in enumerate(orders(p, seed)):
        here = trace["samples"][epoch * trained : (epoch + 1) * trained]
        wanted = known[order]
        missed = sum((Counter(wanted.tolist()) - Counter(here.tolist())).values())
        check.equal(f"epoch {epoch}: samples not shown", 0, missed)
        same = np.flatnonzero(wanted[: len(here)] != here[: len(wanted)])
        first = int(same[0]) if len(same) else None
        check.equal(f"epoch {epoch}: first place with another sample", None, first)
    size = p.train.batch_size
    sizes = [min(size, trained - at) for at in range(0, trained, size)] * p.train.epochs
    check.equal("sizes of the batches", sizes, trace["batch_sizes"].tolist())
    return check


def audit_totals(p: Declared, trace: Trace, history: Mapping[str, Any]) -> list[Check]:
    """Steps, one for each batch; the rate of each; losses; weights that only steps change."""
    per_epoch, epochs = steps_an_epoch(p), p.train.epochs
    steps = Check(name="totals: steps", declared=f"{epochs} epochs of {per_epoch} steps")
    counted = trace["batches_by_step"].tolist()
    steps.equal("steps", epochs * per_epoch, len(counted))
    steps.equal("batches behind each step", list(range(1, len(counted) + 1)), counted)
    ends = [per_epoch * (epoch + 1) for epoch in range(epochs)]
    steps.equal("steps at the end of each epoch", ends, trace["steps_by_epoch"].tolist())
    return [steps, audit_rates(p, trace, history), audit_losses(p, trace, history), between(trace)]


def audit_rates(p: Declared, trace: Trace, history: Mapping[str, Any]) -> Check:
    """The rate of every step, in every group of the optimizer, and of every epoch in history."""
    check = Check(
        name="totals: rates",
        declared=f"rate {p.train.learning_rate:g}, schedule {p.train.scheduler.kind}",
    )
    per_epoch, losses = steps_an_epoch(p), history["val_loss"]
    stated = history["learning_rate"]
    check.equal("epochs in history", p.train.epochs, len(stated))
    for epoch in range(min(p.train.epochs, len(stated), len(losses))):
        rate = rate_of_epoch(p.train, losses[:epoch])
        check.close(f"history, epoch {epoch}", rate, stated[epoch], 1e-6)
        for step in range(epoch * per_epoch, (epoch + 1) * per_epoch):
            if step < len(trace["rates"]):
                for used in trace["rates"][step]:
                    check.close(f"step {step}", rate, float(used), 1e-6)
    return check


def audit_losses(p: Declared, trace: Trace, history: Mapping[str, Any]) -> Check:
    """The training loss of an epoch is the mean of its batches', each counting by its size."""
    check = Check(name="totals: training loss", declared="mean over the samples of an epoch")
    per_epoch = steps_an_epoch(p)
    sizes, losses = trace["batch_sizes"], trace["losses"]
    if len(sizes) != len(losses):
        check.problems.append(f"{len(losses)} losses of {len(sizes)} batches")
        return check
    for epoch, stated in enumerate(history["train_loss"]):
        part = slice(epoch * per_epoch, (epoch + 1) * per_epoch)
        total = float(sizes[part].sum())
        mean = float((sizes[part] * losses[part]).sum()) / total if total else float("nan")
        check.close(f"epoch {epoch}", mean, stated, 1e-6)
    return check


def between(trace: Trace) -> Check:
    """The weights at the end of an epoch are those that the next one begins with."""
    check = Check(name="totals: weights between epochs", declared="only steps change weights")
    starts, ends = trace["weights_at_start"].tolist(), trace["weights_at_end"].tolist()
    check.equal("epochs", len(starts), len(ends))
    for epoch, (end, start) in enumerate(zip(ends, starts[1:], strict=False)):
        check.equal(f"digest after epoch {epoch} and before the next", end, start)
    return check
