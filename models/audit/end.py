"""What the arm says of its end, from the weights that it left: losses, reconstruction, scores."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.audit.loss import agreed, loss_and_gradient
from models.audit.network import Weights, forward
from models.audit.report import Check, Difference
from models.audit.scores import (
    Images,
    collapse_word,
    flat_since,
    frc,
    images_of,
    relative_std,
    scores_of,
)
from models.audit.start import initial
from models.audit.steps import double
from models.audit.streams import Declared, num_training, samples_an_object

OWN_LOSS = 1e-4
IMAGE = 1e-3
"""L2 difference of two reconstructions over the truth's, up to which they are the same."""
SCORE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class Ended:
    """What an arm left, as far as its end is concerned."""

    last: Weights
    best: Weights
    history: Mapping[str, Any]
    metrics: Mapping[str, Any]
    stats: Mapping[str, Any]
    checkpoints: Mapping[str, Any]
    recon: Mapping[str, NDArray[Any]]
    weights_at_end: list[str]
    """Digests of the weights at the end of each epoch."""
    samples: Mapping[str, Tensor]
    """Measured amplitudes of both splits, (n, C, N, N)."""
    probe: Tensor
    truth: NDArray[Any]
    norm: float


def audit_end(p: Declared, seed: int, ended: Ended) -> list[Check]:
    """Which weights were left, their validation losses, reconstructions and scores."""
    losses = ended.history["val_loss"]
    known = [(loss, epoch) for epoch, loss in enumerate(losses) if loss is not None]
    best = min(known)[1] if known else len(losses) - 1
    checks = [audit_weights(p, seed, ended, best), audit_validation(p, ended, best)]
    last = reconstructed(p, ended, ended.last)
    compared, apart = audit_images(last, ended.recon)
    checks += [compared, audit_scores("last_epoch", last, ended, apart)]
    chosen = last if best == len(losses) - 1 else reconstructed(p, ended, ended.best)
    checks.append(audit_scores("best_epoch", chosen, ended, max(apart, SCORE)))
    return [*checks, audit_stats(p, seed, ended, last, best if known else None)]


def digest(weights: Weights) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    whole = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name].contiguous().numpy()
        whole.update(f"{name}\n{array.dtype.str}\n{array.shape}\n".encode() + array.tobytes())
    return whole.hexdigest()


def audit_weights(p: Declared, seed: int, ended: Ended, best: int) -> Check:
    """The files hold the weights of the last step and of the epoch with the smallest loss."""
    check = Check(name="end: weights", declared="last epoch, and that of the least validation loss")
    check.equal("epochs", p.train.epochs, len(ended.weights_at_end))
    check.equal("model.pt", ended.weights_at_end[-1], digest(ended.last))
    check.equal("model_best.pt", ended.weights_at_end[best], digest(ended.best))
    listed = ended.checkpoints["checkpoints"]
    check.equal("epoch of last", p.train.epochs - 1, listed["last"]["epoch"])
    check.equal("epoch of best", best, listed["best"]["epoch"])
    shapes = {name: [*tensor.shape] for name, tensor in initial(p, seed).items()}
    found = {name: [*tensor.shape] for name, tensor in ended.last.items()}
    check.equal("shapes", shapes, found)
    return check


def stat(ended: Ended, name: str) -> Any:  # noqa: ANN401  any number of stats.json
    """A number of ``stats.json``."""
    return ended.stats.get(name, "missing")


def audit_validation(p: Declared, ended: Ended, best: int) -> Check:
    """The validation losses that history tells of the last and of the best epoch."""
    held_out = p.train.validation == "held_out"
    check = Check(
        name="end: validation loss",
        declared=f"{p.train.loss} of the {'held-out samples' if held_out else 'test samples'}",
    )
    samples = ended.samples["train"][num_training(p) :] if held_out else ended.samples["test"]
    stride = p.dataset.train_stride if held_out else p.dataset.test_stride
    told = ended.history["val_loss"]
    for epoch, weights in {len(told) - 1: ended.last, best: ended.best}.items():
        wide = {name: tensor.to(double(tensor)) for name, tensor in weights.items()}
        losses = [
            validation_loss(p, ended.probe, w, samples.to(real), stride)
            for w, real in ((wide, torch.float64), (weights, torch.float32))
        ]
        check.measured(f"epoch {epoch}", losses[0], losses[1], told[epoch], OWN_LOSS)
    return check


def validation_loss(p: Declared, probe: Tensor, w: Weights, samples: Tensor, stride: int) -> float:
    """Mean of the losses of the batches, each counting by its size."""
    total = 0.0
    for batch in torch.split(samples, p.train.inference_batch_size):
        total += loss_and_gradient(w, batch, probe, p, stride, wanted=False)[0] * len(batch)
    return total / len(samples)


def reconstructed(p: Declared, ended: Ended, weights: Weights) -> Images:
    """The first test object by the plain network in float32, aligned with the truth."""
    count = samples_an_object(p, p.dataset.test_stride)
    with torch.no_grad():
        patches = [
            agreed(forward(weights, chunk, p.model), p.dataset.test_stride)
            for chunk in torch.split(ended.samples["test"][:count], p.train.inference_batch_size)
        ]
    return images_of(torch.cat(patches).numpy().astype(complex), ended.truth, ended.norm, p)


