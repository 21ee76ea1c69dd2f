from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from models.diagnostics.activations import Outputs, activation_report, recording
from models.nets.generator import Generator


def outputs(*batches):
    layer = Outputs()
    for batch in batches:
        layer.add(batch)
    return layer.statistics()


def test_statistics_are_those_of_the_magnitudes_over_all_batches():
    values = torch.randn(12, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    row = outputs(values[:5], values[5:])
    size = np.abs(values.numpy()).astype(np.float64)
    assert row["mean"] == pytest.approx(size.mean())
    assert row["std"] == pytest.approx(size.std())
    expected = np.percentile(size, [50, 95, 99])
    assert [row["p50"], row["p95"], row["p99"]] == pytest.approx(expected.tolist(), rel=1e-6)
    assert row["share_not_positive"] == pytest.approx((values.numpy() <= 0).mean())


def test_a_dead_layer_has_no_positive_output():
    row = outputs(torch.zeros(2, 1, 8, 8))
    assert row["share_not_positive"] == 1.0
    assert row["low_freq_ratio"] is None


def test_white_noise_has_as_much_power_at_low_frequencies_as_elsewhere():
    noise = torch.randn(64, 8, 32, 32, generator=torch.Generator().manual_seed(1))
    assert outputs(noise)["low_freq_ratio"] == pytest.approx(1.0, abs=0.05)


def test_a_constant_map_has_all_its_power_in_the_lowest_mode():
    """Of the 16×9 modes of a 16×16 map the lowest 2×2 count: the ratio is 144/4."""
    assert outputs(torch.ones(1, 1, 16, 16))["low_freq_ratio"] == pytest.approx(36.0)


def test_the_low_frequency_ratio_is_the_quotient_of_mean_powers():
    values = torch.randn(3, 2, 16, 16, generator=torch.Generator().manual_seed(2))
    power = np.abs(np.fft.rfft2(values.numpy().astype(np.float64), norm="ortho")) ** 2
    expected = power[..., :2, :2].mean() / power.mean()
    assert outputs(values[:1], values[1:])["low_freq_ratio"] == pytest.approx(expected)


def test_a_layer_that_is_not_finite_has_null_statistics_and_says_so():
    row = outputs(torch.full((1, 1, 4, 4), math.inf))
    assert row.pop("finite") is False
    assert set(row.values()) == {None}
    json.dumps(row, allow_nan=False)


class Branches(Generator):
    """One block with a spectral branch of ×2 and a local one of ×8."""

    def __init__(self):
        super().__init__()
        self.spectral, self.local = nn.Conv2d(1, 1, 1, bias=False), nn.Conv2d(1, 1, 1, bias=False)
        nn.init.constant_(self.spectral.weight, 2.0)
        nn.init.constant_(self.local.weight, 8.0)

    def forward(self, x):
        return torch.complex(self.spectral(x) + self.local(x), x)

    def layers(self):
        return {"block": self.local, "block.spectral": self.spectral, "block.local": self.local}


def report(net, patches, **options):
    return activation_report(
        net, patches, architecture="twin", batch_size=3, checkpoint_sha256="00", **options
    )


def test_the_branches_of_a_block_are_compared():
    net = Branches()
    found = report(net, torch.rand(5, 1, 8, 8))
    assert found["layers"]["block"]["spectral_local_ratio"] == pytest.approx(0.25)
    assert "spectral_local_ratio" not in found["layers"]["block.local"]


def test_a_silent_local_branch_has_no_ratio():
    net = Branches()
    nn.init.zeros_(net.local.weight)
    assert report(net, torch.rand(5, 1, 8, 8))["layers"]["block"]["spectral_local_ratio"] is None


def test_the_summary_tells_what_was_looked_at():
    net = Branches()
    assert report(net, torch.rand(50, 1, 8, 8), num_samples=7)["summary"] == {
        "architecture": "twin",
        "num_samples": 7,
        "batch_size": 3,
        "checkpoint_sha256": "00",
    }


def test_hooks_are_gone_afterwards_even_after_a_failure():
    layer = nn.Conv2d(1, 1, 1)

    def fail():
        with recording({"layer": layer}):
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        fail()
    assert len(layer._forward_hooks) == 0


def test_a_real_network_is_reported_with_decoder_and_head(workshop):
    parameters = workshop.parameters(
        model={"architecture": "stable_hybrid"},
        train={"epochs": 1},
        diagnostics={"activations": True},
    )
    fitted = workshop.fit(parameters)
    layers = json.loads((fitted.out / "activation_report.json").read_text())["layers"]
    assert {
        "lifter",
        "encoder.0",
        "encoder.0.spectral",
        "encoder.0.local",
        "downsamplers.0",
        "bottleneck",
        "decoder.0.upsampler",
        "decoder.1.convolution_1",
        "decoder.1.activation",
        "head.linear",
    } <= set(layers)
    assert all(row["finite"] and row["mean"] > 0 for row in layers.values())
    blocks = {name for name, row in layers.items() if "spectral_local_ratio" in row}
    assert blocks == {"encoder.0", "encoder.1", "encoder.2", "bottleneck"}


def test_layers_say_where_they_stand_on_the_data_s_way():
    rows = report(Branches(), torch.rand(5, 1, 8, 8))["layers"]
    assert [rows[name]["position"] for name in ("block", "block.spectral", "block.local")] == [
        0,
        1,
        2,
    ]
