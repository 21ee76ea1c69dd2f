"""The initial weights of every tensor, drawn again from the stream ``weights``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.audit.network import halvings
from models.audit.report import Check
from models.audit.streams import Declared, stream


class Layer(NamedTuple):
    """Something with weights: its name, kind, and the shape of its weight."""

    name: str
    kind: str
    """``convolution``, ``transposed``, ``spectral``, ``norm``, ``zero_norm`` or ``scale``."""
    shape: tuple[int, ...]


def layers(p: Declared) -> Iterator[Layer]:
    """All layers with weights, in the order in which their weights are drawn."""
    m, channels, side = p.model, p.dataset.gridsize**2, p.dataset.patch_size
    depth = halvings(m)
    widths = [m.hidden_channels]
    for _ in range(depth):
        cap = m.max_hidden_channels
        widths.append(2 * widths[-1] if cap is None else min(2 * widths[-1], cap))

    def conv(name: str, out: int, into: int, kernel: int) -> Layer:
        return Layer(name, "convolution", (out, into, kernel, kernel))

    def block(name: str, level: int, modes: int) -> Iterator[Layer]:
        width, length = widths[level], side // 2**level
        columns = min(modes, length // 2 + 1)
        rows = min(modes, length)
        if m.corners == 2:
            rows = min(modes, length - length // 2) + min(modes, length // 2)
        yield Layer(f"{name}.spectral", "spectral", (rows, columns, width, width))
        yield conv(f"{name}.local", width, width, 3)
        if m.stable_block is not None:
            kind = "zero_norm" if m.stable_block == "zero_gamma" else "norm"
            yield Layer(f"{name}.norm", kind, (width,))
        if m.stable_block == "layerscale":
            yield Layer(f"{name}.scale", "scale", (width,))

    def plain(name: str, level: int) -> Iterator[Layer]:
        for part in ("convolution_1", "convolution_2"):
            yield conv(f"{name}.{part}", widths[level], widths[level], 3)

    yield conv("lifter.convolution_1", widths[0], channels, 3)
    yield conv("lifter.convolution_2", widths[0], widths[0], 3)
    cnn, trunk = m.architecture == "cnn", "blocks" if m.architecture == "fno" else "encoder"
    for index in range(m.cnn_blocks - 1 if cnn else m.fno_blocks):
        name, level = f"{trunk}.{index}", min(index, depth)
        yield from plain(name, level) if cnn else block(name, level, m.modes)
    for level in range(depth):
        yield conv(f"downsamplers.{level}", widths[level + 1], widths[level], 2)
    if m.architecture in ("hybrid", "stable_hybrid", "cnn"):
        yield from plain("bottleneck", depth) if cnn else block("bottleneck", depth, m.modes // 2)
        for index, level in enumerate(reversed(range(depth))):
            name, width, deep = f"decoder.{index}", widths[level], widths[level + 1]
            yield Layer(f"{name}.upsampler", "transposed", (deep, width, 2, 2))
            yield conv(f"{name}.convolution_1", width, 2 * width, 3)
            yield conv(f"{name}.convolution_2", width, width, 3)
    elif m.architecture == "hybrid_resnet":
        for index in range(6):
            for part in (1, 2):
                name = f"residual.{index}"
                yield conv(f"{name}.convolution_{part}", widths[-1], widths[-1], 3)
                yield Layer(f"{name}.norm_{part}", "norm", (widths[-1],))
        yield Layer("scale", "scale", (1,))
        for index, level in enumerate(reversed(range(depth))):
            shape = (widths[level + 1], widths[level], 4, 4)
            yield Layer(f"upsamplers.{index}.convolution", "transposed", shape)
            yield Layer(f"upsamplers.{index}.norm", "norm", (widths[level],))
    else:
        yield conv("projection", widths[0], widths[0], 1)
        for index in range(m.cnn_blocks):
            yield conv(f"refinements.{index}.convolution", widths[0], widths[0], 3)
    parts = {"head.linear": 2 * channels}
    if m.output_mode == "amp_phase":
        parts = {"head.amplitude": channels, "head.phase": channels}
    for name, out in parts.items():
        yield conv(name, out, widths[0], 1)


def initial(p: Declared, seed: int) -> dict[str, Tensor]:
    """Initial weights by name.

    Convolutions: weight and bias U(±1/√n), n the numbers behind the first axis of the weight.
    Spectral: real and imaginary part N(0, 1/(2·C_in)). Norms: γ = 1, β = 0, or γ = 0 in the
    zero-gamma block. Scales: ``layerscale_init``.
    """
    random, made = stream(seed, "weights"), {}
    weight: NDArray[Any]
    for name, kind, shape in layers(p):
        weight, bias = np.ones(shape, np.float32), np.zeros(shape[0], np.float32)
        if kind in ("convolution", "transposed"):
            bound = 1 / math.sqrt(math.prod(shape[1:]))
            weight = random.uniform(-bound, bound, shape).astype(np.float32)
            width = shape[1] if kind == "transposed" else shape[0]
            bias = random.uniform(-bound, bound, width).astype(np.float32)
        elif kind == "spectral":
            pairs = random.standard_normal((*shape, 2), dtype=np.float32)
            pairs *= np.float32(1 / math.sqrt(2 * shape[2]))
            weight = pairs.view(np.complex64)[..., 0]
        elif kind == "zero_norm":
            weight = np.zeros(shape, np.float32)
        elif kind == "scale":
            weight = np.full(shape, p.model.layerscale_init, np.float32)
        made[f"{name}.weight"] = torch.from_numpy(weight)
        if kind not in ("spectral", "scale"):
            made[f"{name}.bias"] = torch.from_numpy(bias)
    return made


def audit_start(p: Declared, seed: int, found: Mapping[str, Tensor]) -> Check:
    """Hold the weights before the first step against the drawn ones, tensor by tensor."""
    check = Check(name="start: initial weights", declared=f"stream weights of seed {seed}")
    drawn = initial(p, seed)
    check.problems += [f"{name} is missing" for name in drawn if name not in found]
    check.problems += [f"{name} is none of the network's" for name in found if name not in drawn]
    for name, tensor in drawn.items():
        if name not in found:
            continue
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            check.problems.append(
                f"{name} is {found[name].dtype} {[*found[name].shape]}, not {tensor.dtype} "
                f"{[*tensor.shape]}"
            )
            continue
        apart = (found[name] - tensor).abs().flatten()
        element = int(apart.argmax())
        check.compare(
            f"{name}, element {element}",
            str(tensor.flatten()[element].item()),
            str(found[name].flatten()[element].item()),
            float(apart[element]),
            1e-7 * float(tensor.abs().max()),
        )
    return check
