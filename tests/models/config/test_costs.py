"""Operations by formula against sums that are written out."""

from __future__ import annotations

import pytest

from models.config import Parameters, step_operations

BARE = {
    "dataset": {"patch_size": 8, "test_stride": 4, "object_size": 64},
    "train": {"batch_size": 1, "inference_batch_size": 1},
}


def bare(**model):
    return Parameters.model_validate({**BARE, "model": {"hidden_channels": 1, **model}})


def test_the_operations_of_a_bare_hybrid_can_be_counted_by_hand():
    lifter_and_head = 64 * (2 * 9 + 10 + 2 * 9 + 2 * 2)
    blocks = 2 * 64 * (2 * 9 + 10)
    transforms = 2 * 2 * 2.5 * 64 * 6
    products = 8 * (2 * 2 + 1 * 1)
    total = 3 * (lifter_and_head + blocks + transforms + products)
    assert step_operations(bare(modes=2, fno_blocks=1)) == total


def test_the_operations_of_a_bare_unet_can_be_counted_by_hand():
    lifter_and_head = 64 * (2 * 9 + 10 + 2 * 9 + 2 * 2)
    blocks = 64 * 2 * (2 * 9 + 10) + 16 * 2 * (2 * 4 * 9 + 2 * 10)
    samplers = 2 * 16 * 2 * 4 * 2
    decoder = 64 * (2 * 2 * 9 + 10 + 2 * 9)
    total = 3 * (lifter_and_head + blocks + samplers + decoder)
    assert step_operations(bare(architecture="cnn", cnn_blocks=2)) == total


@pytest.mark.parametrize("architecture", ["hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn"])
def test_operations_grow_with_the_square_of_the_width_and_with_the_batch(architecture):
    def operations(width, batch=16):
        return step_operations(
            Parameters.model_validate(
                {
                    "model": {"architecture": architecture, "hidden_channels": width},
                    "train": {"batch_size": batch},
                }
            )
        )

    assert 3 < operations(64) / operations(32) < 4
    assert operations(32, 8) == operations(32, 16) / 2
