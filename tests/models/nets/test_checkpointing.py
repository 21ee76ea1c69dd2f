"""Activation checkpointing: the same bits in less memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.profiler import ProfilerActivity, profile

from models.nets.registry import ARCHITECTURES
from models.training.observers import Recomputations

every_architecture = pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
BATCH = 8


def step(net):
    """One forward and backward pass; every run gets the same patches."""
    x = torch.rand(BATCH, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    loss = (net(x) - 1).abs().mean()
    loss.backward()
    return loss.item()


def kept_bytes(net):
    """Bytes that autograd keeps of the forward pass, each memory once.

    A checkpointed block hides what it keeps in a closure: the inputs of the block.
    """
    storages: dict[int, int] = {}

    def note(tensor):
        if not isinstance(tensor, nn.Parameter):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    hooks = [
        block.register_forward_pre_hook(lambda _m, inputs: [note(t) for t in inputs[:1]] and None)
        for block in (net.checkpointed() if net.activation_checkpointing else ())
    ]
    x = torch.rand(BATCH, 1, 16, 16)
    with saved_tensors_hooks(note, lambda tensor: tensor):
        out = net(x)
    for hook in hooks:
        hook.remove()
    assert out.requires_grad
    return sum(storages.values())


def peak_bytes(net):
    """Most memory that torch's allocator holds at once during a step, above what it began with."""
    step(net)
    net.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as seen:
        step(net)
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


@every_architecture
def test_loss_and_gradients_are_the_same_to_the_bit(make_net, architecture):
    nets = [
        make_net(architecture=architecture, activation_checkpointing=on) for on in (False, True)
    ]
    losses = [step(net) for net in nets]
    assert losses[0] == losses[1]
    for (name, plain), (_, again) in zip(
        nets[0].named_parameters(), nets[1].named_parameters(), strict=True
    ):
        assert torch.equal(plain.grad, again.grad), name


@every_architecture
def test_less_is_kept_for_the_backward_pass(make_net, architecture):
    plain, again = (
        kept_bytes(make_net(architecture=architecture, activation_checkpointing=on))
        for on in (False, True)
    )
    assert again < 0.75 * plain


@every_architecture
def test_the_peak_of_a_step_is_lower(make_net, architecture):
    plain, again = (
        peak_bytes(make_net(architecture=architecture, activation_checkpointing=on))
        for on in (False, True)
    )
    assert again < 0.9 * plain


@every_architecture
@pytest.mark.parametrize("on", [False, True])
def test_recomputation_is_seen_at_every_block(make_net, architecture, on):
    net = make_net(architecture=architecture, activation_checkpointing=on)
    seen = Recomputations(net)
    for _ in range(3):
        step(net)
    with torch.no_grad():
        net(torch.rand(1, 1, 16, 16))
    assert seen.by_block == [on] * len(net.checkpointed())


def test_a_block_that_is_left_out_shows(make_net):
    net = make_net(activation_checkpointing=True)
    through = net.through
    net.through = lambda block, *inputs: (
        block(*inputs) if block is net.bottleneck else through(block, *inputs)
    )
    seen = Recomputations(net)
    step(net)
    assert seen.by_block == [True, True, True, True, False, True, True]


def test_without_gradients_nothing_is_computed_again(make_net):
    net, calls = make_net(activation_checkpointing=True), []
    net.bottleneck.register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        net(torch.rand(1, 1, 16, 16))
    assert calls == [1]
