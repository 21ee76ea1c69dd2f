"""What the parts of a network cost: parameters, operations, memory. By formula, nothing is built.

All figures are for one sample; a batch has as many times the operations, the kept and the passing
numbers. A *number* is a real float32, 4 bytes; a complex one is two of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from models.config.sizes import kept_modes


class Part(NamedTuple):
    """One operation.

    ``live`` and ``nominal`` parameters as in ``ParameterCount``; ``weights`` are the numbers that
    they take. ``operations`` of the forward pass, a multiplication or an addition each. ``kept``
    are the numbers that the backward pass needs again, ``made`` those that it puts out, ``passing``
    those that exist only while the
    backward pass is at this part: its inputs' and outputs' gradients and what lies between them.
    """

    live: int = 0
    nominal: int = 0
    weights: int = 0
    operations: float = 0.0
    kept: int = 0
    made: int = 0
    passing: int = 0


class Stage(NamedTuple):
    """Parts that run one after the other.

    ``given`` are the numbers of the stage's inputs, which are all that is kept of a stage that is
    ``recomputable`` when activations are checkpointed.
    """

    given: int
    parts: tuple[Part, ...]
    recomputable: bool = True

    @property
    def kept(self) -> int:
        """Numbers kept for the backward pass."""
        return sum(part.kept for part in self.parts)

    @property
    def weights(self) -> int:
        """Numbers that the stage's parameters take."""
        return sum(part.weights for part in self.parts)


def convolution(inputs: int, outputs: int, kernel: int, side: int, *, padded: int = 0) -> Part:
    """Convolution to a map of ``side``; its stride is its kernel's side when that is even.

    ``padded`` is the side of its input if that was padded by hand. Passing are the gradients of
    output and input, and a copy of output's gradient and input in the order that oneDNN wants.
    """
    stride = kernel if kernel % 2 == 0 else 1
    given = inputs * (padded or stride * side) ** 2
    products = inputs * outputs * kernel**2
    count = products + outputs
    return Part(
        live=count,
        nominal=count,
        weights=count,
        operations=2.0 * products * side**2,
        kept=given,
        made=outputs * side**2,
        passing=2 * given + 2 * outputs * side**2,
    )


def transposed_convolution(inputs: int, outputs: int, kernel: int, side: int) -> Part:
    """Transposed convolution of stride 2 to a map of ``side``."""
    given, products = inputs * (side // 2) ** 2, inputs * outputs * kernel**2
    count = products + outputs
    return Part(
        live=count,
        nominal=count,
        weights=count,
        operations=2.0 * products * (side // 2) ** 2,
        kept=given,
        made=outputs * side**2,
        passing=2 * given + 2 * outputs * side**2,
    )


def spectral_convolution(width: int, side: int, modes: int, corners: int) -> Part:
    """Transform, product of the kept modes with a matrix over channels, transform back.

    A transform takes 5·s²·log₂(s²) operations a map, half of that for real maps. A complex product
    is four real ones. Only the kept modes are kept for the backward pass. Passing are the gradients
    of output, input and the branch beside, and complex maps: the transform of a real map is
    differentiated as one of a complex map, out of place.
    """
    up, down, columns = kept_modes(side, modes, corners)
    kept = (up + down) * columns
    live = width**2 * kept
    return Part(
        live=live,
        nominal=width**2 * modes**2 * corners,
        weights=2 * live,
        operations=8.0 * live + 2 * 2.5 * width * side**2 * 2 * math.log2(side),
        kept=2 * width * kept,
        made=width * side**2,
        passing=7 * width * side**2,
    )


def activation(width: int, side: int) -> Part:
    """GELU: keeps what goes in."""
    return Part(
        operations=10.0 * width * side**2, kept=width * side**2, passing=2 * width * side**2
    )


def instance_norm(width: int, side: int, *, affine: bool) -> Part:
    """Instance norm: keeps what goes in."""
    count, numbers = 2 * width if affine else 0, width * side**2
    return Part(
        live=count,
        nominal=count,
        weights=count,
        operations=8.0 * numbers,
        kept=numbers,
        made=numbers,
        passing=2 * numbers,
    )


def layerscale(width: int, side: int, *, parameters: int) -> Part:
    """Product with λ: keeps what goes in."""
    numbers = width * side**2
    return Part(
        live=parameters,
        nominal=parameters,
        weights=parameters,
        operations=2.0 * numbers,
        kept=numbers,
        made=numbers,
        passing=2 * numbers,
    )
