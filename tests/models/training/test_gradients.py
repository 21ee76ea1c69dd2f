from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.diagnostics.gradients import as_arrays, plot_gradients, save_gradients
from models.training.batches import as_tensor
from models.training.gradients import LOG10_EDGES, describe, measure_gradients
from models.training.inference import spread
from models.training.weights import digest, state_of


@pytest.fixture(scope="module")
def fitted(workshop):
    parameters = workshop.parameters(diagnostics={"grad_hist_epochs": [0, 2]})
    return workshop.fit(parameters)


def trained_on(fitted):
    return fitted.fit.batches.training_patches.diffraction_nCHW


def test_an_element_falls_into_the_bin_of_its_size():
    found = describe(torch.tensor([1e-3, -1e-3, 2.0, 0.0, 1e-30, 1e9]))
    filled = {
        (round(float(LOG10_EDGES[i]), 2), int(found.counts[i])) for i in found.counts.nonzero()[0]
    }
    assert filled == {(-3.0, 2), (0.25, 1)}
    assert (found.zero, found.below, found.above, found.not_finite) == (1, 1, 1, 0)
    assert (found.size, found.largest) == (6, pytest.approx(1e9))


def test_of_a_complex_gradient_the_modulus_counts():
    found = describe(torch.tensor([3 + 4j, 0j]))
    assert (found.norm, found.largest, found.zero, found.size) == (5.0, 5.0, 1, 2)


def test_what_is_not_finite_is_counted_apart():
    found = describe(torch.tensor([math.nan, math.inf, 1.0]))
    assert (found.not_finite, int(found.counts.sum()), found.size) == (2, 1, 3)
    assert math.isnan(found.norm)


def test_the_gradient_is_that_of_the_mean_loss_over_the_patches(fitted):
    """Once more with ``backward`` over all patches of each batch, in plain torch."""
    module, net = fitted.fit.module, fitted.fit.net
    found = measure_gradients(module, trained_on(fitted), 10, epoch=2)
    patches = spread(trained_on(fitted), 64)
    assert found.num_patches == len(patches) == 47
    loss = sum(
        module.training_step(batch, 0) * len(batch) / len(patches) for batch in patches.split(10)
    )
    net.zero_grad()
    loss.backward()
    for name, weight in net.named_parameters():
        assert found.tensors[name].norm == pytest.approx(float(weight.grad.norm()), rel=1e-4)
        assert found.tensors[name].size == weight.numel()
    net.zero_grad()
    assert found.loss == pytest.approx(loss.item(), rel=1e-5)
    assert list(found.tensors) == [name for name, _ in net.named_parameters()]


def test_measuring_leaves_the_fit_as_it_was(fitted):
    net = fitted.fit.net
    net.eval()
    before = digest(state_of(net))
    for weight in net.parameters():
        weight.grad = torch.ones_like(weight)
    measure_gradients(fitted.fit.module, trained_on(fitted), 10, epoch=None)
    assert digest(state_of(net)) == before
    assert all(bool((weight.grad == 1).all()) for weight in net.parameters())
    assert not net.training


def test_named_epochs_have_the_gradients_of_their_weights(fitted):
    first, last = fitted.fit.gradients_at_epochs.taken
    assert (first.epoch, last.epoch) == (0, 2)
    assert first.weights_sha256 != last.weights_sha256 == digest(state_of(fitted.fit.net))
    again = measure_gradients(fitted.fit.module, trained_on(fitted), 10, epoch=2)
    for name, tensor in again.tensors.items():
        assert np.array_equal(tensor.counts, last.tensors[name].counts)
        assert tensor.norm == last.tensors[name].norm


def test_a_dead_last_activation_passes_no_gradient_to_anything_before_it(workshop):
    fit = workshop.prepared(workshop.parameters())
    with torch.no_grad():
        fit.net.decoder[-1].convolution_1.bias.fill_(-1e4)
    patches = as_tensor(workshop.data(workshop.parameters()).train)
    found = measure_gradients(fit.module, patches, 10, epoch=None).tensors
    alive = {name for name, tensor in found.items() if tensor.zero < tensor.size}
    assert alive == {"decoder.1.convolution_2.bias", "head.linear.weight", "head.linear.bias"}
    assert all(found[name].norm == 0.0 for name in found.keys() - alive)
    assert any(name.startswith("encoder.") for name in found.keys() - alive)


def test_the_file_holds_every_element_of_every_tensor(fitted, tmp_path):
    gradients = fitted.fit.gradients_at_epochs.taken[0]
    save_gradients(gradients, tmp_path / "grad_hist.npz")
    with np.load(tmp_path / "grad_hist.npz", allow_pickle=False) as stored:
        arrays = dict(stored)
    names = [name for name, _ in fitted.fit.net.named_parameters()]
    assert arrays["names"].tolist() == names
    apart = sum(arrays[key] for key in ("zero", "below", "above", "not_finite"))
    sizes = [weight.numel() for weight in fitted.fit.net.parameters()]
    assert (arrays["counts"].sum(axis=1) + apart).tolist() == sizes
    assert arrays["counts"].shape[1] == len(arrays["log10_edges"]) - 1
    assert (int(arrays["epoch"]), int(arrays["num_patches"])) == (0, 47)
    assert str(arrays["weights_sha256"]) == gradients.weights_sha256


def test_the_initial_weights_have_epoch_minus_one_in_the_file(fitted):
    gradients = measure_gradients(fitted.fit.module, trained_on(fitted), 10, epoch=None)
    assert int(as_arrays(gradients)["epoch"]) == -1


def test_the_same_gradients_give_the_same_picture(fitted, tmp_path):
    gradients = fitted.fit.gradients_at_epochs.taken[1]
    for name in ("one", "two"):
        plot_gradients(gradients, "tiny", tmp_path / f"{name}.png")
    one, two = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "two"))
    assert one == two
    assert one.startswith(b"\x89PNG")
