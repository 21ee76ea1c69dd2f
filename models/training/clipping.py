"""The gradient clippers by name; one class each. A clipper changes gradients in place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from models.config import NormClip


class Clipper(Protocol):
    """Something that bounds the gradients of parameters."""

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Change the gradients in place."""


@dataclass(frozen=True)
class LeaveGradients:
    """No clipping."""

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class ClipNorm:
    """Scale all gradients by one factor, so that their total L2 norm is at most ``max_norm``."""

    max_norm: float

    def __call__(self, parameters: Iterable[nn.Parameter]) -> None:
        """Scale by min(1, max_norm/(‖g‖ + 1e-6)); a complex entry counts with its modulus."""
        torch.nn.utils.clip_grad_norm_(parameters, self.max_norm)


def _norm(settings: NormClip) -> ClipNorm:
    return ClipNorm(settings.max_norm)


CLIPPERS: dict[str, Callable[[Any], Clipper]] = {
    "none": lambda _settings: LeaveGradients(),
    "norm": _norm,
}
"""``clip.kind`` → builder from its settings."""


def total_norm(parameters: Iterable[nn.Parameter]) -> float:
    """L2 norm of all gradients together, the sum over tensors in float64."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = [torch.linalg.vector_norm(gradient).double() for gradient in gradients]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0
