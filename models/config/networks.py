"""The stages of each architecture in the order of the data's way, as ``models.nets`` builds them.

N is the side of a patch, C its channels, wₗ the width of level l.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import pairwise

from models.config.anatomy import (
    Part,
    Stage,
    activation,
    convolution,
    instance_norm,
    layerscale,
    spectral_convolution,
    transposed_convolution,
)
from models.config.model import RESIDUAL_BLOCKS, Model
from models.config.sizes import block_levels, level_widths


@functools.lru_cache(maxsize=64)
def network_stages(model: Model, *, side: int, channels: int) -> tuple[Stage, ...]:
    """All stages of the network for patches of ``side`` px.

    A plan asks several times for each of its arms, and the arms of a matrix share few networks.
    """
    width = model.hidden_channels
    lifter = (
        *([instance_norm(channels, side, affine=False)] * (model.input_transform != "none")),
        convolution(channels, width, 3, side),
        activation(width, side),
        convolution(width, width, 3, side),
    )
    return (
        Stage(channels * side**2, lifter),
        *BODIES[model.architecture](model, side),
        Stage(width * side**2, (convolution(width, 2 * channels, 1, side),), recomputable=False),
    )


def _fourier_block(model: Model, width: int, side: int, *, modes: int) -> Stage:
    """S, L, GELU, and the stable block's norm and λ."""
    parts = [
        spectral_convolution(width, side, modes, model.spectral[1]),
        convolution(width, width, 3, side),
        activation(width, side),
    ]
    if model.stable_block is not None:
        parts.append(instance_norm(width, side, affine=True))
    if model.stable_block == "layerscale":
        parts.append(layerscale(width, side, parameters=width))
    return Stage(width * side**2, tuple(parts))


def _convolution_block(width: int, side: int) -> Stage:
    """Twice Conv3×3 and GELU."""
    parts = (convolution(width, width, 3, side), activation(width, side))
    return Stage(width * side**2, 2 * parts)


def _descent(model: Model, side: int, blocks: list[Callable[[int, int], Stage]]) -> list[Stage]:
    """Encoder blocks, each a function of width and side, and the halvings behind them."""
    widths, stages = level_widths(model), []
    for index, (level, block) in enumerate(zip(block_levels(model), blocks, strict=False)):
        stages.append(block(widths[level], side >> level))
        if index < model.num_halvings:
            deep = convolution(widths[level], widths[level + 1], 2, side >> level + 1)
            stages.append(Stage(deep.kept, (deep,), recomputable=False))
    return stages


def _decoder(model: Model, side: int) -> list[Stage]:
    """Upsampler, concatenation of the skip, Conv3×3 (2w→w), norm, GELU, Conv3×3 (w→w)."""
    stages = []
    for level, (width, deep) in reversed(list(enumerate(pairwise(level_widths(model))))):
        here = side >> level
        upsampler = transposed_convolution(deep, width, 2, here)
        norm: list[Part] = []
        if model.decoder_norm == "instance":
            norm.append(instance_norm(width, here, affine=False))
        parts = (
            upsampler,
            convolution(2 * width, width, 3, here),
            *norm,
            activation(width, here),
            convolution(width, width, 3, here),
        )
        # The skip is kept by the downsampler too, and so costs nothing more.
        stages.append(Stage(upsampler.kept, parts))
    return stages


def _hybrid(model: Model, side: int) -> list[Stage]:
    modes, _ = model.spectral
    bottom = model.num_halvings

    def block(width: int, here: int) -> Stage:
        return _fourier_block(model, width, here, modes=modes)

    bottleneck = _fourier_block(
        model, level_widths(model)[bottom], side >> bottom, modes=modes // 2
    )
    return [
        *_descent(model, side, [block] * model.num_blocks),
        bottleneck,
        *_decoder(model, side),
    ]


def _cnn(model: Model, side: int) -> list[Stage]:
    return [
        *_descent(model, side, [_convolution_block] * model.num_blocks),
        *_decoder(model, side),
    ]


def _hybrid_resnet(model: Model, side: int) -> list[Stage]:
    modes, _ = model.spectral
    widths, bottom = level_widths(model), model.num_halvings

    def block(width: int, here: int) -> Stage:
        return _fourier_block(model, width, here, modes=modes)

    residual = [
        _residual_block(widths[bottom], side >> bottom, scales=index == 0)
        for index in range(RESIDUAL_BLOCKS)
    ]
    return [
        *_descent(model, side, [block] * model.num_blocks),
        *residual,
        *(
            _upsampler(widths[level + 1], widths[level], side >> level)
            for level in reversed(range(bottom))
        ),
    ]


def _residual_block(width: int, side: int, *, scales: bool) -> Stage:
    """Twice padding, Conv3, norm, with GELU between; λ is counted with the first block."""
    half = (
        convolution(width, width, 3, side, padded=side + 2),
        instance_norm(width, side, affine=True),
    )
    scale = layerscale(width, side, parameters=int(scales))
    return Stage(width * side**2, (*half, activation(width, side), *half, scale))


def _upsampler(deep: int, width: int, side: int) -> Stage:
    """Transposed convolution, norm, GELU."""
    upsampler = transposed_convolution(deep, width, 4, side)
    return Stage(
        upsampler.kept,
        (upsampler, instance_norm(width, side, affine=True), activation(width, side)),
    )


def _fno(model: Model, side: int) -> list[Stage]:
    modes, _ = model.spectral
    width, blocks = model.hidden_channels, model.cnn_blocks
    assert blocks is not None
    projection = Stage(width * side**2, (convolution(width, width, 1, side),), recomputable=False)
    refinement = Stage(
        width * side**2, (convolution(width, width, 3, side), activation(width, side))
    )
    return [
        *([_fourier_block(model, width, side, modes=modes)] * model.num_blocks),
        projection,
        *([refinement] * blocks),
    ]


BODIES: dict[str, Callable[[Model, int], list[Stage]]] = {
    "hybrid": _hybrid,
    "stable_hybrid": _hybrid,
    "hybrid_resnet": _hybrid_resnet,
    "fno": _fno,
    "cnn": _cnn,
}
"""``architecture`` → what lies between lifter and head, for patches of a side."""
