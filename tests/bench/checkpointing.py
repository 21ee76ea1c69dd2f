"""Activation checkpointing: what it costs in time and saves in memory, side by side."""

from __future__ import annotations

from functools import partial

import torch
from torch.profiler import ProfilerActivity, profile

from models.config import Model
from models.nets.generator import Generator
from models.nets.registry import build
from models.seeding import numpy_generator
from tests.bench.pairs import compare

SIDE, BATCH = 64, 16


def step(net: Generator) -> None:
    """Forward and backward pass of one batch; gradients are dropped first, as in training."""
    net.zero_grad()
    (net(torch.rand(BATCH, 1, SIDE, SIDE)) - 1).abs().mean().backward()


def peak_bytes(net: Generator) -> int:
    """Most memory that torch's allocator holds during a step, beside the weights."""
    net.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        step(net)
    assert seen.profiler is not None
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


def measure() -> None:
    """Print seconds per step and peak memory of each architecture, with and without."""
    torch.set_num_threads(2)
    for architecture in ("hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn"):
        nets = [
            build(
                Model(architecture=architecture, activation_checkpointing=on),
                side=SIDE,
                generator=numpy_generator(1, "weights"),
            )
            for on in (True, False)
        ]
        with_it, without = (peak_bytes(net) / 2**20 for net in nets)
        compare(
            f"A step of {architecture}, N = {SIDE}, h = 32, batch {BATCH}: activations and "
            f"gradients peak at {with_it:.0f} MiB with checkpointing, {without:.0f} MiB without",
            ("with checkpointing", partial(step, nets[0])),
            ("without", partial(step, nets[1])),
            rounds=3,
            unit="s/step",
        )
