"""The architectures by name; one function each."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch

from models.config import Model
from models.nets.cnn import cnn
from models.nets.fno import fno
from models.nets.generator import Generator
from models.nets.hybrid import hybrid, stable_hybrid
from models.nets.hybrid_resnet import hybrid_resnet
from models.nets.initial import materialise


class Builder(Protocol):
    """Builds a generator for patches of ``side`` px and a number of channels."""

    def __call__(self, model: Model, *, side: int, channels: int) -> Generator:
        """Allocate on the current default device."""


ARCHITECTURES: dict[str, Builder] = {
    "hybrid": hybrid,
    "stable_hybrid": stable_hybrid,
    "hybrid_resnet": hybrid_resnet,
    "fno": fno,
    "cnn": cnn,
}
"""``architecture`` → builder."""


def outline(model: Model, *, side: int, channels: int = 1) -> Generator:
    """Build the network on the meta device: shapes and structure, no memory, no values.

    Raises:
        ValueError: the architecture is unknown; the message lists the known ones.
    """
    builder = ARCHITECTURES.get(model.architecture)
    if builder is None:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ValueError(f"unknown architecture {model.architecture!r}; known are: {known}")
    with torch.device("meta"):
        return builder(model, side=side, channels=channels)


def build(
    model: Model, *, side: int, channels: int = 1, generator: np.random.Generator
) -> Generator:
    """Build the network on the CPU with initial values from ``generator``."""
    net = outline(model, side=side, channels=channels)
    materialise(net, generator)
    return net
