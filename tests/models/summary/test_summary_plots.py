"""The plots over arms: what is drawn, what is capped, and that both are said."""

from collections import Counter
from functools import partial

import matplotlib as mpl
import numpy as np
import pytest

from models.picture import arrange
from models.sheet import PAGE, PALETTE, style
from models.summary import figure as figure_module
from models.summary.comparisons import Group
from models.summary.curves import (
    MOST_POINTS,
    plot_gradients,
    plot_learning_rates,
    plot_losses,
    thinned,
)
from models.summary.design import by_name
from models.summary.figure import MOST_IN_LEGEND, MOST_LINES, choose
from models.summary.job import write
from models.summary.profiles import merged, plot_activations, plot_correlations, share_of_nyquist
from models.summary.scores_plot import plot_scores
from tests.models.summary.conftest import run


@pytest.fixture
def drawn():
    """Draws on a page, or on another sheet, and gives the figure back as it would be saved."""

    def draw(plot, *arguments, sheet=PAGE):
        with style():
            figure = plot(*arguments, sheet)
            arrange(figure)
        return figure

    return draw


def scores(groups):
    """The plot of groups that are told apart by name."""
    return partial(plot_scores, groups, by_name(len(groups)))


def trained(group=0, epochs=4, **changed):
    losses = np.linspace(0.2, 0.05, epochs)
    series = {"train_loss": losses, "val_loss": losses, "learning_rate": np.full(epochs, 1e-3)}
    steps = np.arange(1000.0)
    norms = {"step": steps, "pre_clip": 1 + steps, "post_clip": np.minimum(1 + steps, 5)}
    return run(group=group, history=series, gradients=norms, **changed)


def title(figure):
    """What stands above a figure, in one line."""
    return figure.get_suptitle().replace("\n", " ")


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_arm_has_a_line_in_the_colour_of_its_group(drawn):
    runs = [trained(group) for group in (0, 0, 1)]
    figure = drawn(plot_losses, choose(runs, ["a", "b"]))
    colours = [line.get_color() for line in figure.axes[0].get_lines()]
    assert colours == [PALETTE[0], PALETTE[0], PALETTE[1]]
    assert legend(figure) == ["a", "b", "collapsed: flat: 0 of 3"]
    assert title(figure) == "3 arms in 2 groups"


def test_the_epoch_of_a_collapse_is_marked_on_its_line(drawn):
    runs = [trained(), trained(1, collapsed=True, collapse_epoch=2)]
    figure = drawn(plot_losses, choose(runs, ["a", "b"]))
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() == "x"]
    (mark,) = marks
    assert (mark.get_xdata(), mark.get_color()) == ([2], PALETTE[1])
    assert mark.get_ydata() == [runs[1].history["train_loss"][2]]


FATES = [
    {"collapsed": True, "collapse_kind": "flat", "collapse_epoch": 2},
    {"collapsed": True, "collapse_kind": "flat", "collapse_epoch": None},
    {"collapse_kind": "not_finite", "collapse_epoch": 0},
    {"collapse_kind": "unlike_object", "collapse_epoch": None},
    {"unfinished": True},
    {},
]


def marks(axes):
    """How many marks of each kind some axes have."""
    drawn = Counter(line.get_marker() for line in axes.get_lines())
    return {fate: drawn[marker] for fate, (marker, _) in figure_module.FATES.items()}


