"""A small simulated dataset, the study's truth without its patterns, and their exact patches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from models.config import Dataset
from models.data.grid_lines import simulate, with_ground_truth
from models.data.npz import Split, load_split
from models.data.scan import make_scan


@dataclass(frozen=True)
class Case:
    dataset: Dataset
    test: Split
    exact: np.ndarray
    """What a perfect network would return: the normalised test patches, (n, 1, N, N) complex64."""


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Case:
    """Two test objects of 131 px, patches of 32 px, a remainder at the border."""
    dataset = Dataset(
        object_size=131, patch_size=32, train_stride=25, test_stride=6, num_test_objects=2
    )
    folder = tmp_path_factory.mktemp("small")
    simulate(dataset, 3, folder)
    exact = make_scan(dataset, "test").patches(0, 10**6).astype(np.complex64)[:, None]
    return Case(dataset, load_split(folder / "test.npz"), exact)


@pytest.fixture(scope="session")
def study() -> Case:
    """The study's test object at N = 64; its diffraction patterns, which no metric sees, are 0."""
    dataset = Dataset()
    scan = make_scan(dataset, "test")
    exact = scan.patches(0, 10**6).astype(np.complex64)[:, None]
    nothing = np.zeros((1, 64, 64, 1), np.float32)
    bare = Split(
        diffraction=nothing,
        y_i=nothing,
        y_phi=nothing,
        coords_nominal=scan.centres(),
        coords_true=scan.centres(),
        yy_full=scan.objects.astype(np.complex64)[..., None],
        probe_guess=np.zeros((64, 64), np.complex64),
    )
    return Case(dataset, with_ground_truth(bare, scan, dataset), exact)
