"""Patches as batches: the split into training and validation, and the order of the training.

Shapes: n samples of C channels and H = W = N pixels; B samples in a batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, Sampler, SequentialSampler

from models.config import Train, num_held_out
from models.data.npz import Split
from models.physics.overlap import Offsets


class Patches(Dataset[Tensor]):
    """Measured amplitudes, handed out a whole batch at a time."""

    def __init__(self, diffraction_nCHW: Tensor) -> None:
        self.diffraction_nCHW = diffraction_nCHW

    def __len__(self) -> int:
        return len(self.diffraction_nCHW)

    def __getitem__(self, batch: Sequence[int]) -> Tensor:
        """Patches with the given indices, (B, C, H, W)."""
        return self.diffraction_nCHW[torch.as_tensor(batch)]


class FreshOrder(Sampler[int]):
    """A new permutation each time it is gone through, from a stream of its own."""

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        self.count, self.generator = count, generator

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(self.generator.permutation(self.count).tolist())

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is; to be asked between two permutations."""
        return dict(self.generator.bit_generator.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have the next permutation be the one that came next there."""
        self.generator.bit_generator.state = state


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The last patches of the training scan are kept for validation.

    The dataset's seed has shuffled that scan, so they lie anywhere on the objects.
    """

    fraction: float
    count: int

    def apply(self, train_nCHW: Tensor, _test_nCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Patches to train on and patches to validate on."""
        cut = len(train_nCHW) - self.count
        return train_nCHW[:cut], train_nCHW[cut:]


@dataclass(frozen=True, kw_only=True)
class ValidateOnTest:
    """Validation on the test patches, as the reference did."""

    def apply(self, train_nCHW: Tensor, test_nCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Patches to train on and patches to validate on."""
        return train_nCHW, test_nCHW


def make_division(train: Train, num_patches: int) -> HeldOut | ValidateOnTest:
    """How ``num_patches`` of the training scan are divided."""
    if train.validation_fraction is None:
        return ValidateOnTest()
    return HeldOut(fraction=train.validation_fraction, count=num_held_out(num_patches, train))


def as_tensor(split: Split) -> Tensor:
    """Measured amplitudes of a split as a network takes them, (n, C, N, N)."""
    return torch.from_numpy(np.ascontiguousarray(split.diffraction.transpose(0, 3, 1, 2)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Batches:
    """The batches of a fit."""

    division: HeldOut | ValidateOnTest
    training: DataLoader[Tensor]
    validation: DataLoader[Tensor]
    order: FreshOrder
    training_offsets: Offsets
    validation_offsets: Offsets

    @property
    def training_patches(self) -> Patches:
        """The patches that are trained on."""
        assert isinstance(self.training.dataset, Patches)
        return self.training.dataset

    @property
    def inference_batch_size(self) -> int:
        """What the loader of the validation hands out at most at a time."""
        assert isinstance(self.validation.sampler, BatchSampler)
        return self.validation.sampler.batch_size

    @property
    def validation_patches(self) -> Patches:
        """The patches that are validated on."""
        assert isinstance(self.validation.dataset, Patches)
        return self.validation.dataset


def make_batches(settings: Train, train: Split, test: Split, order: np.random.Generator) -> Batches:
    """Divide the patches and batch them."""
    division = make_division(settings, len(train.diffraction))
    train_nCHW, validation_nCHW = division.apply(as_tensor(train), as_tensor(test))
    validated = test if isinstance(division, ValidateOnTest) else train
    fresh = FreshOrder(len(train_nCHW), order)
    return Batches(
        division=division,
        training=_loader(train_nCHW, fresh, settings.batch_size),
        validation=inference_batches(validation_nCHW, settings.inference_batch_size),
        order=fresh,
        training_offsets=train.offsets,
        validation_offsets=validated.offsets,
    )


def inference_batches(patches_nCHW: Tensor, batch_size: int) -> DataLoader[Tensor]:
    """All patches as they stand; the last batch may be smaller."""
    return _loader(patches_nCHW, SequentialSampler(range(len(patches_nCHW))), batch_size)


def _loader(patches_nCHW: Tensor, order: Sampler[int], batch_size: int) -> DataLoader[Tensor]:
    """``batch_size=None`` leaves batching to the sampler, whose batches are indexed at once.

    A loader draws a seed for worker processes even if it has none; the generator of its own keeps
    it from drawing that from torch's global one.
    """
    return DataLoader(
        Patches(patches_nCHW),
        sampler=BatchSampler(order, batch_size, drop_last=False),
        batch_size=None,
        num_workers=0,
        generator=torch.Generator(),
    )
