"""Plots over the course of training: losses, learning rates, gradient norms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from models.sheet import Sheet
from models.summary.figure import (
    Lines,
    Panels,
    Shown,
    add_legend,
    along,
    draw_lines,
    legend_entries,
    panels,
    shown_in,
)
from models.summary.runs import Run, Series

LOSSES = {"train_loss": "training loss", "val_loss": "validation loss"}
DEATH, DEATH_WORDS = "decoder_share_not_positive", "decoder pre-act.\nnot above 0"
MOST_POINTS = 200
"""Points of a line: more are taken together, as a picture has no room for them."""


def plot_losses(shown: Shown, sheet: Sheet) -> Figure:
    """Losses and the share of dead decoder pre-activations, by epoch; marks say what became."""
    drawn = panels(shown, sheet, shown.title + shown.strokes, (36, 36, 26))
    for row, (key, name) in zip(drawn.rows, {**LOSSES, DEATH: DEATH_WORDS}.items(), strict=True):
        lines = by_epoch(shown, key)
        row[0].set_ylabel(name)
        if key == DEATH:
            row[0].set(ylim=(-0.03, 1.03))
        else:
            logarithmic(row[0], [values for _, values in lines])
        draw_epochs(shown, row, lines)
    epochs(drawn, [x.size for x, _ in by_epoch(shown, "train_loss")])
    add_legend(drawn.figure, sheet, legend_entries(shown, sheet))
    return drawn.figure


def plot_learning_rates(shown: Shown, sheet: Sheet) -> Figure:
    """The learning rate that was in force in each epoch, read from the optimizers."""
    title = f"{shown.title}; of equal lines the first is the widest"
    drawn = panels(shown, sheet, title, (52,))
    lines = by_epoch(shown, "learning_rate")
    logarithmic(drawn.rows[0][0], [values for _, values in lines])
    places = [run.fate_epoch for run in shown.runs]
    for axes, members in shown_in(shown, drawn.rows[0], lines, places, "no arm has a rate"):
        for group in dict.fromkeys(shown.runs[place].group for place in members):
            mine = [place for place in members if shown.runs[place].group == group]
            width = 1 + 4 * (1 - group / len(shown.labels))  # equal lines show below one another
            draw_lines(axes, shown, lines, mine, linewidth=width)
    drawn.rows[0][0].set_ylabel("learning rate, as used")
    epochs(drawn, [x.size for x, _ in lines])
    add_legend(drawn.figure, sheet, legend_entries(shown, sheet))
    return drawn.figure


def plot_gradients(shown: Shown, sheet: Sheet) -> Figure:
    """The norm of the gradient before and after clipping, over steps."""
    longest = max((run.gradients["step"].size for run in shown.runs), default=0)
    bunch = (
        f"; each point is the median of {-(-longest // MOST_POINTS)} entries"
        if longest > MOST_POINTS
        else ""
    )
    title = shown.title + shown.strokes + bunch
    drawn = panels(shown, sheet, title, (44, 44), one_scale=True)
    every = {
        key: [thinned(run.gradients["step"], run.gradients[key]) for run in shown.runs]
        for key in ("pre_clip", "post_clip")
    }
    logarithmic(drawn.rows[0][0], [norms for lines in every.values() for _, norms in lines])
    for row, lines, when in zip(drawn.rows, every.values(), ("before", "after"), strict=True):
        ends = [place_of_fate(run, x) for run, (x, _) in zip(shown.runs, lines, strict=True)]
        row[0].set_ylabel(f"norm of the gradient\n{when} clipping")
        for axes, places in shown_in(shown, row, lines, ends, "no arm kept a trace"):
            draw_lines(axes, shown, lines, places, linewidth=0.9)
    along(drawn, "optimisation step (from 0)")
    drawn.rows[-1][0].xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    add_legend(drawn.figure, sheet, legend_entries(shown, sheet))
    return drawn.figure


def by_epoch(shown: Shown, key: str) -> Lines:
    """One series of every arm's history with its epochs."""
    every = [run.history.get(key, np.array([])) for run in shown.runs]
    return [(np.arange(values.size, dtype=float), values) for values in every]


def draw_epochs(shown: Shown, row: Sequence[Axes], lines: Lines) -> None:
    """Draw lines by epoch into the panels, and mark what became of each arm.

    At the epoch from which on it was so, or at its last.
    """
    ends = [run.fate_epoch for run in shown.runs]
    for axes, places in shown_in(shown, row, lines, ends, "no arm measured it"):
        draw_lines(axes, shown, lines, places)


def epochs(drawn: Panels, sizes: Sequence[int]) -> None:
    """Name the axis of epochs; of a single epoch it shows that one, and not a fraction of it."""
    last = max(sizes, default=1) - 1
    margin = 0.5 if last < 1 else 0.03 * last
    first = drawn.rows[0][0]
    first.set_xlim(-margin, max(last, 0) + margin)
    first.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    along(drawn, "epoch (from 0)")


def place_of_fate(run: Run, steps: Series) -> int | None:
    """Entry of a thinned trace at which the epoch began from which on an arm was what it became."""
    since = np.flatnonzero(run.gradients.get("epoch", np.array([])) == run.fate_epoch)
    if run.fate_epoch is None or not since.size:
        return None
    return int(np.searchsorted(steps, run.gradients["step"][since[0]], side="right")) - 1


def logarithmic(axes: Axes, values: list[Series]) -> None:
    """A logarithmic axis with plain numbers, where all that is drawn is positive."""
    every = np.concatenate(values) if values else np.array([])
    every = every[np.isfinite(every)]
    if not every.size or (every <= 0).all():
        return
    axes.set_yscale("log", nonpositive="mask")
    if every.min() > 0 and every.max() / every.min() < 100:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def thinned(steps: Series, values: Series) -> tuple[Series, Series]:
    """At most ``MOST_POINTS`` points: medians of neighbours, at the first step of each bunch.

    A bunch in which nothing is finite stays a gap.
    """
    size = max(1, -(-steps.size // MOST_POINTS))
    starts = range(0, steps.size, size)
    bunches = [values[start : start + size] for start in starts]
    medians = [
        float(np.median(kept)) if (kept := bunch[np.isfinite(bunch)]).size else np.nan
        for bunch in bunches
    ]
    return steps[::size], np.array(medians)
