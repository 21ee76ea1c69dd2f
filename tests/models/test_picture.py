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


def test_of_more_the_frequent_ones_stay_and_others_take_the_nearest():
    greys = np.repeat(np.arange(256, dtype=np.uint8), 2)[:, None].repeat(3, axis=1)
    rare = np.array([[201, 200, 200], [10, 12, 10]], np.uint8)
    shown = colours(in_palette(np.concatenate([greys, rare])[None]))[0]
    assert np.array_equal(shown[:-2], greys)
    assert shown[-2:].tolist() == [[200, 200, 200], [11, 11, 11]]


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
