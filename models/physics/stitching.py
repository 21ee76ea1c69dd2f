"""Geometry of a raster scan: from overlapping patches to one image, and the truth it covers.

Each patch contributes its central s×s tile, s being the scan step, so that the tiles of
neighbouring patches touch without overlap. Shapes: n patches, H = W = N pixels of a patch.
"""

from __future__ import annotations

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


def crop_ground_truth(object_HW: NDArray[Any], patch_size: int, stride: int) -> NDArray[Any]:
    """The part of an object that ``stitch`` covers.

    Drops the (side − N) mod s rows and columns at the bottom and right that no patch reaches, then
    the margin that the outermost tiles leave on every side.
    """
    start = margin(patch_size, stride)
    stops = [start + ((side - patch_size) // stride + 1) * stride for side in object_HW.shape]
    return object_HW[start : stops[0], start : stops[1]]
