"""Initial weights, drawn from one stream in the order of the modules.

Networks are built on torch's meta device, where nothing is drawn or stored; this module gives them
memory and values. So nothing depends on torch's global generator, and a kind of module that no
rule knows is an error, never left as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from models.nets.blocks import LayerScale, ZeroGammaNorm
from models.nets.norm import InstanceNorm
from models.nets.spectral import SpectralConvolution


def materialise(net: nn.Module, generator: np.random.Generator) -> None:
    """Give every parameter of a network on the meta device CPU memory and its initial value.

    Raises:
        TypeError: a module has parameters and no rule for them.
    """
    net.to_empty(device="cpu")
    for name, module in net.named_modules():
        if not list(module.parameters(recurse=False)):
            continue
        rule = RULES.get(type(module))
        if rule is None:
            raise TypeError(f"no initial values are defined for {name}, a {type(module).__name__}")
        with torch.no_grad():
            rule(module, generator)


def _uniform(parameter: Tensor, bound: float, generator: np.random.Generator) -> None:
    values = generator.uniform(-bound, bound, size=parameter.shape).astype(np.float32)
    parameter.copy_(torch.from_numpy(values))


def _convolution(module: nn.Module, generator: np.random.Generator) -> None:
    """Weights and bias U(±1/√fan_in), which is torch's own choice for convolutions.

    As in torch, the fan-in of a transposed convolution counts the second axis of its weight.
    """
    weight, bias = module.get_parameter("weight"), module.get_parameter("bias")
    bound = 1 / math.sqrt(weight[0].numel())
    _uniform(weight, bound, generator)
    _uniform(bias, bound, generator)


def _spectral(module: nn.Module, generator: np.random.Generator) -> None:
    """Real and imaginary part each N(0, 1/(2·C_in))."""
    weight = module.get_parameter("weight")
    pairs = generator.standard_normal((*weight.shape, 2), dtype=np.float32)
    scale = np.float32(1 / math.sqrt(2 * weight.shape[2]))
    weight.copy_(torch.view_as_complex(torch.from_numpy(pairs * scale)))


def _affine(weight: float) -> Callable[[nn.Module, np.random.Generator], None]:
    def rule(module: nn.Module, _generator: np.random.Generator) -> None:
        module.get_parameter("weight").fill_(weight)
        module.get_parameter("bias").zero_()

    return rule


def _layerscale(module: nn.Module, _generator: np.random.Generator) -> None:
    assert isinstance(module, LayerScale)
    module.weight.fill_(module.initial)


RULES: dict[type[nn.Module], Callable[[nn.Module, np.random.Generator], None]] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _convolution,
    SpectralConvolution: _spectral,
    InstanceNorm: _affine(1.0),
    ZeroGammaNorm: _affine(0.0),
    LayerScale: _layerscale,
}
"""Kind of module → how its own parameters start."""
