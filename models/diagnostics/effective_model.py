"""The ``model`` knobs as the modules of the live network show them.

Shapes and classes tell them all, but for two limits that may lie beyond what the network needed,
``max_hidden_channels`` and ``max_levels``: where the shapes show a limit, the shapes are reported,
and elsewhere the limit that the network was built with, as far as the shapes do not exceed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from torch import nn

from models.diagnostics.readings import agreed, module_names, name_of
from models.nets.blocks import (
    DECODER_NORMS,
    INPUT_TRANSFORMS,
    DecoderLevel,
    LayerScaleBlock,
    Lifter,
    PtychoBlock,
    ZeroGammaBlock,
)
from models.nets.cnn import Cnn
from models.nets.fno import Fno
from models.nets.generator import Generator
from models.nets.heads import HEADS
from models.nets.hybrid import Hybrid
from models.nets.hybrid_resnet import HybridResnet
from models.nets.ushaped import UShaped
from models.training.fit import InitialState

STABLE_BLOCKS: dict[str, type] = {"zero_gamma": ZeroGammaBlock, "layerscale": LayerScaleBlock}
"""``stable_block`` → class."""

Leaves = dict[str, Any]


def model_leaves(net: Generator, initial: InitialState) -> Leaves:
    """The knobs of ``Model`` that a network shows; ``initial`` has the first values of λ.

    Whether activations are checkpointed shows in the fit alone.

    Raises:
        TypeError: nobody has said how this kind of network is read.
    """
    reader = READERS.get(type(net))
    if reader is None:
        raise TypeError(f"no reading is defined for a {type(net).__name__}")
    lifter = net.get_submodule("lifter")
    assert isinstance(lifter, Lifter)
    return {
        "hidden_channels": net.widths[0],
        "layerscale_init": agreed(
            value for scale in initial.layerscales.values() for value in scale.tolist()
        ),
        "output_mode": name_of(type(net.get_submodule("head")), HEADS),
        "input_transform": name_of(type(lifter.transform), module_names(INPUT_TRANSFORMS)),
        **reader(net),
    }


def _hybrid(net: Generator) -> Leaves:
    assert isinstance(net, Hybrid)
    blocks = _blocks([*net.encoder, net.bottleneck])
    return {
        "architecture": agreed(_hybrid_name(block) for block in blocks),
        "max_hidden_channels": _width_limit(net.widths, net.max_hidden_channels),
        **_fourier_leaves(blocks),
        "fno_blocks": len(net.encoder),
        "cnn_blocks": None,
        "max_levels": _level_limit(net, len(net.encoder)),
        "stable_block": agreed(name_of(type(block), STABLE_BLOCKS) for block in blocks),
        "decoder_norm": _decoder_norm(net) or "none",
    }


def _hybrid_resnet(net: Generator) -> Leaves:
    assert isinstance(net, HybridResnet)
    return {
        "architecture": "hybrid_resnet",
        "max_hidden_channels": _width_limit(net.widths, net.max_hidden_channels),
        **_fourier_leaves(_blocks(net.encoder)),
        "fno_blocks": len(net.encoder),
        "cnn_blocks": None,
        "max_levels": None,
        "stable_block": None,
        "decoder_norm": None,
    }


def _fno(net: Generator) -> Leaves:
    assert isinstance(net, Fno)
    return {
        "architecture": "fno",
        "max_hidden_channels": None,
        **_fourier_leaves(_blocks(net.blocks)),
        "fno_blocks": len(net.blocks),
        "cnn_blocks": len(net.refinements),
        "max_levels": None,
        "stable_block": None,
        "decoder_norm": None,
    }


def _cnn(net: Generator) -> Leaves:
    """A decoder norm other than none shows, although this architecture has no such knob."""
    assert isinstance(net, Cnn)
    blocks, norm = len(net.encoder) + 1, _decoder_norm(net)
    return {
        "architecture": "cnn",
        "max_hidden_channels": _width_limit(net.widths, net.max_hidden_channels),
        "modes": None,
        "corners": None,
        "fno_blocks": None,
        "cnn_blocks": blocks,
        "max_levels": _level_limit(net, blocks),
        "stable_block": None,
        "decoder_norm": None if norm == "none" else norm,
    }


READERS: dict[type[Generator], Callable[[Generator], Leaves]] = {
    Hybrid: _hybrid,
    HybridResnet: _hybrid_resnet,
    Fno: _fno,
    Cnn: _cnn,
}
"""Class of a network → the knobs that not all networks show in the same way."""


def _blocks(modules: Iterable[nn.Module]) -> list[PtychoBlock]:
    return [module for module in modules if isinstance(module, PtychoBlock)]


def _hybrid_name(block: nn.Module) -> str | None:
    if type(block) is PtychoBlock:
        return "hybrid"
    return "stable_hybrid" if name_of(type(block), STABLE_BLOCKS) else None


def _fourier_leaves(blocks: list[PtychoBlock]) -> Leaves:
    """The top block shows all modes that a map of the patch's side has."""
    spectral = [block.spectral for block in blocks]
    return {
        "modes": spectral[0].weight.shape[1 if spectral[0].rows_down else 0],
        "corners": agreed(2 if layer.rows_down else 1 for layer in spectral),
    }


def _width_limit(widths: tuple[int, ...], limit: int | None) -> int | None:
    """The width that a level has instead of twice its neighbour's."""
    for wide, deep in pairwise(widths):
        if deep != 2 * wide:
            return deep
    return limit if limit is None or limit >= max(widths) else None


def _level_limit(net: UShaped, blocks: int) -> int | None:
    """The number of halvings, if there are fewer than the blocks ask for."""
    halvings = len(net.downsamplers)
    if halvings < blocks - 1:
        return halvings
    limit = net.max_levels
    return limit if limit is None or limit >= halvings else None


def _decoder_norm(net: UShaped) -> Any:  # noqa: ANN401  a name, or a list where levels differ
    """``None`` without halvings, where there is no decoder, and so no norm."""
    levels = [level for level in net.decoder if isinstance(level, DecoderLevel)]
    names = module_names(DECODER_NORMS)
    return agreed(name_of(type(level.norm), names) for level in levels)
