from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from models.diagnostics.history_table import history_table
from models.nets.generator import Generator
from models.training.batches import as_tensor
from models.training.collapse_monitor import (
    CollapseMonitor,
    CollapseSample,
    Signs,
    counting_signs,
    flat_since,
)
from models.training.inference import spread


@pytest.mark.parametrize(
    ("values", "since"),
    [
        ([0.2, 0.1], None),
        ([1e-4, 0.1], None),
        ([0.2, 1e-4, 1e-4], 1),
        ([1e-4, 1e-4], 0),
        ([0.2, math.nan], 1),
        ([], None),
    ],
)
def test_flatness_counts_from_where_it_lasts_to_the_end(values, since):
    assert flat_since(values) == since


def test_the_monitor_sees_the_middle_of_the_patches_and_tells_flat_from_structured():
    class Net(Generator):
        def __init__(self, rim, middle):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))
            self.rim, self.middle = rim, middle

        def forward(self, x):
            out = torch.full_like(x, self.rim)
            out[..., 4:12, 4:12] = self.middle * x[..., 4:12, 4:12] + (1 - self.middle)
            return torch.complex(out, torch.zeros_like(out))

        def decoder_activations(self):
            return {}

    patches = torch.rand(40, 1, 16, 16)
    assert CollapseMonitor(Net(5.0, 0.0), patches, 8).sample().recon_amp_rel_std == 0.0
    assert CollapseMonitor(Net(1.0, 0.5), patches, 8).sample().recon_amp_rel_std > 0.1
    assert math.isnan(CollapseMonitor(Net(1.0, math.nan), patches, 8).sample().recon_amp_rel_std)


def test_signs_are_counted_over_all_batches():
    signs = Signs()
    signs.add(torch.tensor([[-1.0, 0.0], [1.0, 2.0]]))
    signs.add(torch.tensor([3.0]))
    assert signs.share == 2 / 5


def test_a_value_that_is_not_finite_leaves_no_share():
    signs = Signs()
    signs.add(torch.tensor([-1.0, math.nan]))
    assert math.isnan(signs.share)
    assert math.isnan(Signs().share)


def test_the_decoders_share_counts_every_value_once():
    """A layer of 100 values weighs more than one of 2."""
    sample = CollapseSample(
        recon_amp_rel_std=1.0,
        decoder={"deep": Signs(not_positive=2, total=2), "last": Signs(not_positive=0, total=100)},
    )
    assert sample.decoder_share_not_positive == 2 / 102


def test_what_is_counted_goes_into_the_activation_and_the_hooks_are_gone_afterwards():
    activation = nn.GELU()
    with counting_signs({"only": activation}) as signs:
        activation(torch.tensor([-3.0, 4.0, 5.0, 6.0]))
    assert signs["only"].share == 0.25
    assert len(activation._forward_pre_hooks) == 0


def test_the_last_epochs_share_is_that_of_the_final_weights(workshop):
    """The pre-activations again, by a forward pass of one's own."""
    fitted = workshop.fit(workshop.parameters(train={"validation": "test"}))
    net, found = fitted.fit.net.eval(), {}
    for name, module in net.decoder_activations().items():
        module.register_forward_pre_hook(
            lambda _module, inputs, name=name: found.setdefault(name, inputs[0])
        )
    with torch.no_grad():
        net(spread(as_tensor(fitted.data.test), 16))
    table = history_table(fitted.fit.history)
    expected = {name: float((values <= 0).double().mean()) for name, values in found.items()}
    assert list(expected) == ["decoder.0.activation", "decoder.1.activation"]
    by_layer = table["decoder_share_not_positive_by_layer"]
    assert {name: series[-1] for name, series in by_layer.items()} == pytest.approx(expected)
    everything = torch.cat([values.ravel() for values in found.values()])
    assert table["decoder_share_not_positive"][-1] == pytest.approx(
        float((everything <= 0).double().mean())
    )
    assert {len(series) for series in by_layer.values()} == {3}


def test_a_network_without_a_decoder_has_no_share(workshop):
    fitted = workshop.fit(workshop.parameters(model={"fno_blocks": 1}, train={"epochs": 1}))
    table = history_table(fitted.fit.history)
    assert table["decoder_share_not_positive"] is None
    assert table["decoder_share_not_positive_by_layer"] is None
