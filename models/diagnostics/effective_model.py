"""The ``model`` knobs as the modules of the live network show them.

Shapes and classes tell them all, but for two limits that may lie beyond what the network needed,
``max_hidden_channels`` and ``max_levels``: where the shapes show a limit, the shapes are reported,
and elsewhere the limit that the network was built with, as far as the shapes do not exceed it.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from torch import nn

from models.diagnostics.readings import agreed, module_names, name_of
from models.nets.blocks import (
    DECODER_NORMS,
    INPUT_TRANSFORMS,
    DecoderLevel,
    LayerScaleBlock,
    PtychoBlock,
    ZeroGammaBlock,
)
from models.nets.generator import Generator
from models.nets.heads import HEADS
from models.nets.hybrid import Hybrid
from models.training.fit import InitialState

STABLE_BLOCKS: dict[str, type] = {"zero_gamma": ZeroGammaBlock, "layerscale": LayerScaleBlock}
"""``stable_block`` → class."""


def model_leaves(net: Generator, initial: InitialState) -> dict[str, Any]:
    """Every knob of ``Model``, read from the network; ``initial`` has the first values of λ.

    Raises:
        TypeError: nobody has said how this kind of network is read.
    """
    if not isinstance(net, Hybrid):
        raise TypeError(f"no reading is defined for a {type(net).__name__}")
    blocks = [block for block in net.modules() if isinstance(block, PtychoBlock)]
    spectral = [block.spectral for block in blocks]
    return {
        "architecture": agreed(_architecture(block) for block in blocks),
        "hidden_channels": net.widths[0],
        "max_hidden_channels": _width_limit(net),
        "modes": spectral[0].weight.shape[1 if spectral[0].rows_down else 0],
        "corners": agreed(2 if layer.rows_down else 1 for layer in spectral),
        "fno_blocks": len(net.encoder),
        "max_levels": _level_limit(net),
        "stable_block": agreed(name_of(type(block), STABLE_BLOCKS) for block in blocks),
        "layerscale_init": agreed(
            value for scale in initial.layerscales.values() for value in scale.tolist()
        ),
        "decoder_norm": _decoder_norm(net),
        "output_mode": name_of(type(net.head), HEADS),
        "input_transform": name_of(type(net.lifter.transform), module_names(INPUT_TRANSFORMS)),
    }


def _architecture(block: nn.Module) -> str | None:
    if type(block) is PtychoBlock:
        return "hybrid"
    return "stable_hybrid" if name_of(type(block), STABLE_BLOCKS) else None


def _width_limit(net: Hybrid) -> int | None:
    """The width that a level has instead of twice its neighbour's."""
    for wide, deep in pairwise(net.widths):
        if deep != 2 * wide:
            return deep
    limit = net.max_hidden_channels
    return limit if limit is None or limit >= max(net.widths) else None


def _level_limit(net: Hybrid) -> int | None:
    """The number of halvings, if there are fewer than the blocks ask for."""
    halvings = len(net.downsamplers)
    if halvings < len(net.encoder) - 1:
        return halvings
    limit = net.max_levels
    return limit if limit is None or limit >= halvings else None


def _decoder_norm(net: Hybrid) -> str | None:
    """Without halvings there is no decoder, and so no norm."""
    levels = [level for level in net.decoder if isinstance(level, DecoderLevel)]
    names = module_names(DECODER_NORMS)
    return agreed(name_of(type(level.norm), names) for level in levels) if levels else "none"
