"""What adaptive clipping clips by itself: the output units of a network, or its tensors.

A unit is what feeds one output channel. Where the channels lie depends on the kind of layer; of a
spectral convolution (K, L, I, O) a unit is all modes and inputs of one output. A tensor with no
more than one axis longer than 1 (biases, weights of norms, LayerScales) is one unit as a whole, as
in the code of Brock et al. 2021 (``unitwise_norm`` in ``nfnets/optim.py`` of DeepMind's research
repository).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.nets.generator import Generator
from models.nets.spectral import SpectralConvolution

OUTPUT_AXES: dict[type[nn.Module], int] = {
    nn.Conv2d: 0,
    nn.ConvTranspose2d: 1,
    SpectralConvolution: 3,
}
"""Kind of layer → axis of its weight along which the output channels lie."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """A tensor of parameters as units: its slices along ``axis``, or the whole for ``None``."""

    parameter: nn.Parameter
    axis: int | None

    def norms(self, values: Tensor) -> Tensor:
        """L2 norm of each unit of ``values``, shaped as the parameter, in a shape to multiply it.

        A complex entry counts with its modulus.
        """
        others = [axis for axis in range(values.ndim) if axis != self.axis]
        norms: Tensor = torch.linalg.vector_norm(values, dim=others, keepdim=True)
        return norms


def output_units(net: Generator) -> tuple[Units, ...]:
    """The units of all layers but the head, whose gradient is never clipped.

    Raises:
        TypeError: nobody has said where the output channels of a layer lie.
    """
    head = set(net.head.parameters())
    return tuple(
        Units(parameter=parameter, axis=_axis(name, module, parameter))
        for name, module, parameter in _own_parameters(net)
        if parameter not in head
    )


def tensors(net: Generator) -> tuple[Units, ...]:
    """Every tensor of the network as one unit, those of the head too."""
    return tuple(Units(parameter=parameter, axis=None) for parameter in net.parameters())


UNITS: dict[str, Callable[[Generator], tuple[Units, ...]]] = {
    "agc": output_units,
    "agc_per_tensor": tensors,
}
"""``clip.kind`` → the units that it clips."""


def _own_parameters(net: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """Every parameter once, with the module that it belongs to and its dotted name."""
    seen: set[nn.Parameter] = set()
    for path, module in net.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter not in seen:
                seen.add(parameter)
                yield f"{path}.{name}", module, parameter


def _axis(name: str, module: nn.Module, parameter: nn.Parameter) -> int | None:
    if parameter.squeeze().ndim <= 1:
        return None
    for kind, axis in OUTPUT_AXES.items():
        if isinstance(module, kind):
            return axis
    raise TypeError(f"{name}: no output axis is defined for a {type(module).__name__}")
