"""Shapes that follow from the knobs of a network, without building it."""

from __future__ import annotations

from typing import NamedTuple

from models.config.model import Model


class ParameterCount(NamedTuple):
    """Trainable numbers of a network, a complex one counted once.

    ``live`` is what exists and is read; ``nominal`` counts M×M modes for each spectral
    convolution, as published counts do, whether the side of the map has them or not.
    """

    live: int
    nominal: int


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


def block_levels(model: Model) -> tuple[int, ...]:
    """Level that each block of the encoder works at: one deeper each, down to the bottom."""
    return tuple(min(index, model.num_halvings) for index in range(model.num_blocks))
