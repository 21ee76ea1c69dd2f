"""The files of gradient histograms: an NPZ with the counts, and a picture of them by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray

from models.data.npz import write_npz
from models.picture import save_plot
from models.sheet import BLUE, LINE_MM, PAGE, VERMILLION, blank, mark_powers, style
from models.training.gradients import LOG10_EDGES, Gradients, TensorGradient

FRAME_MM = 48
"""Of the height: title, scale of colours and axes around the rows."""
SMALLEST_SHARE = 1e-4
"""Shares of elements below this have the faintest colour."""


def save_gradients(gradients: Gradients, path_npz: Path) -> None:
    """Write what ``as_arrays`` tells; equal gradients give equal bytes."""
    write_npz(path_npz, as_arrays(gradients))


def as_arrays(gradients: Gradients) -> dict[str, NDArray[Any]]:
    """What an NPZ holds of them; P tensors and B bins.

    ``names`` (P,), ``log10_edges`` (B + 1,), ``counts`` (P, B), ``zero``, ``below``, ``above``,
    ``not_finite``, ``norm`` and ``largest`` (P,); ``loss``, ``num_patches``, ``weights_sha256`` and
    ``epoch``, which is −1 for the initial weights.
    """
    tensors = list(gradients.tensors.values())

    def column(name: str, dtype: type) -> NDArray[Any]:
        return np.array([getattr(tensor, name) for tensor in tensors], dtype)

    return {
        "names": np.array(list(gradients.tensors)),
        "log10_edges": LOG10_EDGES,
        "counts": np.stack([tensor.counts for tensor in tensors]),
        **{name: column(name, np.int64) for name in ("zero", "below", "above", "not_finite")},
        **{name: column(name, np.float64) for name in ("norm", "largest")},
        "loss": np.array(gradients.loss, np.float64),
        "num_patches": np.array(gradients.num_patches, np.int64),
        "weights_sha256": np.array(gradients.weights_sha256),
        "epoch": np.array(-1 if gradients.epoch is None else gradients.epoch, np.int64),
    }


def plot_gradients(gradients: Gradients, title: str, path_png: Path) -> None:
    """Write a PNG with a row for each tensor of weights, in the order of the data's way.

    Left the share of its elements by log10|g|, in the middle the share that is exactly zero, right
    its L2 norm. A tensor without any gradient has an empty row, a full bar and no point. The bytes
    depend on the numbers and on the installed matplotlib only.
    """
    tensors = gradients.tensors
    with style():
        figure = blank(PAGE.width_mm, FRAME_MM + LINE_MM * len(tensors))
        histogram, zero, norm = figure.subplots(1, 3, sharey=True, width_ratios=[5, 1.5, 2])
        figure.suptitle(PAGE.wrapped(f"{title}: gradient of the training loss, before clipping"))
        rows = np.arange(len(tensors))
        _plot_shares(histogram, list(tensors.values()))
        histogram.set_yticks(rows, [PAGE.short(name) for name in tensors])
        zero.barh(rows, [100 * t.zero / t.size for t in tensors.values()], color=VERMILLION)
        zero.set(xlim=(0, 100), xlabel="share with\ng = 0 (%)")
        _plot_norms(norm, [tensor.norm for tensor in tensors.values()])
        histogram.set_ylim(len(tensors) - 0.5, -0.5)
        save_plot(figure, path_png)


def _plot_shares(axes: Axes, tensors: list[TensorGradient]) -> None:
    """Shares of a tensor's elements, a bin of log10|g| each; the colour is logarithmic."""
    shares = np.array([tensor.counts / tensor.size for tensor in tensors])
    edges = np.arange(len(tensors) + 1) - 0.5
    shown = axes.pcolormesh(
        LOG10_EDGES,
        edges,
        np.ma.masked_equal(shares, 0),
        norm=LogNorm(SMALLEST_SHARE, 1, clip=True),
        cmap="viridis",
        rasterized=True,  # of the files of lines it would be most
    )
    axes.set(xlabel="log10 |g|\n(loss per unit of weight)", ylabel="tensor of weights")
    spelled = StrMethodFormatter("{x:g}")
    bar = axes.figure.colorbar(
        shown, ax=axes, location="top", shrink=0.6, aspect=40, format=spelled
    )
    bar.set_label("share of the tensor's elements")
    axes.grid(visible=True, axis="x", alpha=0.3)


def _plot_norms(axes: Axes, norms: list[float]) -> None:
    """L2 norms; those that are zero or not finite are written out, as a log axis has no place."""
    positive = [norm for norm in norms if np.isfinite(norm) and norm > 0]
    axes.set(xscale="log", xlabel="L2 norm of g")
    if positive:
        axes.set_xlim(min(positive) / 10, max(positive) * 10)
    mark_powers(axes)
    for row, norm in enumerate(norms):
        if np.isfinite(norm) and norm > 0:
            axes.plot(norm, row, "o", color=BLUE, markersize=3)
        else:
            axes.annotate(
                "0" if norm == 0 else str(norm),
                (0.01, row),
                xycoords=("axes fraction", "data"),
                va="center",
                color=VERMILLION,
            )
    axes.grid(visible=True, axis="x", alpha=0.3)
