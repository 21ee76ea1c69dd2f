"""The memory of a training step by formula against what torch's allocator hands out."""

from __future__ import annotations

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from models.config import Parameters, step_numbers
from models.nets.registry import ARCHITECTURES, build
from models.physics.diffraction import predict_amplitude
from models.seeding import numpy_generator

SIDE, BATCH = 32, 8


def peak_bytes(net):
    """Most memory that a step takes, beside the weights and the batch."""
    measured = torch.rand(BATCH, 1, SIDE, SIDE)
    probe = torch.ones(SIDE, SIDE, dtype=torch.complex64)

    def step():
        (predict_amplitude(net(measured), probe, 1.0) - measured).abs().mean().backward()

    step()
    net.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        step()
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for size in kept([e.nbytes() for e in sorted(events, key=lambda event: event.start_ns())]):
        live += size
        peak = max(peak, live)
    return peak


def kept(sizes):
    """Without the scratch of a kernel, which is given back at once.

    Which kernel of oneDNN a convolution takes the processor decides: with AVX2 alone it is one
    whose scratch is larger than all activations of so small a network.
    """
    left = list(sizes)
    for place, size in enumerate(left):
        if size > 0 and -size in left[place + 1 : place + 3]:
            left[left.index(-size, place)] = left[place] = 0
    return left


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_formula_agrees_with_the_allocator(architecture, again):
    parameters = Parameters.model_validate(
        {
            "dataset": {"patch_size": SIDE},
            "model": {
                "architecture": architecture,
                "hidden_channels": 16,
                "activation_checkpointing": again,
            },
            "train": {"batch_size": BATCH},
        }
    )
    net = build(parameters.model, side=SIDE, generator=numpy_generator(1, "weights"))
    assert 4 * step_numbers(parameters) == pytest.approx(peak_bytes(net), rel=0.2)
