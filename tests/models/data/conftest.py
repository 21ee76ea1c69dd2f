"""A small dataset of two objects a split, whose scan leaves a remainder at the border."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from models.config import Dataset
from models.data.grid_lines import simulate
from models.data.npz import Split, load_split

SEED = 20260128

SMALL = {
    "object_size": 75,
    "patch_size": 16,
    "train_stride": 7,
    "test_stride": 6,
    "num_train_objects": 2,
    "num_test_objects": 2,
    "train_object_seed": 7,
    "probe_defocus": 0.3,
    "photons": 1e6,
}


@dataclass(frozen=True)
class Simulated:
    folder: Path
    dataset: Dataset
    train: Split
    test: Split


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Simulated:
    folder = tmp_path_factory.mktemp("small")
    dataset = Dataset(**SMALL)
    simulate(dataset, SEED, folder)
    return Simulated(
        folder, dataset, load_split(folder / "train.npz"), load_split(folder / "test.npz")
    )
