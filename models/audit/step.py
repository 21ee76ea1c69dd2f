"""One step of the optimizer, tensor by tensor: clip, decay, moments, update.

Complex numbers are pairs of real ones to every optimizer; in norms they count with their modulus.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from models.audit.network import Weights
from models.audit.streams import Declared

State = Mapping[str, Tensor]


class Moved(NamedTuple):
    """What one tensor's step makes of its optimizer state, and by how much its weights change."""

    state: dict[str, Tensor]
    change: Tensor


def pairs(values: Tensor) -> Tensor:
    """A complex tensor as a real one with an axis of two more; a real one as it is."""
    return torch.view_as_real(values) if values.is_complex() else values


def norm(values: Tensor) -> float:
    """L2 norm in the precision of the values: squares overflow where they do in the arm."""
    return float(torch.sqrt((pairs(values) ** 2).sum()))


# --- clipping ------------------------------------------------------------------------------------


def clipped(gradient: Weights, w: Weights, clip: Declared) -> dict[str, Tensor]:
    """The gradient after clipping as declared."""
    if clip.kind == "norm":
        factor = min(1.0, clip.max_norm / (total_norm(gradient) + 1e-6))
        return {name: factor * g for name, g in gradient.items()}
    if clip.kind == "value":
        return {name: limited(g, clip.max_value) for name, g in gradient.items()}
    if clip.kind in ("agc", "agc_per_tensor"):
        return {
            name: g
            if clip.kind == "agc" and name.startswith("head.")
            else adapted(g, w[name], clip, unit_axis(name, g) if clip.kind == "agc" else None)
            for name, g in gradient.items()
        }
    return dict(gradient)


def total_norm(gradient: Weights) -> float:
    """L2 norm of all tensors together."""
    return math.sqrt(sum(norm(g) ** 2 for g in gradient.values()))


def limited(g: Tensor, largest: float) -> Tensor:
    """Every real number to ±``largest``."""
    made = pairs(g).clamp(-largest, largest)
    return torch.view_as_complex(made.contiguous()) if g.is_complex() else made


def unit_axis(name: str, g: Tensor) -> int | None:
    """Axis of the output channels; ``None`` where no more than one axis is longer than 1."""
    if sum(length > 1 for length in g.shape) <= 1:
        return None
    if name.endswith(".spectral.weight"):
        return 3
    upward = name.startswith("upsamplers.") or ".upsampler." in name
    return 1 if upward else 0


def adapted(g: Tensor, weight: Tensor, clip: Declared, axis: int | None) -> Tensor:
    """Each unit by min(1, λ·max(‖w‖, eps)/‖g‖)."""
    others = [other for other in range(g.ndim) if other != axis]
    sizes = [
        torch.sqrt((values.abs() ** 2).sum(dim=others, keepdim=True)) for values in (g, weight)
    ]
    largest = clip.clip_factor * sizes[1].clamp(min=clip.eps)
    return g * torch.where(sizes[0] > largest, largest / sizes[0], 1.0)


# --- optimizers ----------------------------------------------------------------------------------


def moments_after(g: Tensor, weight: Tensor, before: State, optimizer: Declared) -> State:
    """What the optimizer remembers of a tensor after a step with the clipped gradient ``g``.

    ``weight`` and ``g`` are those elements of the tensors that ``before`` holds, as real numbers.
    """
    if optimizer.kind != "adamw":
        g = g + optimizer.weight_decay * weight
    if optimizer.kind == "sgd":
        if not optimizer.momentum:
            return {}
        first = before.get("momentum_buffer")
        return {"momentum_buffer": g if first is None else optimizer.momentum * first + g}
    zero = torch.zeros_like(g)
    b1, b2 = optimizer.betas
    return {
        "exp_avg": b1 * before.get("exp_avg", zero) + (1 - b1) * g,
        "exp_avg_sq": b2 * before.get("exp_avg_sq", zero) + (1 - b2) * g**2,
    }


def change(
    g: Tensor, weight: Tensor, after: State, number: int, rate: float, optimizer: Declared
) -> Tensor:
    """What step ``number``, counted from 1, adds to a tensor whose state it has left as ``after``.

    Adam: −lr·m̂/(√v̂ + 1e-8) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ); AdamW less lr·λ·w. SGD:
    −lr·(g + μ·buffer), Nesterov's form, or −lr·g without momentum. Only SGD looks at ``g``.
    """
    if optimizer.kind == "sgd":
        g = g + optimizer.weight_decay * weight
        if optimizer.momentum:
            g = g + optimizer.momentum * after["momentum_buffer"]
        return g * -rate
    b1, b2 = optimizer.betas
    mean = after["exp_avg"] / (1 - b1**number)
    spread = torch.sqrt(after["exp_avg_sq"] / (1 - b2**number))
    decay = optimizer.weight_decay if optimizer.kind == "adamw" else 0.0
    update: Tensor = (mean / (spread + 1e-8) + decay * weight) * -rate
    return update


# --- schedules -----------------------------------------------------------------------------------


def rate_of_epoch(train: Declared, losses: list[float | None]) -> float:
    """Learning rate in the epoch after those with the validation losses ``losses``."""
    s, base, epoch = train.scheduler, train.learning_rate, len(losses)
    if s.kind == "exponential":
        return float(base * s.gamma**epoch)
    if s.kind == "warmup_cosine":
        warmup, floor = s.warmup_epochs, s.min_ratio
        if epoch < warmup:
            return float(base * (0.1 + 0.9 * epoch / warmup))
        turn = math.cos(math.pi * (epoch - warmup) / (train.epochs - warmup))
        return float(base * (floor + (1 - floor) * (1 + turn) / 2))
    if s.kind == "plateau":
        return plateau(s, base, losses)
    return float(base)


def plateau(s: Declared, base: float, losses: list[float | None]) -> float:
    """Times ``factor`` after each ``patience`` + 1 epochs in a row without a better loss."""
    rate, best, bad = base, math.inf, 0
    for loss in losses:
        better = loss is not None and loss < best * (1 - s.threshold)
        best, bad = (loss, 0) if better and loss is not None else (best, bad + 1)
        if bad > s.patience:
            lower, bad = max(rate * s.factor, s.min_lr), 0
            rate = lower if rate - lower > 1e-8 else rate
    return rate
