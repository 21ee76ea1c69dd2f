"""The knobs of every architecture are read back from the network that was built with them."""

from __future__ import annotations

import pytest

from models.config import Model
from models.diagnostics.effective_model import READERS, model_leaves
from models.nets.blocks import LayerScale
from models.nets.generator import Generator
from models.nets.norm import InstanceNorm
from models.nets.registry import build
from models.seeding import numpy_generator
from models.training.fit import InitialState

TABLES = [
    {"architecture": "hybrid"},
    {"architecture": "hybrid", "corners": 2, "modes": 5, "fno_blocks": 2},
    {"architecture": "hybrid", "fno_blocks": 6, "max_levels": 2, "max_hidden_channels": 5},
    {"architecture": "hybrid", "decoder_norm": "instance", "output_mode": "amp_phase"},
    {"architecture": "hybrid", "fno_blocks": 1, "hidden_channels": 3},
    {"architecture": "stable_hybrid", "layerscale_init": 0.02, "input_transform": "log1p"},
    {"architecture": "stable_hybrid", "stable_block": "zero_gamma", "decoder_norm": "instance"},
    {"architecture": "hybrid_resnet"},
    {"architecture": "hybrid_resnet", "fno_blocks": 2, "layerscale_init": 0.3, "modes": 4},
    {"architecture": "hybrid_resnet", "max_hidden_channels": 6, "corners": 2, "modes": 3},
    {"architecture": "fno"},
    {"architecture": "fno", "fno_blocks": 2, "cnn_blocks": 5, "corners": 2, "modes": 3},
    {"architecture": "fno", "hidden_channels": 6, "output_mode": "amp_phase_logits"},
    {"architecture": "cnn", "cnn_blocks": 3},
    {"architecture": "cnn", "cnn_blocks": 4, "max_levels": 2, "max_hidden_channels": 5},
    {"architecture": "cnn", "cnn_blocks": 1, "input_transform": "instance_norm"},
]


def initial_state(net):
    scales = {n: m.weight.detach() for n, m in net.named_modules() if isinstance(m, LayerScale)}
    return InitialState(sha256="", layerscales=scales)


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: " ".join(map(str, table.values())))
def test_the_reading_is_the_plan(table, channels):
    model = Model.model_validate(
        {"hidden_channels": 4, "modes": 6, **table}
        if table["architecture"] != "cnn"
        else {"hidden_channels": 4, **table}
    )
    net = build(model, side=16, channels=channels, generator=numpy_generator(1, "weights"))
    leaves = model_leaves(net, initial_state(net))
    planned = model.model_dump(mode="json", exclude={"activation_checkpointing"})
    assert leaves == pytest.approx(planned)


def test_the_tables_cover_every_reader():
    assert len(READERS) == len({t["architecture"] for t in TABLES} - {"stable_hybrid"})


def test_a_norm_in_the_decoder_of_the_plain_unet_would_show():
    model = Model.model_validate({"architecture": "cnn", "cnn_blocks": 3, "hidden_channels": 4})
    net = build(model, side=16, generator=numpy_generator(1, "weights"))
    net.decoder[0].norm = InstanceNorm(8)
    shown = model_leaves(net, initial_state(net))
    assert shown["decoder_norm"] == ["instance", "none"]


def test_a_network_that_nobody_can_read_is_refused():
    with pytest.raises(TypeError, match="no reading is defined for a Generator"):
        model_leaves(Generator(), InitialState(sha256="", layerscales={}))
