"""Patches of one sample as views of one object: put together where they overlap, and cut out again.

A sample of C = g² patches shows g×g neighbouring positions of a scan. The object's pixels that
several of them show are one and the same, so what a network says of them is averaged: only what
the patches of a sample agree on can reach a detector or an image.

Shapes: B samples, C patches in each, H = W = N pixels of a patch; M×K pixels of what a sample
shows.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import torch
from torch import Tensor

Offsets: TypeAlias = tuple[tuple[int, int], ...]
"""Row and column of the corner of every patch of a sample, px, none of them negative."""

ALONE: Final[Offsets] = ((0, 0),)
"""The offsets of a sample of one patch."""


def consistent(patches_BCHW: Tensor, offsets: Offsets) -> Tensor:
    """The patches that come nearest to the given ones and agree wherever they overlap.

    ``extract`` after ``assemble``: the orthogonal projection onto patches that are views of one
    object. A patch that is alone comes back as it is. Raises ``ValueError`` when the number of
    patches in a sample is not that of the offsets.
    """
    if patches_BCHW.shape[1] != len(offsets):
        raise ValueError(
            f"a sample has {patches_BCHW.shape[1]} patches, but {len(offsets)} offsets are known"
        )
    if len(offsets) == 1:
        return patches_BCHW
    return extract(assemble(patches_BCHW, offsets), offsets, patches_BCHW.shape[-1])


def assemble(patches_BCHW: Tensor, offsets: Offsets) -> Tensor:
    """Mean of the patches that show a pixel, (B, M, K); 0 where none does.

    With two patches a side the sums are of 1, 2 or 4 numbers: of equal ones they are exact.
    """
    side = patches_BCHW.shape[-1]
    rows, columns = (max(offset[axis] for offset in offsets) + side for axis in (0, 1))
    total_BMK = patches_BCHW.new_zeros(len(patches_BCHW), rows, columns)
    count_MK = torch.zeros(rows, columns, device=patches_BCHW.device)
    for channel, (row, column) in enumerate(offsets):
        total_BMK[:, row : row + side, column : column + side] += patches_BCHW[:, channel]
        count_MK[row : row + side, column : column + side] += 1
    return total_BMK / count_MK.clamp(min=1)


def extract(objects_BMK: Tensor, offsets: Offsets, side: int) -> Tensor:
    """The patches of ``side`` px at the offsets, (B, C, H, W)."""
    return torch.stack(
        [objects_BMK[:, row : row + side, column : column + side] for row, column in offsets], dim=1
    )