def test_whatever_became_of_an_arm_is_marked_in_every_panel_that_has_lines(drawn):
    report = {"layer": {"position": 0, "mean": 0.5, "share_not_positive": 0.25}}
    curve = np.linspace(1, 0, 30)
    runs = [trained(activations=report, frc=(curve, curve), **told) for told in FATES]
    runs[1].history["train_loss"][:] = np.nan  # nothing of it can be drawn
    runs[2].gradients["pre_clip"][:] = np.inf
    shown = choose(runs, ["a"])
    expected = {"collapsed": 2, "not_finite": 1, "unlike_object": 1, "unfinished": 1}
    plots = (plot_losses, plot_learning_rates, plot_gradients, plot_correlations, plot_activations)
    for plot in plots:
        figure = drawn(plot, shown)
        told = {axes: {text.get_text() for text in axes.texts} for axes in figure.axes}
        panels = [axes for axes, texts in told.items() if not texts]
        assert panels
        assert [marks(axes) for axes in panels] == [expected] * len(panels), plot
        assert legend(figure)[1:5] == [
            "collapsed: flat: 2 of 6", "not finite: 1 of 6", "unlike the object: 1 of 6",
            "unfinished: 1 of 6",
        ]  # fmt: skip
    panels = drawn(scores([Group(label="a", runs=tuple(runs))])).axes
    assert [marks(axes) for axes in panels if not axes.texts] == [expected] * 6


def test_a_mark_stands_where_the_epoch_began_in_the_trace_of_gradients(drawn):
    flat = trained(collapsed=True, collapse_epoch=2)
    flat.gradients["epoch"] = np.repeat([0.0, 1.0, 2.0, 3.0], 250)
    figure = drawn(plot_gradients, choose([flat], ["a"]))
    (mark,) = [line for line in figure.axes[0].get_lines() if line.get_marker() == "x"]
    assert 500 - 3 < mark.get_xdata()[0] <= 500


def test_a_run_without_a_score_stands_at_the_left_edge(drawn):
    runs = (run(), run(collapsed=True, phase_ssim=None))
    figure = drawn(scores([Group(label="a", runs=runs)]))
    axes = next(axes for axes in figure.axes if axes.get_title("left") == "phase_ssim")
    (mark,) = [line for line in axes.get_lines() if line.get_marker() == "x"]
    assert list(mark.get_xdata()) == [0]
    assert mark.get_transform().transform((0, 1))[0] == pytest.approx(axes.bbox.x0)


def test_of_many_arms_each_group_keeps_its_first_seeds(drawn):
    runs = [trained(group, seed=seed) for group in range(50) for seed in range(3)]
    shown = choose(runs, [f"g{group}" for group in range(50)])
    assert len(shown.runs) == MOST_LINES
    assert {run.group for run in shown.runs} == set(range(50))
    figure = drawn(plot_losses, shown)
    assert title(figure).startswith("120 arms in 50 groups; 30 further arms are not drawn; thick")
    assert legend(figure)[MOST_IN_LEGEND] == "and 26 more groups"


def test_axes_have_names_and_units(drawn):
    shown = choose([trained()], ["a"])
    labels = {
        plot: [(axes.get_xlabel(), axes.get_ylabel()) for axes in drawn(plot, shown).axes]
        for plot in (plot_losses, plot_learning_rates, plot_gradients, plot_correlations)
    }
    assert [name for _, name in labels[plot_losses]] == [
        "training loss", "validation loss", "decoder pre-act.\nnot above 0",
    ]  # fmt: skip
    assert labels[plot_losses][2][0] == "epoch (from 0)"
    assert labels[plot_learning_rates] == [("epoch (from 0)", "learning rate, as used")]
    assert labels[plot_gradients][1][0] == "optimisation step (from 0)"
    assert labels[plot_gradients][0][1] == "norm of the gradient\nbefore clipping"
    assert labels[plot_correlations][1][0] == "spatial frequency / Nyquist frequency"


def test_a_long_trace_is_thinned_to_medians_and_says_so(drawn):
    steps = np.arange(1000.0)
    values = steps.copy()
    values[:5] = np.nan
    values[500] = 1e9
    x, y = thinned(steps, values)
    assert len(x) == len(y) <= MOST_POINTS
    assert np.isnan(y[0])
    assert y[1] == 7.0
    assert np.nanmax(y) < 1000
    figure = drawn(plot_gradients, choose([trained()], ["a"]))
    assert title(figure).endswith("each point is the median of 5 entries")


