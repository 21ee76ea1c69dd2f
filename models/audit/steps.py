"""Steps re-derived: from a state that the arm left, with the declared values, to the next state.

Two comparisons keep rounding apart from error. The optimizer's memory after the step must hold the
gradient of the second implementation: the tolerance is its own rounding, measured by taking the
gradient in float32 as well. And the weights must have moved by what the declared rule makes of the
memory that the arm has: that involves no gradient, so the tolerance is that of a few operations.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.audit.loss import loss_and_gradient, undecided
from models.audit.network import Weights
from models.audit.report import TWIN, Check
from models.audit.step import change, clipped, moments_after, norm, pairs, total_norm
from models.audit.streams import Declared

SAMPLED = 2**16
"""Elements of a long tensor that are compared."""
OWN = 5e-5
"""Share of a gradient that float32 may take away, beside its measured rounding."""
ULP = 2.0**-22
"""Relative rounding of a few operations in float32."""
RULE = 2e-6
"""Relative rounding of the operations that make an update of a state."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step to be derived again."""

    number: int
    """Steps before it."""
    batch: Tensor
    """The measured amplitudes that it takes by declaration, (B, C, N, N) float32."""
    rate: float
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    """The states that the arm left on both sides."""
    loss: float
    """The loss that the arm had."""
    norms: tuple[float, float] | None = None
    """Norm of its gradient before and after clipping, if it was measured."""


def audit_step(step: Step, probe: Tensor, p: Declared, thin_from: int) -> list[Check]:
    """Loss, gradient in the optimizer's memory, and update of one step, tensor by tensor.

    What differs is looked at once more: with the rounding of a second order of the samples, and the
    room that pixels take whose sign is undecided.
    """
    weights, stride = step.before["weights"], p.dataset.train_stride
    slack = dict.fromkeys(weights, 0.0)
    checks = compared(step, probe, p, thin_from, slack, orders=1)
    if all(check.verdict == "agrees" for check in checks):
        return checks
    if p.train.loss == "mae":
        wide = {name: tensor.to(double(tensor)) for name, tensor in weights.items()}
        slack = undecided(wide, weights, step.batch.double(), probe, p, stride)
    return compared(step, probe, p, thin_from, slack, orders=2)


def compared(
    step: Step,
    probe: Tensor,
    p: Declared,
    thin_from: int,
    slack: Mapping[str, float],
    orders: int,
) -> list[Check]:
    """The checks of a step, with ``slack`` for the gradient of each tensor, an L2 norm.

    Rounding is measured in so many ``orders`` of the samples, 1 or 2: a sum that cancels, as that
    of a bias ahead of a norm does, may by chance come out right in one of them. With 2 it is also
    taken to be what float32 may take away of an element of the layer's largest gradient.
    """
    weights = step.before["weights"]
    stride = p.dataset.train_stride
    wide = {name: tensor.to(double(tensor)) for name, tensor in weights.items()}
    loss, gradient = loss_and_gradient(wide, step.batch.double(), probe, p, stride)
    twin_loss, twin = loss_and_gradient(weights, step.batch, probe, p, stride)
    raw, noise = (total_norm(gradient), total_norm(twin)), noise_of(gradient, twin)
    if orders == 2:
        _, turned = loss_and_gradient(weights, step.batch.flip(0), probe, p, stride)
        least, again = cancelling(gradient), noise_of(gradient, turned)
        noise = {name: max(size, again[name], least[name]) for name, size in noise.items()}
    unclipped = gradient
    gradient, twin = (clipped(g, w, p.train.clip) for g, w in ((gradient, wide), (twin, weights)))
    label = f"step {step.number}"
    losses = Check(name=f"{label}: loss", declared=f"{p.train.loss}, gain {p.train.physics_gain:g}")
    losses.measured("batch", loss, twin_loss, step.loss, 1e-4)
    if step.norms is not None:
        derived = (raw, (total_norm(gradient), total_norm(twin)))
        for name, (wanted, other), found in zip(("pre", "post"), derived, step.norms, strict=True):
            place = f"{name}_clip of grad_norms.csv"
            losses.measured(place, wanted, other, found, 10 * OWN, math.hypot(*slack.values()))
    memory = Check(
        name=f"{label}: gradient",
        declared=f"{p.train.loss}, clip {words(p.train.clip)}, {words(p.train.optimizer)}",
    )
    update = Check(
        name=f"{label}: update", declared=f"{words(p.train.optimizer)}, rate {step.rate:.9g}"
    )
    left_out = sorted(set(weights) - set(step.after["optimized"]))
    memory.problems += [f"{name} is in no group of the optimizer" for name in left_out]
    for name in weights:
        if name not in step.after["weights"]:
            update.problems.append(f"{name} is gone after the step")
            continue
        kept = share_kept(gradient[name], unclipped[name], noise[name], p.train.clip)
        room = (kept * noise[name], kept * slack[name])
        ahead = Tensors(name, step, gradient[name], twin[name], room, thin_from)
        ahead.compare(memory, update, step.rate, p.train.optimizer)
    # SGD without momentum keeps nothing: its gradient shows in the update alone.
    checks = (losses, memory, update)
    return [check for check in checks if check.compared or check.problems or check.not_comparable]


