"""Geometry of a raster scan: from overlapping patches to one image, and the truth it covers.

Each patch contributes its central s×s tile, s being the scan step, so that the tiles of
neighbouring patches touch without overlap. A sample may be a group of neighbouring patches.
Shapes: n patches or samples, C = gridsize² patches in a sample, H = W = N pixels of a patch.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def margin(patch_size: int, stride: int) -> int:
    """Pixels between a patch's upper left corner and that of its central tile."""
    if not 0 < stride <= patch_size:
        raise ValueError(f"a tile of {stride} px does not fit a patch of {patch_size} px")
    return (patch_size - stride) // 2


def stitch(patches_nHW: NDArray[Any], stride: int, rows: int, cols: int) -> NDArray[Any]:
    """Image (rows·s, cols·s) of the central tiles of ``rows·cols`` patches in row-major order.

    Raises ``ValueError`` when the patches are not square, not that many, or smaller than a tile.
    """
    count, side = patches_nHW.shape[0], patches_nHW.shape[-1]
    if patches_nHW.shape != (rows * cols, side, side):
        raise ValueError(
            f"{rows}×{cols} square patches were expected, not an array of shape "
            f"{patches_nHW.shape} ({count} patches)"
        )
    start = margin(side, stride)
    tiles = patches_nHW[:, start : start + stride, start : start + stride]
    grid = tiles.reshape(rows, cols, stride, stride)
    return np.ascontiguousarray(grid.swapaxes(1, 2).reshape(rows * stride, cols * stride))


def group_positions(rows: int, cols: int, gridsize: int) -> NDArray[np.intp]:
    """Positions of each group of ``gridsize``² neighbours of a raster, row-major, (n, C).

    Every group counts that fits, so neighbouring ones overlap: (rows − g + 1)·(cols − g + 1). The
    channel of the neighbour that lies a rows down and b columns to the right is g·a + b.
    """
    numbers = np.arange(rows * cols).reshape(rows, cols)
    groups = np.lib.stride_tricks.sliding_window_view(numbers, (gridsize, gridsize))
    return np.ascontiguousarray(groups.reshape(-1, gridsize**2))


def merge_groups(patches_nCHW: NDArray[Any], rows: int, cols: int) -> NDArray[Any]:
    """One patch for each position of a raster, (rows·cols, H, W): the mean of its predictions.

    A position is predicted by each group that it belongs to, at gridsize 2 by 1, 2 or 4 of them.
    Raises ``ValueError`` when these are not all groups of the raster.
    """
    count, channels, height, width = patches_nCHW.shape
    positions_nC = group_positions(rows, cols, math.isqrt(channels))
    if positions_nC.shape != (count, channels):
        raise ValueError(
            f"{len(positions_nC)} samples of a raster of {rows}×{cols} positions were expected, "
            f"not {count} of {channels} patches"
        )
    if channels == 1:
        return patches_nCHW[:, 0]
    total = np.zeros((rows * cols, height, width), patches_nCHW.dtype)
    for channel, positions in enumerate(positions_nC.T):
        total[positions] += patches_nCHW[:, channel]  # no position twice in one channel
    predictions = np.bincount(positions_nC.ravel()).astype(np.float32)
    return np.asarray(total / predictions[:, None, None], patches_nCHW.dtype)


def crop_ground_truth(object_HW: NDArray[Any], patch_size: int, stride: int) -> NDArray[Any]:
    """The part of an object that ``stitch`` covers.

    Drops the (side − N) mod s rows and columns at the bottom and right that no patch reaches, then
    the margin that the outermost tiles leave on every side.
    """
    start = margin(patch_size, stride)
    stops = [start + ((side - patch_size) // stride + 1) * stride for side in object_HW.shape]
    return object_HW[start : stops[0], start : stops[1]]
