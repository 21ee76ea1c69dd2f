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
from models.audit.report import Check, Difference, is_number
from models.audit.scores import (
    Images,
    aligned_scores,
    amplitude_contrast,
    broken,
    flat_since,
    frc,
    images_of,
    outcome,
    phase_contrast,
    relative_std,
    scores_of,
)
from models.audit.start import initial
from models.audit.steps import double
from models.audit.streams import Declared, num_training, samples_an_object

INFERRED = 16
"""Samples that are reconstructed at a time: bounds memory."""
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
    checks.append(audit_aligned("last_epoch", last, ended, apart))
    checks.append(audit_aligned("best_epoch", chosen, ended, max(apart, SCORE)))
    checks.append(audit_stats(p, seed, ended, best if known else None))
    return [*checks, audit_outcome(ended, last, apart)]


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
    stated = ended.history["val_loss"]
    for epoch, weights in {len(stated) - 1: ended.last, best: ended.best}.items():
        place, found = f"epoch {epoch}", stated[epoch]
        single = validation_loss(p, ended.probe, weights, samples.float(), stride)
        if is_number(found) and abs(single - found) <= OWN_LOSS * abs(found):
            check.close(place, single, found, OWN_LOSS)
        else:  # whether it is rounding, float64 tells, at twice the time
            wide = {name: tensor.to(double(tensor)) for name, tensor in weights.items()}
            exact = validation_loss(p, ended.probe, wide, samples.double(), stride)
            check.measured(place, exact, single, found, OWN_LOSS)
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
            for chunk in torch.split(ended.samples["test"][:count], INFERRED)
        ]
    return images_of(torch.cat(patches).numpy().astype(complex), ended.truth, ended.norm, p)


def audit_images(images: Images, stored: Mapping[str, NDArray[Any]]) -> tuple[Check, float]:
    """The stored images; and how far apart the predictions are, in units of the truth."""
    check = Check(name="end: reconstruction", declared="stitched, trimmed, scaled, plane removed")
    largest, truth = 0.0, images.target_amplitude
    check.close("amplitude_scale", images.scale, float(stored["amplitude_scale"]), IMAGE)
    for name in ("amplitude", "phase", "phase_aligned", "target_amplitude", "target_phase"):
        derived = images.aligned if name == "phase_aligned" else getattr(images, name)
        if name not in stored:
            check.problems.append(f"{name} is missing")
            continue
        found = stored[name].astype(float)
        if derived.shape != found.shape:
            check.problems.append(f"{name} has shape {found.shape} instead of {derived.shape}")
            continue
        if name == "phase" and not math.isfinite(images.scale):
            check.not_comparable += 1  # an amplitude of 0 has no phase, whatever its sign of zero
            continue
        if not np.isfinite(derived).all() or not np.isfinite(found).all():
            whole = [bool(np.isfinite(image).all()) for image in (derived, found)]
            if any(whole):
                check.equal(f"{name} is finite", *whole)
            else:
                check.not_comparable += 1
            continue
        apart = derived - found
        if "phase" in name:
            apart = (apart + math.pi) % (2 * math.pi) - math.pi
        size = math.sqrt((apart**2).mean())
        scale = math.sqrt((truth**2).mean()) if name.endswith("amplitude") else 1.0
        near = {"phase": images.near_cut, "phase_aligned": images.near_turn}.get(name, 0.0)
        slack = 7 * math.sqrt(near)
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
            value, stated = values[index], found.get(name, [None, None])[index]
            prefix = "best_" if epoch == "best_epoch" else ""
            check.equal(
                f"stats.json {prefix}{part}_{name}", stated, stat(ended, f"{prefix}{part}_{name}")
            )
            if name == "frc50":
                if slack == 0 and has_rings(images, index):
                    audit_ring(check, f"{part}_{name}", images, index, stated)
                continue
            check.close(f"{part}_{name}", value, stated, SCORE + slack, SCORE + slack + 10 * apart)
    return check


def audit_aligned(epoch: str, images: Images, ended: Ended, apart: float) -> Check:
    """The scores of the phase once the global one is off; not where rounding decides if any is."""
    check = Check(
        name=f"end: scores of {epoch}, phase aligned", declared="the definitions of docs/physics.md"
    )
    stated, prefix = ended.metrics["phase_aligned"][epoch], {"best_epoch": "best_"}.get(epoch, "")
    derived = aligned_scores(images)
    check.equal("metrics", sorted([*derived, "frc"]), sorted(stated))
    for name in derived:
        summary = stat(ended, f"{prefix}phase_aligned_{name}")
        check.equal(f"stats.json {prefix}phase_aligned_{name}", stated.get(name), summary)
    if near_a_threshold(images):
        return check
    slack = 50 * images.near_turn
    for name, value in derived.items():
        if name == "frc50":
            if slack == 0:
                audit_curve(check, name, (images.aligned, images.target_phase), value, stated[name])
            continue
        allowed = SCORE + slack
        check.close(f"phase_aligned_{name}", value, stated.get(name), allowed, allowed + 10 * apart)
    return check