def noise_of(gradient: Weights, twin: Weights) -> dict[str, float]:
    """Rounding of an element of each tensor's gradient, by the float32 twin.

    It is the largest of the tensors of its layer, and at least the median of the network's: a
    tensor of one or two elements may by chance be rounded to what it is.
    """
    own = {name: rounding_of(twin[name], g) / math.sqrt(g.numel()) for name, g in gradient.items()}
    least = statistics.median(own.values())
    return {name: max(size, least) for name, size in largest_of_layer(own).items()}


def cancelling(gradient: Weights) -> dict[str, float]:
    """Rounding of an element of each tensor's gradient where its sum may cancel."""
    own = {name: norm(g) / math.sqrt(g.numel()) for name, g in gradient.items()}
    return {name: OWN / TWIN * size for name, size in largest_of_layer(own).items()}


def largest_of_layer(sizes: Mapping[str, float]) -> dict[str, float]:
    """For each tensor the largest size among those of its layer."""
    layers: dict[str, float] = {}
    for name, size in sizes.items():
        layer = name.rpartition(".")[0]
        layers[layer] = max(layers.get(layer, 0.0), size)
    return {name: layers[name.rpartition(".")[0]] for name in sizes}


def share_kept(gradient: Tensor, unclipped: Tensor, noise: float, clip: Declared) -> float:
    """Share of a gradient's rounding that clipping leaves.

    Scaled elements are scaled with what rounding made of them. A bound on values takes it from the
    elements past the bound, and leaves it whole to all others, however small the rest has become.
    """
    if clip.kind == "value":
        inside = pairs(unclipped).abs() <= clip.max_value + 3 * noise
        return math.sqrt(float(inside.double().mean()))
    size = norm(unclipped)
    return norm(gradient) / size if size and math.isfinite(size) else 1.0


def rounding_of(twin: Tensor, wide: Tensor) -> float:
    """L2 norm of what float32 takes away; nothing where it overflows."""
    apart = norm(twin - wide)
    return apart if math.isfinite(apart) else 0.0


def words(table: Declared) -> str:
    """A table that has a kind, with its declared values."""
    values = [f"{key} {value}" for key, value in vars(table).items() if key != "kind"]
    return f"{table.kind} ({', '.join(values)})" if values else str(table.kind)


def double(tensor: Tensor) -> torch.dtype:
    """The type of twice the precision."""
    return torch.complex128 if tensor.is_complex() else torch.float64


