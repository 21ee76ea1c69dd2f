"""The forward model of a sample of four: one object, whatever stride the split was scanned at."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from models.data.scan import make_scan
from models.nets.registry import build
from models.physics.diffraction import normalise_probe
from models.physics.overlap import consistent
from models.seeding import numpy_generator
from models.training.batches import as_tensor, make_batches
from models.training.collapse_monitor import CollapseMonitor
from models.training.gradient_norms import GradientNorms
from models.training.inference import infer
from models.training.module import PatchFit

GROUPED = {"dataset": {"gridsize": 2}, "train": {"physics_gain": 1.0, "validation": "test"}}


class Oracle(nn.Module):
    """Answers with patches of its own, whatever it is shown."""

    def __init__(self, patches_BCHW):
        super().__init__()
        self.answer = nn.Parameter(torch.from_numpy(patches_BCHW))

    def forward(self, _measured_BCHW):
        return self.answer.clone()


@pytest.fixture(scope="module")
def planned(workshop):
    return workshop.parameters(**GROUPED)


@pytest.fixture(scope="module")
def data(workshop, planned):
    return workshop.data(planned)


def truth(planned, data, name):
    """The true patches of the first samples of a split, in the split's order."""
    scan, split = make_scan(planned.dataset, name), getattr(data, name)
    patches = scan.patches(0, 10**6).astype(np.complex64)[scan.groups]
    where = {tuple(corner.ravel()): number for number, corner in enumerate(scan.centres())}
    return patches[[where[tuple(corner.ravel())] for corner in split.coords_true[:8]]]


def module_of(planned, data, net):
    batches = make_batches(planned.train, data.train, data.test, numpy_generator(1, "order"))
    return PatchFit(
        net,
        normalise_probe(torch.from_numpy(data.train.probe_guess)),
        planned.train,
        GradientNorms(1),
        training_offsets=batches.training_offsets,
        validation_offsets=batches.validation_offsets,
    )


@pytest.mark.parametrize("name", ["train", "test"])
def test_the_truth_has_no_loss_but_the_noise_at_either_stride(planned, data, name):
    module = module_of(planned, data, Oracle(truth(planned, data, name)))
    measured = as_tensor(getattr(data, name))[:8]
    step = module.training_step if name == "train" else module.validation_step
    assert step(measured, 0).item() < 3e-4
    other = module.validation_step if name == "train" else module.training_step
    assert other(measured, 0).item() > 5e-3, "the strides of the splits are not told apart"


def test_held_out_samples_lie_like_those_that_are_trained_on(workshop):
    planned = workshop.parameters(dataset={"gridsize": 2})
    data = workshop.data(planned)
    batches = make_batches(planned.train, data.train, data.test, numpy_generator(1, "order"))
    assert batches.training_offsets == batches.validation_offsets == data.train.offsets
    assert data.train.offsets != data.test.offsets


def test_what_the_patches_of_a_sample_do_not_agree_on_reaches_no_detector(planned, data):
    exact = truth(planned, data, "train")
    noise = torch.randn(exact.shape, dtype=torch.complex64, generator=torch.manual_seed(1))
    unseen = noise - consistent(noise, data.train.offsets)
    assert unseen.abs().mean() > 0.1
    module = module_of(planned, data, Oracle(exact + unseen.numpy()))
    measured = as_tensor(data.train)[:8]
    loss = module.training_step(measured, 0)
    assert loss.item() < 1e-3
    (gradient,) = torch.autograd.grad(loss, [module.net.answer])
    torch.testing.assert_close(
        consistent(gradient, data.train.offsets), gradient, rtol=1e-4, atol=1e-9
    )


def test_a_module_without_offsets_refuses_samples_of_four(planned, data):
    probe = normalise_probe(torch.from_numpy(data.train.probe_guess))
    net = Oracle(truth(planned, data, "train"))
    module = PatchFit(net, probe, planned.train, GradientNorms(1))
    with pytest.raises(ValueError, match=r"^a sample has 4 patches, but 1 offsets are known$"):
        module.training_step(as_tensor(data.train)[:8], 0)


def test_the_monitor_looks_at_what_the_patches_agree_on(planned, data):
    """Patches that only contradict each other show a flat object."""
    noise = torch.randn(8, 4, 16, 16, dtype=torch.complex64, generator=torch.manual_seed(1))
    offsets = data.train.offsets
    net = Oracle((2 + noise - consistent(noise, offsets)).numpy())
    net.decoder_activations = dict
    measured = as_tensor(data.train)[:8]
    assert CollapseMonitor(net, measured, 8, offsets).sample().recon_amp_rel_std < 1e-6
    assert np.abs(infer(net, measured, 8)).std() > 0.1


@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "hybrid"},
        {"architecture": "stable_hybrid"},
        {"architecture": "hybrid_resnet", "fno_blocks": 3},
        {"architecture": "fno"},
    ],
    ids=lambda model: model["architecture"],
)
@pytest.mark.parametrize("mode", ["real_imag", "amp_phase", "amp_phase_logits"])
def test_every_architecture_takes_and_gives_four_channels(workshop, model, mode):
    planned = workshop.parameters(dataset={"gridsize": 2}, model=model | {"output_mode": mode})
    stream = numpy_generator(1, "weights")
    net = build(planned.model, side=16, channels=4, generator=stream)
    patches = net(torch.rand(2, 4, 16, 16))
    assert patches.shape == (2, 4, 16, 16)
    assert patches.dtype == torch.complex64
    assert not torch.allclose(patches[:, 0], patches[:, 1])
