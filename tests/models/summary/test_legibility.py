"""What a reader sees of the plots: letters, colours for every vision, nothing on another."""

import re
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from skimage.color import deltaE_ciede2000, rgb2lab

from models.picture import arrange, save_lines
from models.sheet import BLACK, COLUMN, PAGE, PALETTE, style
from models.summary.comparisons import Group
from models.summary.curves import plot_gradients, plot_learning_rates, plot_losses
from models.summary.figure import choose
from models.summary.profiles import plot_activations, plot_correlations
from models.summary.scores_plot import plot_scores
from tests.models.summary.conftest import run

PX_PER_PT = 96 / 72
NAMES = ("hybrid_resnet", "stable_hybrid", "costs_$5_or_$6", "cnn")
KNOBS = [
    {"model.architecture": name, "train.learning_rate": rate, "model.norm": norm}
    for name in NAMES
    for rate in (1e-4, 1e-3)
    for norm in ("none", "layer")
]
CONSTANTS = {"constant_amp_ssim": 0.28, "constant_amp_mae": 0.51}


def trained(group, seed, epochs):
    """An arm with everything that is drawn; one in four has collapsed."""
    rng = np.random.default_rng([group, seed])
    losses = np.exp(-np.arange(epochs) * 0.1) * (0.2 + 0.05 * rng.random(epochs))
    rates = np.full(epochs, KNOBS[group]["train.learning_rate"])
    steps = np.arange(60.0)
    norms = np.exp(rng.normal(size=60))
    layers = [f"decoder.{n}.activation" for n in range(30)]
    flat = {"collapsed": True, "collapse_kind": "flat", "collapse_epoch": epochs // 2}
    return run(
        group=group,
        seed=seed,
        history={
            "train_loss": losses,
            "val_loss": losses,
            "learning_rate": rates,
            "decoder_share_not_positive": rng.random(epochs),
        },
        gradients={"step": steps, "pre_clip": norms, "post_clip": np.minimum(norms, 1)},
        frc=(np.linspace(1, -0.1, 90), np.linspace(1, 0, 90)),
        activations={
            name: {"position": n, "mean": rng.random(), "share_not_positive": rng.random()}
            for n, name in enumerate(layers)
        },
        amp_ssim=0.8 + 0.1 * rng.random(),
        **CONSTANTS,
        **(flat if (group + seed) % 4 == 0 else {}),
    )


def plots(epochs=20, num_seeds=3):
    """What draws each plot of a matrix of 4 x 2 x 2 settings."""
    labels = ["-".join(str(value) for value in knobs.values()) for knobs in KNOBS]
    runs = [
        trained(group, seed, epochs) for group in range(len(KNOBS)) for seed in range(num_seeds)
    ]
    shown = choose(runs, labels, KNOBS)
    groups = [
        Group(label=label, runs=tuple(one for one in runs if one.group == place))
        for place, label in enumerate(labels)
    ]
    by_arms = (
        plot_losses,
        plot_learning_rates,
        plot_gradients,
        plot_correlations,
        plot_activations,
    )
    return {
        **{plot.__name__: partial(plot, shown) for plot in by_arms},
        "plot_scores": partial(plot_scores, groups, shown.design),
    }


@pytest.fixture(scope="module")
def figures():
    """Every plot on either sheet, laid out."""
    with style():
        drawn = {
            (name, sheet.width_mm): plot(sheet)
            for name, plot in plots().items()
            for sheet in (PAGE, COLUMN)
        }
        for figure in drawn.values():
            arrange(figure)
    return drawn


# --- letters -------------------------------------------------------------------------------------


@pytest.mark.parametrize("width_mm", [PAGE.width_mm, COLUMN.width_mm])
@pytest.mark.parametrize("name", [*plots(1, 1)])
def test_letters_have_11_px_or_more_at_the_width_of_the_sheet(figures, tmp_path, name, width_mm):
    with style():
        save_lines(figures[name, width_mm], tmp_path / "plot.svg")
    text = (tmp_path / "plot.svg").read_text()
    width_pt = float(re.search(r'<svg [^>]*?width="([\d.]+)pt"', text)[1])
    assert width_pt * 25.4 / 72 == pytest.approx(width_mm, rel=1e-3)
    sizes_px = [float(size) for size in re.findall(r'font(?:-size)?: [^"]*?([\d.]+)px', text)]
    assert len(sizes_px) > 15
    # In these files 1 px of the drawing is 1 pt of the paper, as the view box says.
    assert float(re.search(r'viewBox="0 0 ([\d.]+) ', text)[1]) == pytest.approx(width_pt)
    assert min(sizes_px) * PX_PER_PT >= 11


def test_the_picture_in_the_page_has_the_letters_of_its_sheet(figures):
    figure = figures["plot_losses", PAGE.width_mm]
    shown_px = PAGE.width_mm / 25.4 * 96
    sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text()]
    width_px = figure.bbox.width
    assert min(sizes) * figure.dpi / 72 * shown_px / width_px >= 11


def test_a_name_with_dollar_signs_is_no_formula(figures):
    (legend,) = figures["plot_losses", PAGE.width_mm].legends
    texts = {text.get_text(): text for text in legend.get_texts()}
    told = texts["architecture: costs_$5_or_$6"]
    assert not told.get_parse_math()


# --- nothing on another --------------------------------------------------------------------------


def boxes(figure):
    """The bounding boxes of all texts that are drawn, shrunk by a pixel."""
    with style():
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)  # writing has no place before that, or one of another resolution
        return [
            (text.get_text(), text.get_window_extent(renderer))
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip() and drawn_in(figure, text)
        ]