class Tensors:
    """One tensor of a step: thinned, as real numbers, in float64."""

    def __init__(
        self,
        name: str,
        step: Step,
        g: Tensor,
        twin: Tensor,
        room: tuple[float, float],
        thin_from: int,
    ) -> None:
        noise, self.slack = room
        self.name, self.number = name, step.number
        self.spacing = -(-g.numel() // SAMPLED)
        self.start = thin_from % self.spacing
        self.g, self.twin = self.thinned(g), self.thinned(twin)
        self.rounding = max(rounding_of(self.twin, self.g), noise * math.sqrt(self.g.numel()))
        self.old, self.new = (
            self.thinned(side["weights"][name]) for side in (step.before, step.after)
        )
        self.before, self.after = (
            {key: pairs(value).double() for key, value in side["state"].get(name, {}).items()}
            for side in (step.before, step.after)
        )

    def thinned(self, values: Tensor) -> Tensor:
        """Every ``spacing``-th element, in float64, a complex one as two."""
        return pairs(values.flatten()[self.start :: self.spacing].to(double(values)))

    def compare(self, memory: Check, update: Check, rate: float, optimizer: Declared) -> None:
        """Hold the arm's memory and update against the derived ones."""
        own = OWN * norm(self.g) + TWIN * self.rounding + self.slack
        penalty = optimizer.weight_decay if optimizer.kind != "adamw" else 0.0
        penalised = self.g + penalty * self.old
        own += ULP * norm(penalised)
        derived = moments_after(self.g, self.old, self.before, optimizer)
        steps = {"step"} if optimizer.kind != "sgd" else set()
        if surplus := sorted(set(self.after) ^ (set(derived) | steps)):
            update.problems.append(
                f"{self.name}: the optimizer keeps {surplus} otherwise than declared"
            )
            return
        if steps:
            update.equal(f"{self.name}: steps", self.number + 1, int(self.after["step"]))
        twins = moments_after(self.twin, self.old, self.before, optimizer)
        for key, value in derived.items():
            if value.shape != self.after[key].shape:
                memory.problems.append(f"{self.name}.{key} has another shape")
                return
            share = 1.0
            if optimizer.kind != "sgd":
                share = 1 - optimizer.betas[key == "exp_avg_sq"]
            if key == "exp_avg_sq":
                share *= 2 * float(penalised.abs().max()) + own
            allowed = share * own + ULP * norm(value)
            self.hold(memory, key, value, self.after[key], allowed, twins[key])
        delta = change(self.g, self.old, self.after, self.number + 1, rate, optimizer)
        allowed, twin = RULE * norm(delta) + ULP * norm(self.new), delta
        if optimizer.kind == "sgd":
            implied, twin = self.g, self.twin
            if optimizer.momentum:
                past = self.before.get("momentum_buffer")
                twin = implied = self.after["momentum_buffer"] - optimizer.weight_decay * self.old
                if past is not None:
                    implied = implied - optimizer.momentum * past
                allowed += rate * ULP * norm(self.after["momentum_buffer"])
            else:
                allowed += rate * own
            delta = change(implied, self.old, self.after, self.number + 1, rate, optimizer)
        self.hold(update, "update", delta, self.new - self.old, allowed, twin)
        if norm(delta) > allowed and not (self.new != self.old).any():
            update.problems.append(f"{self.name} does not move")

    def hold(
        self, check: Check, key: str, derived: Tensor, found: Tensor, allowed: float, twin: Tensor
    ) -> None:
        """Compare two tensors by the L2 norm of their difference; the worst element is named.

        Where neither the arm nor ``twin`` stays finite in float32 nothing can be said.
        """
        if not any(bool(torch.isfinite(side.float()).all()) for side in (found, twin)):
            check.not_comparable += 1
            return
        apart = (derived - found).flatten()
        element = int(torch.nan_to_num(apart.abs(), nan=torch.inf).argmax())
        check.compare(
            f"{self.name}.{key}, element {self.element(element)}",
            float(derived.flatten()[element]),
            float(found.flatten()[element]),
            norm(apart),
            allowed,
        )

    def element(self, index: int) -> int:
        """Number of an element in the flat tensor, a complex one counted as two."""
        parts = self.g.numel() // max(1, len(self.g)) if self.g.ndim > 1 else 1
        whole, part = divmod(index, parts)
        return (self.start + whole * self.spacing) * parts + part
