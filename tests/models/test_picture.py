"""Pictures are small and repeat, and lose next to nothing in their palette."""

import numpy as np
import PIL.Image
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.picture import in_palette, save_png


def colours(image):
    return np.asarray(image.convert("RGB"))


def test_up_to_256_colours_are_kept_exactly():
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.uint8)
    assert np.array_equal(colours(in_palette(pixels)), pixels)


def test_of_more_colours_each_is_shown_by_one_that_is_next_to_it():
    greys = np.repeat(np.arange(256, dtype=np.uint8), 2)[:, None].repeat(3, axis=1)
    rare = np.array([[201, 200, 200], [10, 12, 10]], np.uint8)
    shown = colours(in_palette(np.concatenate([greys, rare])[None]))[0]
    assert np.abs(shown.astype(int) - np.concatenate([greys, rare])).max() <= 1
    assert len(np.unique(shown, axis=0)) == 256


def test_a_figure_is_written_small_and_twice_the_same(tmp_path):
    figure = Figure(figsize=(6, 4), dpi=100)
    FigureCanvasAgg(figure)
    figure.subplots().plot(np.sin(np.linspace(0, 20, 300)))
    for name in ("a.png", "b.png"):
        save_png(figure, tmp_path / name)
    figure.savefig(tmp_path / "plain.png")
    small, plain = ((tmp_path / name).stat().st_size for name in ("a.png", "plain.png"))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert 2 * small < plain
    with PIL.Image.open(tmp_path / "a.png") as one, PIL.Image.open(tmp_path / "plain.png") as other:
        assert one.mode == "P"
        difference = colours(one).astype(int) - colours(other)
    assert np.abs(difference).mean() < 0.05


def test_the_colour_of_a_thin_line_is_not_lost_among_many_frequent_ones():
    greys = np.repeat(np.arange(256, dtype=np.uint8), 40).reshape(-1, 40)
    pixels = np.stack([greys, greys, greys // 2 + 64], axis=-1)
    lines = {0: (227, 119, 194), 1: (188, 189, 34), 2: (148, 103, 189)}
    for row, colour in lines.items():
        pixels[row, :3] = colour
    shown = np.asarray(in_palette(pixels).convert("RGB")).astype(int)
    for row, colour in lines.items():
        assert np.abs(shown[row, 0] - colour).max() <= 8