def audit_images(images: Images, stored: Mapping[str, NDArray[Any]]) -> tuple[Check, float]:
    """The stored images; and how far apart the predictions are, in units of the truth."""
    check = Check(name="end: reconstruction", declared="stitched, trimmed, scaled, plane removed")
    largest, truth = 0.0, images.target_amplitude
    check.close("amplitude_scale", images.scale, float(stored["amplitude_scale"]), IMAGE)
    for name in ("amplitude", "phase", "target_amplitude", "target_phase"):
        derived, found = getattr(images, name), stored[name].astype(float)
        if derived.shape != found.shape:
            check.problems.append(f"{name} has shape {found.shape} instead of {derived.shape}")
            continue
        if not np.isfinite(derived).all() or not np.isfinite(found).all():
            whole = [bool(np.isfinite(image).all()) for image in (derived, found)]
            if any(whole):
                check.equal(f"{name} is finite", *whole)
            else:
                check.not_comparable += 1
            continue
        apart = derived - found
        if name.endswith("phase"):
            apart = (apart + math.pi) % (2 * math.pi) - math.pi
        size = math.sqrt((apart**2).mean())
        scale = math.sqrt((truth**2).mean()) if name.endswith("amplitude") else 1.0
        slack = 7 * math.sqrt(images.near_cut) if name == "phase" else 0.0
        worst = np.unravel_index(np.argmax(np.abs(apart)), apart.shape)
        largest = max(largest, size / scale)
        check.add(
            Difference(
                place=f"{name}{[int(index) for index in worst]}",
                derived=float(derived[worst]),
                found=float(found[worst]),
                size=size,
                allowed=(IMAGE + slack) * scale,
            )
        )
    return check, largest


def audit_scores(epoch: str, images: Images, ended: Ended, apart: float) -> Check:
    """Every score, as near as the images are; a ring count as near as its curve is to one half."""
    check = Check(name=f"end: scores of {epoch}", declared="the definitions of docs/physics.md")
    derived, found = scores_of(images), ended.metrics[epoch]
    check.equal("metrics", sorted(derived), sorted(found))
    parts = ("amp", "phase")
    for name, values in derived.items():
        for index, part in enumerate(parts):
            slack = 0.0 if part == "amp" else 50 * images.near_cut
            value, told = values[index], found.get(name, [None, None])[index]
            prefix = "best_" if epoch == "best_epoch" else ""
            check.equal(
                f"stats.json {prefix}{part}_{name}", told, stat(ended, f"{prefix}{part}_{name}")
            )
            if name == "frc50":
                if slack == 0 and (index or relative_std(images.amplitude) > 1e-4):
                    audit_ring(check, f"{part}_{name}", images, index, told)
                continue
            check.close(f"{part}_{name}", value, told, SCORE + slack, SCORE + slack + 10 * apart)
    return check


def audit_ring(check: Check, place: str, images: Images, index: int, told: Any) -> None:  # noqa: ANN401
    """The ring that was told ends a run of rings that are not clearly below one half."""
    pair = (images.amplitude, images.target_amplitude) if index == 0 else (
        images.phase,
        images.target_phase,
    )  # fmt: skip
    value = scores_of(images)["frc50"][index]
    if value is None or told is None:
        check.equal(place, value, told)
        return
    curve = frc(*pair)
    low, high = sorted((int(value), int(told)))
    between = [v for v in curve[low : high + 1] if v is not None]
    near = value == told or all(abs(v - 0.5) < 0.02 for v in between[:1])
    check.equal(place, value, value if near else told)


def audit_stats(p: Declared, seed: int, ended: Ended, images: Images, best: int | None) -> Check:
    """What the summary says of losses, of collapse, and of the size of the network."""
    check = Check(name="end: summary", declared="the definitions of docs/physics.md")
    history = ended.history
    losses = [*history["train_loss"], *history["val_loss"]]
    check.equal("val_loss_best_epoch", best, stat(ended, "val_loss_best_epoch"))
    check.equal("n_epochs", p.train.epochs, stat(ended, "n_epochs"))
    check.equal("has_nan", None in losses, stat(ended, "has_nan"))
    check.equal("val_loss_final", history["val_loss"][-1], stat(ended, "val_loss_final"))
    check.equal("train_loss_final", history["train_loss"][-1], stat(ended, "train_loss_final"))
    least = None if best is None else history["val_loss"][best]
    check.equal("val_loss_best", least, stat(ended, "val_loss_best"))
    count = sum(tensor.numel() for tensor in initial(p, seed).values())
    check.equal("num_parameters", count, stat(ended, "num_parameters"))
    ssim = ended.metrics["last_epoch"]["ssim"][0]
    spread = relative_std(images.amplitude)
    if abs(spread - 1e-3) > 1e-5 and (ssim is None or abs(ssim - 0.5) > SCORE):
        word = collapse_word(history, images, ssim)
        check.equal("collapsed", word is not None, stat(ended, "collapsed"))
        told = stat(ended, "collapse_reason")
        check.equal("collapse_reason", word, told and str(told).partition(":")[0])
        since = None if word is None else flat_since(history["recon_amp_rel_std"])
        check.equal("collapse_epoch", since, stat(ended, "collapse_epoch"))
    return check
