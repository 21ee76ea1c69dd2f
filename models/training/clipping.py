"""The gradient clippers by name; one class each. A clipper changes gradients in place.

Each can also measure what it bounds, so that a run can show that it was bounded. A gradient that
is not finite is not made finite by any of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor, nn

from models.config import Agc, AgcPerTensor, NormClip, ValueClip
from models.nets.generator import Generator
from models.training.units import UNITS, Units

Quantity = Literal["norm", "value", "ratio"]
"""What a clipper bounds."""


class Clipper(Protocol):
    """Something that bounds the gradients of a network."""

    quantity: ClassVar[Quantity | None]

    @property
    def bound(self) -> float:
        """Largest ``measure`` that it lets pass."""

    def __call__(self) -> None:
        """Change the gradients in place."""

    def measure(self) -> float:
        """What it bounds, as it is now; 0 without gradients."""


@dataclass(frozen=True, eq=False)
class LeaveGradients:
    """No clipping."""

    quantity: ClassVar[Quantity | None] = None
    bound: float = math.inf

    def __call__(self) -> None:
        """Do nothing."""

    def measure(self) -> float:
        """Nothing is bounded."""
        return 0.0


@dataclass(frozen=True, eq=False)
class ClipNorm:
    """Scale all gradients by one factor, so that their total L2 norm is at most ``max_norm``."""

    parameters: tuple[nn.Parameter, ...]
    max_norm: float
    quantity: ClassVar[Quantity | None] = "norm"

    @property
    def bound(self) -> float:
        """The largest total norm."""
        return self.max_norm

    def __call__(self) -> None:
        """Scale by min(1, max_norm/(‖g‖ + 1e-6)); a complex entry counts with its modulus."""
        torch.nn.utils.clip_grad_norm_(self.parameters, self.max_norm)

    def measure(self) -> float:
        """The total norm."""
        return total_norm(self.parameters)


@dataclass(frozen=True, eq=False)
class ClipValue:
    """Limit every entry to ±``max_value``; of a complex one the real and the imaginary part.

    Each part by itself, since that is what the optimizers see; the modulus may reach √2 times it.
    """

    parameters: tuple[nn.Parameter, ...]
    max_value: float
    quantity: ClassVar[Quantity | None] = "value"

    @property
    def bound(self) -> float:
        """The largest entry."""
        return self.max_value

    def __call__(self) -> None:
        """Clamp."""
        for gradient in gradients(self.parameters):
            _real(gradient).clamp_(-self.max_value, self.max_value)

    def measure(self) -> float:
        """The largest absolute value of a part."""
        largest = [_real(gradient).abs().amax().double() for gradient in gradients(self.parameters)]
        return float(torch.stack(largest).amax()) if largest else 0.0


@dataclass(frozen=True, eq=False)
class ClipUnits:
    """Adaptive clipping (Brock et al. 2021): ‖g‖ ≤ λ·max(‖w‖, eps) for each unit by itself.

    λ is ``clip_factor``; ``eps`` lets weights move that are zero.
    """

    units: tuple[Units, ...]
    clip_factor: float
    eps: float
    quantity: ClassVar[Quantity | None] = "ratio"

    @property
    def bound(self) -> float:
        """The largest ratio."""
        return self.clip_factor

    def __call__(self) -> None:
        """Scale each unit that is above its bound down to it."""
        for units, gradient in self._present():
            largest = self.clip_factor * self._sizes(units)
            norms = units.norms(gradient)
            gradient.mul_(torch.where(norms > largest, largest / norms, 1.0))

    def measure(self) -> float:
        """The largest ‖g‖/max(‖w‖, eps) of a unit."""
        ratios = [
            (units.norms(gradient) / self._sizes(units)).amax().double()
            for units, gradient in self._present()
        ]
        return float(torch.stack(ratios).amax()) if ratios else 0.0

    def _present(self) -> list[tuple[Units, Tensor]]:
        found = [(units, units.parameter.grad) for units in self.units]
        return [(units, gradient) for units, gradient in found if gradient is not None]

    def _sizes(self, units: Units) -> Tensor:
        return units.norms(units.parameter.detach()).clamp(min=self.eps)


def _norm(settings: NormClip, net: Generator) -> ClipNorm:
    return ClipNorm(tuple(net.parameters()), settings.max_norm)


def _value(settings: ValueClip, net: Generator) -> ClipValue:
    return ClipValue(tuple(net.parameters()), settings.max_value)


def _adaptive(settings: Agc | AgcPerTensor, net: Generator) -> ClipUnits:
    return ClipUnits(UNITS[settings.kind](net), settings.clip_factor, settings.eps)


CLIPPERS: dict[str, Callable[[Any, Generator], Clipper]] = {
    "none": lambda _settings, _net: LeaveGradients(),
    "norm": _norm,
    "value": _value,
    "agc": _adaptive,
    "agc_per_tensor": _adaptive,
}
"""``clip.kind`` → builder from its settings and the network."""


def gradients(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
    """The gradients that there are."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def total_norm(parameters: Iterable[nn.Parameter]) -> float:
    """L2 norm of all gradients together, the sum over tensors in float64.

    Complex gradients are read as pairs of real numbers, which have the same norm and a kernel that
    is several times faster.
    """
    grads = gradients(parameters)
    norms = [torch.linalg.vector_norm(_real(gradient)).double() for gradient in grads]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def _real(values: Tensor) -> Tensor:
    """A view in which a complex entry is two real ones."""
    return torch.view_as_real(values) if values.is_complex() else values
