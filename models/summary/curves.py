"""Plots over the course of training: losses, learning rates, gradient norms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from models.summary.figure import Shown, add_legend, figure, mark_fates, say_nothing
from models.summary.runs import Run, Series

DEATH = {"decoder_share_not_positive": "share of decoder\npre-activations ≤ 0"}
MOST_POINTS = 400
"""Points of a line: more are taken together, as a picture has no room for them."""


def plot_losses(shown: Shown, path_png: Path) -> None:
    """Losses and the share of dead decoder pre-activations, by epoch; marks say what became."""
    names = {"train_loss": "training loss", "val_loss": "validation loss"} | DEATH
    with figure(path_png, height_inch=9) as drawn:
        rows = drawn.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
        for axes, (key, name) in zip(rows, names.items(), strict=True):
            values = draw_epochs(axes, shown, key)
            axes.set(ylabel=name)
            if key in DEATH:
                axes.set(ylim=(-0.03, 1.03))
            else:
                logarithmic(axes, values)
            if any(np.isfinite(one).any() for one in values):
                mark_epochs(axes, shown, values)
            else:
                say_nothing(axes, "no arm measured it")
        rows[0].set_title(shown.title, fontsize=10, loc="left")
        rows[-1].set(xlabel="epoch (from 0)")
        rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(drawn, shown)


def plot_learning_rates(shown: Shown, path_png: Path) -> None:
    """The learning rate that was in force in each epoch, read from the optimizers."""
    with figure(path_png, height_inch=4.5) as drawn:
        axes = drawn.subplots()
        for place, run in enumerate(shown.runs):
            rates = run.history.get("learning_rate", np.array([]))
            width = 1 + 5 * (1 - place / len(shown.runs))  # equal lines show below one another
            axes.plot(rates, ".-", color=shown.colour(run.group), linewidth=width, ms=2 * width)
        axes.set(xlabel="epoch (from 0)", ylabel="learning rate, as used")
        every = [run.history.get("learning_rate", np.array([])) for run in shown.runs]
        logarithmic(axes, every)
        mark_epochs(axes, shown, every)
        title = f"{shown.title}; of equal lines the first is the widest"
        axes.set_title(title, fontsize=10, loc="left")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(drawn, shown)


def plot_gradients(shown: Shown, path_png: Path) -> None:
    """The norm of the gradient before and after clipping, over steps."""
    with figure(path_png, height_inch=7) as drawn:
        rows = drawn.subplots(2, 1, sharex=True, sharey=True)
        for axes, key, when in zip(
            rows, ("pre_clip", "post_clip"), ("before", "after"), strict=True
        ):
            values = [run.gradients[key] for run in shown.runs]
            lines = [
                thinned(run.gradients["step"], norms)
                for run, norms in zip(shown.runs, values, strict=True)
            ]
            for run, (steps, medians) in zip(shown.runs, lines, strict=True):
                line(axes, shown, run, steps, medians)
            axes.set(ylabel=f"norm of the gradient\n{when} clipping")
            logarithmic(axes, values)
            if any(norms.size for norms in values):
                places = [
                    place_of_fate(run, steps)
                    for run, (steps, _) in zip(shown.runs, lines, strict=True)
                ]
                mark_fates(axes, shown, lines, places)
            else:
                say_nothing(axes, "no arm kept a trace")
        longest = max((run.gradients["step"].size for run in shown.runs), default=0)
        bunch = (
            f"; each point is the median of {-(-longest // MOST_POINTS)} entries"
            if longest > MOST_POINTS
            else ""
        )
        rows[0].set_title(shown.title + bunch, fontsize=10, loc="left")
        rows[1].set(xlabel="optimisation step (from 0)")
        rows[1].xaxis.set_major_locator(MaxNLocator(integer=True))
        add_legend(drawn, shown)


def draw_epochs(axes: Axes, shown: Shown, key: str) -> list[Series]:
    """Draw one series of every arm's history; the values."""
    every = [run.history.get(key, np.array([])) for run in shown.runs]
    for run, values in zip(shown.runs, every, strict=True):
        epochs = np.arange(values.size, dtype=float)
        line(axes, shown, run, epochs, values)
        if values.size == 1:
            axes.plot(epochs, values, ".", color=shown.colour(run.group))
    return every


def mark_epochs(axes: Axes, shown: Shown, every: list[Series]) -> None:
    """Mark what became of each arm at the epoch from which on it was so, or at its last."""
    lines = [(np.arange(values.size, dtype=float), values) for values in every]
    mark_fates(axes, shown, lines, [run.fate_epoch for run in shown.runs])


def place_of_fate(run: Run, steps: Series) -> int | None:
    """Entry of a thinned trace at which the epoch began from which on an arm was what it became."""
    since = np.flatnonzero(run.gradients.get("epoch", np.array([])) == run.fate_epoch)
    if run.fate_epoch is None or not since.size:
        return None
    return int(np.searchsorted(steps, run.gradients["step"][since[0]], side="right")) - 1


def line(axes: Axes, shown: Shown, run: Run, x: Series, y: Series) -> None:
    """A thin line in the colour of the arm's group."""
    axes.plot(x, y, shown.style(run.group), color=shown.colour(run.group), linewidth=0.9, alpha=0.8)


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
