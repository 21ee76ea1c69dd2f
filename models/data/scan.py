"""The raster scan: which windows of which objects become patches, and how large they are.

Shapes: n samples of C = gridsize² patches of N×N pixels each; objects are square.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from models.config import Dataset
from models.data.objects import make_objects
from models.physics.stitching import group_positions

Pixel = TypeVar("Pixel", bound=np.generic)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """The objects of one split and the windows that are measured of them."""

    objects: NDArray[np.complex128]
    """Complex objects before normalisation, (objects, size, size)."""
    norm: float
    """``norm_Y_I``: mean over the patches of the largest amplitude of each patch."""
    positions: NDArray[np.intp]
    """Object, top row and left column of every patch, (patches, 3)."""
    groups: NDArray[np.intp]
    """Numbers of the patches in every sample, (n, C); each patch is in one at least."""
    patch_size: int

    def patches(self, start: int, stop: int) -> NDArray[np.complex128]:
        """Normalised complex patches O / ``norm_Y_I`` number ``start`` to ``stop``, (n, N, N)."""
        which, rows, columns = self.positions[start:stop].T
        cut = windows(self.objects, self.patch_size)[which, rows, columns]
        return np.asarray(cut / self.norm, np.complex128)

    def centres(self) -> NDArray[np.float32]:
        """Row and column of the centre of every patch, px from the object's corner, (n, 1, 2, C).

        The corner pixel's centre is 0, so the centre of the first patch is (N − 1)/2 in both.
        """
        middle = self.positions[:, 1:] + (self.patch_size - 1) / 2
        grouped = middle.astype(np.float32)[self.groups].swapaxes(1, 2)
        return np.ascontiguousarray(grouped)[:, None]

    def in_order(self, order: NDArray[np.intp]) -> Scan:
        """The same scan with its samples permuted, and its patches as these first show them."""
        shown = self.groups[order]
        _, first = np.unique(shown, return_index=True)
        patches = shown.ravel()[np.sort(first)]
        number = np.empty_like(patches)
        number[patches] = np.arange(len(patches))
        return replace(self, positions=self.positions[patches], groups=number[shown])


def windows(images: NDArray[Pixel], side: int) -> NDArray[Pixel]:
    """View of all windows of ``side`` px of a stack: (stack, rows, columns, side, side)."""
    return np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))


def make_scan(dataset: Dataset, split: Literal["train", "test"]) -> Scan:
    """Draw the objects of a split and scan them row by row, object after object.

    Every N×N window inside the object counts, at the split's stride; the rest at the bottom and the
    right, narrower than a stride, is not seen. Samples are all groups of neighbours.
    """
    size, side = dataset.object_size, dataset.patch_size
    if split == "train":
        seed, count = dataset.train_object_seed, dataset.num_train_objects
        stride = dataset.train_stride
    else:
        seed, count = dataset.test_object_seed, dataset.num_test_objects
        stride = dataset.test_stride
    objects = make_objects(seed, count, size, set_phi=dataset.set_phi)
    steps, per_object = dataset.scan_steps(stride), dataset.patches_per_object(stride)
    groups = group_positions(steps, steps, dataset.gridsize)
    return Scan(
        objects=objects,
        norm=_mean_of_maxima(np.abs(objects), side, stride),
        positions=raster(count, size, side, stride),
        groups=np.concatenate([groups + per_object * number for number in range(count)]),
        patch_size=side,
    )


def raster(count: int, size: int, side: int, stride: int) -> NDArray[np.intp]:
    """Object, row and column of all windows in scan order, (n, 3)."""
    steps = np.arange(0, size - side + 1, stride)
    grid: tuple[NDArray[Any], ...] = np.meshgrid(np.arange(count), steps, steps, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 3)


def _mean_of_maxima(amplitudes: NDArray[np.float64], side: int, stride: int) -> float:
    patches = windows(amplitudes, side)[:, ::stride, ::stride]
    return float(patches.max(axis=(-2, -1)).mean())
