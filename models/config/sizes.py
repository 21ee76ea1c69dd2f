"""Sizes of a network that follow from its knobs, without building it."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from models.config.model import Model
from models.config.parameters import Parameters


def kept_modes(side: int, modes: int, corners: int) -> tuple[int, int, int]:
    """Modes of a real ``side``×``side`` map that a spectral convolution reads.

    Returns:
        Rows from frequency 0 upwards, rows from the last one downwards, and columns of the half
        spectrum. No frequency is counted twice where the two corners would meet.
    """
    columns = min(modes, side // 2 + 1)
    if corners == 1:
        return min(modes, side), 0, columns
    return min(modes, side - side // 2), min(modes, side // 2), columns


def level_widths(model: Model) -> tuple[int, ...]:
    """Channels at each level of the encoder, top first: doubled by each halving up to the cap."""
    widths = [model.hidden_channels]
    for _ in range(model.num_halvings):
        doubled = 2 * widths[-1]
        cap = model.max_hidden_channels
        widths.append(doubled if cap is None else min(doubled, cap))
    return tuple(widths)


class ParameterCount(NamedTuple):
    """Trainable numbers of a network, a complex one counted once.

    ``live`` is what exists and is read; ``nominal`` counts M×M modes for each spectral
    convolution, as published counts do, whether the side of the map has them or not.
    """

    live: int
    nominal: int


def count_parameters(parameters: Parameters) -> ParameterCount:
    """Number of parameters that the network of ``parameters`` will have, without building it."""
    model = parameters.model
    widths = level_widths(model)
    channels = parameters.dataset.gridsize**2
    sides = [parameters.dataset.patch_size >> level for level in range(len(widths))]
    levels = [min(block, len(widths) - 1) for block in range(model.fno_blocks)]
    blocks = [(level, model.modes) for level in levels] + [(len(widths) - 1, model.modes // 2)]
    live = nominal = _shared_parameters(widths, channels)
    for level, modes in blocks:
        positive, negative, columns = kept_modes(sides[level], modes, model.corners)
        live += widths[level] ** 2 * (positive + negative) * columns
        nominal += widths[level] ** 2 * modes**2 * model.corners
    norm = {None: 0, "zero_gamma": 2, "layerscale": 3}[model.stable_block]
    other = sum(
        _conv(widths[level], widths[level], 3) + norm * widths[level] for level, _ in blocks
    )
    return ParameterCount(live=live + other, nominal=nominal + other)


def _conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


def _shared_parameters(widths: tuple[int, ...], channels: int) -> int:
    """Lifter, samplers, decoder and head; the decoder's instance norm has no weights."""
    lifter = _conv(channels, widths[0], 3) + _conv(widths[0], widths[0], 3)
    levels = sum(
        _conv(wide, deep, 2)
        + _conv(deep, wide, 2)
        + _conv(2 * wide, wide, 3)
        + _conv(wide, wide, 3)
        for wide, deep in pairwise(widths)
    )
    return lifter + levels + _conv(widths[0], 2 * channels, 1)
