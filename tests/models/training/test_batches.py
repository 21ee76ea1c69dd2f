from __future__ import annotations

import numpy as np
import torch

from models.config import Train
from models.seeding import numpy_generator
from models.training.batches import FreshOrder, HeldOut, inference_batches, make_division
from models.training.inference import infer, spread


def numbered(count):
    return torch.arange(count, dtype=torch.float32)[:, None, None, None]


def test_each_epoch_has_a_fresh_order_of_its_own_stream():
    order = FreshOrder(50, numpy_generator(1, "order"))
    first, second = list(order), list(order)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
    assert first == numpy_generator(1, "order").permutation(50).tolist()


def test_inference_keeps_the_order_and_the_last_partial_batch():
    batches = [batch[:, 0, 0, 0].tolist() for batch in inference_batches(numbered(7), 3)]
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_the_last_patches_of_the_training_scan_are_held_out():
    division = make_division(Train(validation_fraction=0.25), 40)
    assert division == HeldOut(fraction=0.25, count=10)
    train, validation = division.apply(numbered(40), numbered(3))
    assert train.flatten().tolist() == list(range(30))
    assert validation.flatten().tolist() == list(range(30, 40))


def test_validation_on_the_test_split_leaves_all_training_patches():
    division = make_division(Train(validation="test"), 40)
    train, validation = division.apply(numbered(40), -numbered(3))
    assert len(train) == 40
    assert validation.flatten().tolist() == [0, -1, -2]


def test_inference_gives_every_patch_in_order_and_leaves_the_mode():
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))
            self.modes = set()

        def forward(self, x):
            self.modes.add((self.training, torch.is_grad_enabled()))
            return torch.complex(x, -x)

    net = Net().train()
    patches = infer(net, numbered(7), 3)
    assert patches.dtype == np.complex64
    assert patches[:, 0, 0, 0].real.tolist() == list(range(7))
    assert net.training
    assert net.modes == {(False, False)}


def test_a_spread_reaches_from_the_first_to_the_last_without_repeating():
    assert spread(numbered(100), 5).flatten().tolist() == [0, 25, 50, 74, 99]
    assert spread(numbered(3), 16).flatten().tolist() == [0, 1, 2]
    assert spread(numbered(1), 16).flatten().tolist() == [0]
