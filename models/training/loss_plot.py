"""The picture of a fit: losses and learning rate by epoch."""

from __future__ import annotations

import math
from pathlib import Path

from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from models.picture import save_plot
from models.sheet import BLACK, BLUE, ORANGE, PICTURE_MM, VERMILLION, blank, style
from models.training.history import History


def plot_losses(
    history: History, collapse_epoch: int | None, path_png: Path, fate: str | None = None
) -> None:
    """Write a PNG: training and validation loss above, learning rate below, collapse marked.

    ``fate`` says what became of the arm where that is no reconstruction; it stands above.
    The bytes depend on the numbers and on the installed matplotlib only.
    """
    epochs = range(len(history.epochs))
    with style():
        figure = blank(PICTURE_MM, 100)
        losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        losses.plot(
            epochs, [e.train_loss for e in history.epochs], "o-", ms=3, c=BLUE, label="training"
        )
        losses.plot(
            epochs, [e.val_loss for e in history.epochs], "^--", ms=3, c=ORANGE, label="validation"
        )
        shown = [loss for e in history.epochs for loss in (e.train_loss, e.val_loss)]
        positive = all(loss > 0 for loss in shown if math.isfinite(loss))
        losses.set(ylabel="loss", yscale="log" if positive else "linear")
        if positive:
            losses.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            losses.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            losses.yaxis.set_minor_formatter(NullFormatter())
        rates.plot(epochs, [e.learning_rates[0] for e in history.epochs], ".-", color="0.35")
        rates.set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
        rates.xaxis.set_major_locator(MaxNLocator(integer=True))
        if history.best_epoch is not None:
            best = history.epochs[history.best_epoch].val_loss
            losses.plot(history.best_epoch, best, "o", mfc="none", ms=10, c=ORANGE, label="best")
        if collapse_epoch is not None:
            for axes in (losses, rates):
                axes.axvline(collapse_epoch, color=BLACK, linestyle=":", label="collapse")
        if fate is not None:
            losses.set_title(fate, color=VERMILLION)
        losses.legend()
        save_plot(figure, path_png)
