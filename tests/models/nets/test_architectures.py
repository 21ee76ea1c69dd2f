"""What every architecture promises."""

from __future__ import annotations

import pytest
import torch

from models.config import Model
from models.nets.registry import ARCHITECTURES, outline

every_architecture = pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))


@every_architecture
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("output_mode", ["real_imag", "amp_phase"])
def test_amplitudes_become_complex_patches_of_the_same_shape(
    make_net, architecture, channels, output_mode
):
    net = make_net(architecture=architecture, channels=channels, output_mode=output_mode)
    patches = net(torch.rand(2, channels, 16, 16))
    assert patches.shape == (2, channels, 16, 16)
    assert patches.dtype == torch.complex64


@every_architecture
def test_the_gradient_reaches_every_parameter(make_net, architecture):
    net = make_net(architecture=architecture, output_mode="amp_phase", channels=4)
    (net(torch.rand(2, 4, 16, 16)) - 1).abs().mean().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


@every_architecture
def test_a_patch_does_not_depend_on_its_batch_mates(make_net, architecture):
    net = make_net(architecture=architecture).eval()
    x = torch.rand(5, 1, 16, 16)
    with torch.no_grad():
        # Winograd's convolutions, which oneDNN takes on some processors, are good to 1e-4.
        assert torch.allclose(net(x)[3], net(x[3:4])[0], atol=1e-3)


@every_architecture
def test_the_layers_of_a_report_cover_every_weight(make_net, architecture):
    net = make_net(architecture=architecture)
    inside = {id(p) for layer in net.layers().values() for p in layer.parameters()}
    assert inside == {id(p) for p in net.parameters()}


@every_architecture
def test_the_layers_of_a_report_lie_in_the_order_of_the_datas_way(make_net, architecture):
    """``scale`` is left out: it is shared by all residual blocks."""
    net = make_net(architecture=architecture)
    first_seen: dict[str, None] = {}
    layers = {name: layer for name, layer in net.layers().items() if name != "scale"}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _m, _i, name=name: first_seen.setdefault(name))
    net(torch.rand(1, 1, 16, 16))
    assert list(first_seen) == list(layers)


@every_architecture
def test_the_decoders_activations_are_those_of_a_report_from_the_bottom_up(make_net, architecture):
    net = make_net(architecture=architecture)
    activations = net.decoder_activations()
    assert len(activations) >= 2
    assert activations.items() <= net.layers().items()
    assert {type(activation) for activation in activations.values()} == {torch.nn.GELU}
    names = list(net.layers())
    assert sorted(activations, key=names.index) == list(activations)
    assert names.index(next(iter(activations))) > max(
        index for index, name in enumerate(names) if name.startswith(("encoder", "blocks"))
    )


@every_architecture
def test_widths_begin_with_the_lifters(make_net, architecture):
    assert make_net(architecture=architecture).widths[0] == 4


def test_an_unknown_architecture_lists_the_known_ones():
    model = Model.model_construct(**{**dict(Model()), "architecture": "transformer"})
    known = "cnn, fno, hybrid, hybrid_resnet, stable_hybrid"
    with pytest.raises(ValueError, match=f"'transformer'; known are: {known}"):
        outline(model, side=16)