def has_rings(images: Images, index: int) -> bool:
    """Whether amplitude (0) or phase (1) has structure: the rings of a flat one are rounding."""
    if index == 0:
        return bool(relative_std(images.amplitude) > 1e-4)
    return float(images.phase.std()) > 1e-4 * float(images.target_phase.std())


def near_a_threshold(images: Images) -> bool:
    """Whether rounding may decide if the image or its phase is constant."""
    contrast = phase_contrast(images)
    near = contrast is not None and abs(contrast - 1e-2) < 1e-3 + 25 * math.sqrt(images.near_turn)
    return near or abs(relative_std(images.amplitude) - 1e-3) < 1e-5


def audit_ring(check: Check, place: str, images: Images, index: int, stated: Any) -> None:  # noqa: ANN401
    """The ring that is stated ends a run of rings that are not clearly below one half."""
    pair = (images.amplitude, images.target_amplitude) if index == 0 else (
        images.phase,
        images.target_phase,
    )  # fmt: skip
    audit_curve(check, place, pair, scores_of(images)["frc50"][index], stated)


def audit_curve(
    check: Check,
    place: str,
    pair: tuple[NDArray[Any], NDArray[Any]],
    value: float | None,
    stated: Any,  # noqa: ANN401
) -> None:
    """A number of rings by the curve of a prediction and its truth."""
    if value is None or stated is None:
        check.equal(place, value, stated)
        return
    curve = frc(*pair)
    low, high = sorted((int(value), int(stated)))
    between = [v for v in curve[low : high + 1] if v is not None]
    near = value == stated or all(abs(v - 0.5) < 0.02 for v in between[:1])
    check.equal(place, value, value if near else stated)


def audit_stats(p: Declared, seed: int, ended: Ended, best: int | None) -> Check:
    """What the summary says of losses and of the size of the network."""
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
    for name, epoch in zip(("nonfinite_epoch", "recovered_epoch"), broken(history), strict=True):
        check.equal(name, epoch, stat(ended, name))
    return check


def audit_outcome(ended: Ended, images: Images, apart: float) -> Check:
    """What the summary says that the reconstruction has come to; not where rounding decides."""
    check = Check(name="end: outcome", declared="the definitions of docs/physics.md")
    history = ended.history
    check.equal("score_definition", 2, stat(ended, "score_definition"))
    amp, phase = amplitude_contrast(images), phase_contrast(images)
    check.close("amp_contrast", amp, stat(ended, "amp_contrast"), SCORE, SCORE + 10 * apart)
    room = SCORE + 10 * apart + 25 * math.sqrt(images.near_turn)
    check.close("phase_contrast", phase, stat(ended, "phase_contrast"), SCORE, room)
    offset, stated = images.offset, stat(ended, "phase_offset")
    if isinstance(stated, float) and math.isfinite(offset):
        stated = offset + math.remainder(stated - offset, 2 * math.pi)
    if images.near_turn < 1:
        given = None if math.isnan(offset) else offset
        check.close(
            "phase_offset", given, stated, 0.0, SCORE + 10 * apart / max(images.common, 1e-4)
        )
    alive = relative_std(images.amplitude) >= 1e-3
    if not near_a_threshold(images):
        check.equal("phase_flat", None if phase is None else alive and phase < 1e-2,
                    stat(ended, "phase_flat"))  # fmt: skip
        if amp is None or abs(amp - 0.5) > SCORE + 10 * apart:
            check.equal("low_contrast", None if amp is None else alive and amp < 0.5,
                        stat(ended, "low_contrast"))  # fmt: skip
    ssim = ended.metrics["last_epoch"]["ssim"][0]
    if abs(relative_std(images.amplitude) - 1e-3) > 1e-5 and (
        ssim is None or abs(ssim - 0.5) > SCORE
    ):
        kind, unfinished = outcome(history, images, ssim)
        check.equal("collapse_kind", kind, stat(ended, "collapse_kind"))
        check.equal("collapsed", kind == "flat", stat(ended, "collapsed"))
        for word in ("not_finite", "unlike_object"):
            check.equal(word, kind == word, stat(ended, word))
        check.equal("unfinished", unfinished, stat(ended, "unfinished"))
        reason = str(stat(ended, "collapse_reason") or "").partition(":")[0]
        words = {"not_finite": "not finite", "unlike_object": "unlike the object", None: ""}
        check.equal("collapse_reason", words.get(kind, kind), reason)
        since = flat_since(history["recon_amp_rel_std"]) if kind in ("flat", "not_finite") else None
        check.equal("collapse_epoch", since, stat(ended, "collapse_epoch"))
    return check