def drawn_in(figure, text):
    """Whether a label belongs to a tick that is shown."""
    for axes in figure.axes:
        for axis, side in ((axes.xaxis, "labelbottom"), (axes.yaxis, "labelleft")):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            for tick in ticks:
                if text in (tick.label1, tick.label2):
                    shown = axis.get_tick_params()[side] and tick.label1 is text
                    return shown and low <= tick.get_loc() <= high
    return True


def assert_all_can_be_read(figure):
    """Nothing that is written lies on other writing, or beyond the sheet."""
    found = boxes(figure)
    assert len(found) > 10
    slack = 1.5
    for text, box in found:
        assert box.x0 > -slack, text
        assert box.x1 < figure.bbox.width + slack, text
        assert box.y0 > -slack, text
        assert box.y1 < figure.bbox.height + slack, text
    for (one, a), (other, b) in combinations(found, 2):
        over = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        assert min(over) <= slack, (one, other)


@pytest.mark.parametrize("width_mm", [PAGE.width_mm, COLUMN.width_mm])
@pytest.mark.parametrize("name", [*plots(1, 1)])
def test_no_writing_lies_on_another_or_beyond_the_sheet(figures, name, width_mm):
    assert_all_can_be_read(figures[name, width_mm])


@pytest.mark.parametrize("sheet", [PAGE, COLUMN])
@pytest.mark.parametrize(
    ("scores", "fewest"),
    [
        ({"val_loss_best": (0.01313, 0.01391), "phase_ssim": (0.9805, 0.9855)}, 2),
        ({"val_loss_best": (1.3e-5, 2.9e-5), "phase_ssim": (-0.013, 0.0142)}, 1),
    ],
)
def test_scores_of_many_digits_have_as_many_ticks_as_there_is_room_for(sheet, scores, fewest):
    runs = [
        run(group=n, name=name, **{score: values[n] for score, values in scores.items()})
        for n, name in enumerate(("hybrid", "stable_hybrid"))
    ]
    knobs = [{"model.architecture": one.name} for one in runs]
    design = choose(runs, [one.name for one in runs], knobs).design
    with style():
        figure = plot_scores([Group(label=one.name, runs=(one,)) for one in runs], design, sheet)
        arrange(figure)
    assert_all_can_be_read(figure)
    assert all(len(axes.get_xticks()) >= fewest for axes in figure.axes)


@pytest.mark.parametrize("width_mm", [PAGE.width_mm, COLUMN.width_mm])
def test_the_legend_covers_no_axes(figures, width_mm):
    for name in ("plot_losses", "plot_scores"):
        figure = figures[name, width_mm]
        renderer = FigureCanvasAgg(figure).get_renderer()
        figure.draw(renderer)
        (legend,) = figure.legends
        top = legend.get_window_extent(renderer).y1
        assert all(axes.get_window_extent(renderer).y0 >= top for axes in figure.axes)


@pytest.mark.parametrize("width_mm", [PAGE.width_mm, COLUMN.width_mm])
@pytest.mark.parametrize("name", ["plot_losses", "plot_gradients", "plot_activations"])
def test_every_arm_that_collapsed_has_its_cross_in_one_panel_of_each_quantity(
    figures, name, width_mm
):
    figure = figures[name, width_mm]
    num_flat = sum((group + seed) % 4 == 0 for group in range(len(KNOBS)) for seed in range(3))
    drawn = [line for axes in figure.axes for line in axes.get_lines()]
    quantities = 3 if name == "plot_losses" else 2
    assert sum(line.get_marker() == "x" for line in drawn) == quantities * num_flat
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"collapsed: flat: {num_flat} of {3 * len(KNOBS)}" in legend


def test_one_epoch_is_one_tick_and_no_fraction(figures):
    with style():
        figure = plots(epochs=1)["plot_losses"](PAGE)
        arrange(figure)
    axes = figure.axes[-1]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [0]


# --- colours -------------------------------------------------------------------------------------

VISION = {
    "normal": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
"""Linear RGB as seen (Machado, Oliveira and Fernandes 2009, severity 1)."""


def seen(colour, vision):
    """A colour in CIELAB as somebody sees it."""
    rgb = np.array([int(colour[n : n + 2], 16) for n in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    mixed = np.clip(np.asarray(VISION[vision]) @ linear, 0, 1)
    back = np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)
    return rgb2lab(back[None, None])[0, 0]


@pytest.mark.parametrize("vision", VISION)
def test_any_two_colours_are_told_apart_and_from_paper(vision):
    colours = [*PALETTE, "#FFFFFF"]
    for one, other in combinations(colours, 2):
        apart = deltaE_ciede2000(seen(one, vision), seen(other, vision))
        assert apart >= 10, (one, other, apart)


def test_what_is_drawn_has_those_colours(figures):
    axes = figures["plot_losses", PAGE.width_mm].axes[0]
    assert {line.get_color() for line in axes.get_lines()} == set(PALETTE[: len(NAMES)])


PAGE_CURVES = Path(__file__).parents[3] / "runner" / "report"
"""Where the page's script and style are, which have colours of their own."""


@pytest.mark.parametrize("vision", VISION)
def test_the_curves_of_a_page_have_these_colours_and_are_seen_in_the_dark(vision):
    listed = re.search(r"COLOURS = \[(.*?)\]", (PAGE_CURVES / "curves.js").read_text())[1]
    ours = [one.strip(' "') for one in listed.split(",")]
    assert ours == [colour if colour != BLACK else "null" for colour in PALETTE]
    grounds = re.findall(r"--ground: (#\w{6})", (PAGE_CURVES / "report.css").read_text())
    assert len(grounds) == 1  # white is the other, and in print
    for colour in PALETTE:
        if colour != BLACK:  # which takes the colour of the writing
            assert deltaE_ciede2000(seen(colour, vision), seen(grounds[0], vision)) >= 10, colour
