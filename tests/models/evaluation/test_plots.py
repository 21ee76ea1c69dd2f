"""The picture shows what it should, repeats byte for byte, and tells nothing of its maker."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL.Image
import pytest
from matplotlib.image import imread

from models.evaluation.plots import plot_reconstruction
from models.evaluation.reconstruct import Reconstruction, reconstruct


@pytest.fixture(scope="module")
def exact(small) -> Reconstruction:
    return reconstruct(small.exact, small.test, small.dataset)


def picture(reconstruction, path) -> bytes:
    plot_reconstruction(reconstruction, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def drawn(exact, tmp_path_factory) -> Path:
    """The picture of the exact reconstruction, drawn without a warning."""
    path = tmp_path_factory.mktemp("drawn") / "exact.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_reconstruction(exact, path)
    return path


def test_the_picture_repeats_whatever_the_style_of_the_session(exact, drawn, tmp_path):
    with mpl.rc_context({"font.size": 30, "image.cmap": "jet", "savefig.dpi": 30}):
        assert picture(exact, tmp_path / "b.png") == drawn.read_bytes()
        assert mpl.rcParams["font.size"] == 30


def test_the_picture_names_neither_software_nor_date(drawn):
    content = drawn.read_bytes()
    assert content.startswith(b"\x89PNG")
    with PIL.Image.open(drawn) as image:
        assert set(image.text) == {"Panels"}
    for chunk in (b"iTXt", b"zTXt", b"tIME", b"atplotlib"):
        assert chunk not in content


def test_reconstruction_and_truth_are_where_the_file_says(exact, drawn, tmp_path):
    """An exact reconstruction and its truth have the same pixels, at both places."""
    with PIL.Image.open(drawn) as image:
        panels, pixels = json.loads(image.text["Panels"]), image.convert("RGB")
    assert list(panels) == ["amplitude", "aligned phase"]
    for sides in panels.values():
        crops = []
        for left, top, width, height in sides.values():
            assert min(width, height) > 150
            inner = (left + 3, top + 3, left + width - 3, top + height - 3)
            crops.append(np.asarray(pixels.crop(inner)).astype(int))
        assert list(sides) == ["reconstructed", "ground truth"]
        assert crops[0].std() > 5
        assert np.mean(np.abs(crops[0] - crops[1]) > 40) < 0.05
    picture(replace(exact, amplitude=exact.amplitude.T), tmp_path / "turned.png")
    with PIL.Image.open(tmp_path / "turned.png") as image:
        assert json.loads(image.text["Panels"]) == panels


def test_another_reconstruction_gives_another_picture(exact, drawn, tmp_path):
    spoiled = replace(exact, amplitude=exact.amplitude + np.eye(98))
    assert picture(spoiled, tmp_path / "a.png") != drawn.read_bytes()


def test_the_picture_can_be_read_and_is_not_blank(drawn):
    pixels = imread(drawn)
    assert pixels.shape[:2] == (651, 1062)
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 150


def test_the_picture_has_the_colours_of_its_scales_and_no_more_than_a_palette(drawn):
    with PIL.Image.open(drawn) as image:
        assert image.mode == "P"
        shown = {colour for _, colour in image.convert("RGB").getcolors(257)}
    for name in ("gray", "viridis", "RdBu_r"):
        steps = mpl.colormaps[name].resampled(64)(np.arange(64), bytes=True)[:, :3]
        assert len({tuple(step) for step in steps} & shown) > 50, name


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_broken_prediction_is_drawn_beside_the_truth(exact, drawn, tmp_path, value):
    broken = replace(exact, amplitude=np.full((98, 98), value), phase=np.full((98, 98), value))
    assert picture(broken, tmp_path / "a.png") != drawn.read_bytes()


@pytest.mark.filterwarnings("error::RuntimeWarning", "error::UserWarning")
def test_a_truth_without_phase_is_drawn(exact, tmp_path):
    silent = replace(exact, phase=np.zeros((98, 98)), target_phase=np.zeros((98, 98)))
    picture(silent, tmp_path / "a.png")
