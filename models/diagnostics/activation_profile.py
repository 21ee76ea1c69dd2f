"""The picture of an activation report: what the layers put out, from the lifter to the head."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from models.picture import save_plot
from models.sheet import BLUE, LINE_MM, ORANGE, PAGE, PURPLE, VERMILLION, blank, mark_powers, style

FRAME_MM = 42
"""Of the height: title, legend and axes around the rows."""
STARVED = 0.1
"""Ratio of spectral to local branch below which the spectral one counts as starved."""

Layers = Mapping[str, Mapping[str, Any]]


def plot_profile(report: Mapping[str, Any], title: str, path_png: Path) -> None:
    """Write a PNG with a row for each layer of a report, in the order of the data's way.

    Left mean and 99th percentile of |output|, in the middle the share of outputs ≤ 0, right the
    ratio of the two branches of each block. What is null or zero has no point. The bytes depend on
    the numbers and on the installed matplotlib only.
    """
    layers: Layers = report["layers"]
    with style():
        figure = blank(PAGE.width_mm, FRAME_MM + LINE_MM * len(layers))
        size, share, ratio = figure.subplots(1, 3, sharey=True, width_ratios=[3, 2, 2])
        samples = report["summary"]["num_samples"]
        figure.suptitle(PAGE.wrapped(f"{title}: activations of {samples} patches"))
        _plot_sizes(size, layers)
        size.set_yticks(range(len(layers)), [PAGE.short(name) for name in layers])
        _plot_shares(share, layers)
        _plot_ratios(ratio, layers)
        size.set_ylim(len(layers) - 0.5, -0.5)
        for axes in (size, share, ratio):
            axes.grid(visible=True, alpha=0.3)
        save_plot(figure, path_png)


def _column(layers: Layers, key: str) -> list[float]:
    """One value a layer; NaN where it has none, or a zero that a log axis cannot show."""
    return [math.nan if row.get(key) is None else float(row[key]) for row in layers.values()]


def _positive(values: list[float]) -> list[float]:
    return [value if value > 0 else math.nan for value in values]


def _plot_sizes(axes: Axes, layers: Layers) -> None:
    rows = range(len(layers))
    for key, label, marker, colour in (
        ("mean", "mean", "o", BLUE),
        ("p99", "99th percentile", ">", ORANGE),
    ):
        places = _positive(_column(layers, key))
        axes.plot(places, rows, marker, label=label, markersize=3, color=colour)
    for row, mean in enumerate(_column(layers, "mean")):
        if not mean > 0:
            words = "0 everywhere" if mean == 0 else "not finite"
            place, frame = (0.01, row), ("axes fraction", "data")
            axes.annotate(words, place, xycoords=frame, va="center", color=VERMILLION)
    axes.set(xscale="log", xlabel="|output|", ylabel="layer")
    mark_powers(axes)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _plot_shares(axes: Axes, layers: Layers) -> None:
    shares = [100 * share for share in _column(layers, "share_not_positive")]
    axes.barh(range(len(layers)), shares, color=VERMILLION)
    axes.set(xlim=(0, 100), xlabel="outputs ≤ 0 (%)")


def _plot_ratios(axes: Axes, layers: Layers) -> None:
    ratios = _positive(_column(layers, "spectral_local_ratio"))
    axes.plot(ratios, range(len(layers)), "D", color=PURPLE, markersize=3)
    axes.axvline(STARVED, color="0.4", linestyle="--", label=f"{STARVED:g}: starved below")
    axes.set(xscale="log", xlabel="mean |spectral|\n/ mean |local|")
    shown = [STARVED, *(ratio for ratio in ratios if math.isfinite(ratio))]
    axes.set_xlim(min(shown) / 2, max(shown) * 2)
    mark_powers(axes)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