@pytest.mark.parametrize("side", [8, 20, 126, 127, 326])
def test_the_nyquist_frequency_is_half_the_side_of_the_image(side):
    from models.evaluation.resolution import ring_correlation

    image = np.random.default_rng(0).normal(size=(side, side))
    frequencies = share_of_nyquist(len(ring_correlation(image, image)))
    assert frequencies[side // 2] == pytest.approx(1.0)


def test_the_threshold_is_drawn_and_a_curve_without_meaning_is_said(drawn):
    curve = np.linspace(1, 0, 30)
    figure = drawn(plot_correlations, choose([run(frc=(curve, np.array([])))], ["a"]))
    amplitude, phase = figure.axes
    half, half_bit, seventh = (line.get_ydata() for line in amplitude.get_lines()[1:])
    assert set(half) == {0.5}
    assert set(seventh) == {1 / 7}
    assert half_bit[0] > 0.9 > half_bit[-1] > 0.2
    assert legend(figure)[-3:] == ["threshold 0.5", "half-bit threshold", "threshold 1/7"]
    assert "means nothing for any arm" in [text.get_text() for text in phase.texts]


def test_layers_of_several_networks_keep_each_network_s_order():
    plain, deep = ["in", "e0", "mid", "out"], ["in", "e0", "e0.norm", "e1", "mid", "head", "out"]
    assert merged([plain, deep]) == deep
    assert merged([deep, plain]) == deep
    assert merged([]) == []


def test_layers_stand_from_input_to_output(drawn):
    row = {"mean": 0.5, "share_not_positive": 0.25}
    report = {"a_last": {"position": 1, **row}, "z_first": {"position": 0, **row}}
    broken = {"z_first": {"position": 0, "mean": None, "share_not_positive": None}}
    runs = [run(activations=report), run(activations=broken), run()]
    figure = drawn(plot_activations, choose(runs, ["a"]))
    ticks = [label.get_text() for label in figure.axes[1].get_xticklabels()]
    assert ticks == ["z_first", "a_last"]
    assert title(figure) == "2 of 3 arms have a report; last epoch"
    assert figure.axes[1].get_ylabel() == "share of outputs\nnot above 0"


def test_scores_show_every_run_and_the_median_of_each_group(drawn):
    runs = tuple(run(amp_ssim=value) for value in (0.7, 0.8, 0.95))
    groups = [Group(label="a", runs=runs), Group(label="b", runs=(run(collapsed=True),))]
    figure = drawn(scores(groups))
    axes = next(axes for axes in figure.axes if axes.get_title("left") == "amp_ssim")
    markers = [line.get_marker() for line in axes.get_lines()]
    assert markers == ["o", "o", "o", "|", "x", "|"]
    assert axes.get_lines()[3].get_xdata() == [0.8]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_a_group_of_which_no_run_came_to_an_end_has_an_empty_line(drawn):
    groups = [Group(label="a", runs=()), Group(label="b", runs=(run(amp_ssim=0.7),))]
    figure = drawn(scores(groups))
    axes = next(axes for axes in figure.axes if axes.get_title("left") == "amp_ssim")
    assert [line.get_ydata()[0] for line in axes.get_lines()] == [1, 1]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]


def test_groups_past_the_cap_are_counted_in_words(drawn):
    groups = [Group(label=str(place), runs=(run(),)) for place in range(PAGE.most_groups + 3)]
    figure = drawn(scores(groups))
    assert title(figure) == "A point is a run (a seed); 3 further groups are not drawn"


def test_the_reader_s_own_style_does_not_leak_into_a_plot(tmp_path):
    plot = partial(plot_losses, choose([trained()], ["a"]))
    write(plot, tmp_path, "one")
    with mpl.rc_context({"lines.linewidth": 9, "axes.grid": True, "svg.hashsalt": "mine"}):
        write(plot, tmp_path, "two")
    for name in (".png", "_180mm.svg", "_180mm.pdf", "_85mm.svg", "_85mm.pdf"):
        one, two = (next(tmp_path.rglob(f"{stem}{name}")).read_bytes() for stem in ("one", "two"))
        assert one == two, name
