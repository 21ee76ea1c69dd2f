"""Plots of trained networks: agreement by spatial frequency, activations by depth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.evaluation.resolution import HALF, SEVENTH, half_bit, pixels_per_ring
from models.sheet import LINE_MM, Sheet
from models.summary.curves import logarithmic
from models.summary.figure import (
    Shown,
    add_legend,
    along,
    draw_lines,
    legend_entries,
    panels,
    shown_in,
)
from models.summary.runs import Run, Series

MOST_LETTERS_OF_LAYER: Final = 20
THRESHOLD_GREY: Final = "0.45"
THRESHOLDS: Final[tuple[tuple[str, Literal["-", "--", ":"]], ...]] = (
    ("threshold 0.5", "--"),
    ("half-bit threshold", "-"),
    ("threshold 1/7", ":"),
)


def plot_correlations(shown: Shown, sheet: Sheet) -> Figure:
    """Fourier ring correlation with the truth, amplitude and phase, with three thresholds."""
    drawn = panels(shown, sheet, f"{shown.title}; last epoch{shown.strokes}", (48, 48))
    none = [None] * len(shown.runs)
    num_rings = max((curve.size for run in shown.runs for curve in run.frc), default=0)
    for place, (row, part) in enumerate(zip(drawn.rows, ("amplitude", "phase"), strict=True)):
        lines = [
            up_to_nyquist(run.frc[place] if len(run.frc) > place else np.array([]))
            for run in shown.runs
        ]
        for axes, places in shown_in(shown, row, lines, none, "means nothing for any arm"):
            draw_lines(axes, shown, lines, places)
            draw_thresholds(axes, num_rings)
        row[0].set(ylabel=f"FRC of the {part}", xlim=(0, 1))
        least = min((np.nanmin(y, initial=0) for _, y in lines if y.size), default=0)
        row[0].set_ylim(min(-0.05, 1.05 * least), 1.05)
    drawn.rows[0][0].set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    along(drawn, "spatial frequency / Nyquist frequency")
    add_legend(drawn.figure, sheet, [*legend_entries(shown, sheet), *threshold_entries()])
    return drawn.figure


def draw_thresholds(axes: Axes, num_rings: int) -> None:
    """The values above which images are said to agree."""
    frequencies = share_of_nyquist(max(2, num_rings))
    pixels = pixels_per_ring(2 * nyquist_ring(max(2, num_rings)))[: frequencies.size]
    curves = (np.full(frequencies.size, HALF), half_bit(pixels), np.full(frequencies.size, SEVENTH))
    for curve, (_, dash) in zip(curves, THRESHOLDS, strict=True):
        axes.plot(frequencies[: curve.size], curve, dash, color=THRESHOLD_GREY, linewidth=0.8)


def threshold_entries() -> list[Line2D]:
    """What a legend says of the thresholds."""
    return [
        Line2D([], [], color=THRESHOLD_GREY, linestyle=dash, linewidth=0.8, label=words)
        for words, dash in THRESHOLDS
    ]


def up_to_nyquist(curve: Series) -> tuple[Series, Series]:
    """The rings of a correlation that lie within the Nyquist frequency, and their values."""
    frequencies = share_of_nyquist(curve.size)
    inside = frequencies <= 1
    return frequencies[inside], curve[inside]


def share_of_nyquist(num_rings: int) -> Series:
    """Frequency of each ring over the Nyquist frequency.

    Rings go out to the corners of the spectrum: an image of side s has round(√2·s/2) + 1 of them,
    and ring s/2 is the Nyquist frequency.
    """
    frequencies: Series = np.arange(num_rings, dtype=float) / nyquist_ring(num_rings)
    return frequencies


def nyquist_ring(num_rings: int) -> int:
    """Number of the ring at the Nyquist frequency."""
    return max(1, round((num_rings - 1) / math.sqrt(2)))


def plot_activations(shown: Shown, sheet: Sheet) -> Figure:
    """Mean of |output| and share of outputs ≤ 0 of every layer, from the input to the output.

    Of those runs that left an activation report, of which there must be one.
    """
    shown = replace(shown, runs=tuple(run for run in shown.runs if run.activations))
    runs = shown.runs
    names = merged(in_order(run.activations) for run in runs)
    places_of = {name: float(place) for place, name in enumerate(names)}
    words = [shortened(name) for name in names]
    below = 15 + 1.6 * max(map(len, words), default=0)
    title = f"{len(runs)} of {shown.num_runs} arms have a report; last epoch{shown.strokes}"
    drawn = panels(shown, sheet, title, (40, 40), below_mm=below)
    none = [None] * len(runs)
    for row, key in zip(drawn.rows, ("mean", "share_not_positive"), strict=True):
        lines = [profile(run, key, places_of) for run in runs]
        if key == "mean":
            logarithmic(row[0], [values for _, values in lines])
        for axes, places in shown_in(shown, row, lines, none, "not finite anywhere"):
            draw_lines(axes, shown, lines, places)
            axes.grid(axis="x", linewidth=0.3)
    drawn.rows[0][0].set(ylabel="mean |output|,\narbitrary units")
    drawn.rows[1][0].set(ylabel="share of outputs\nnot above 0", ylim=(-0.03, 1.03))
    room_mm = (sheet.width_mm - 22) / min(len(shown.design.panels), sheet.columns)
    step = max(1, -(-len(names) * LINE_MM // room_mm))
    ticks = range(0, len(names), int(step))
    drawn.rows[1][0].set_xticks(ticks, [words[n] for n in ticks])
    for axes in drawn.rows[1]:
        axes.tick_params(axis="x", rotation=90)
    along(drawn, "layer, from the input to the output")
    add_legend(drawn.figure, sheet, legend_entries(shown, sheet))
    return drawn.figure


def shortened(layer: str) -> str:
    """The name of a layer without its middle, where it is long."""
    half = MOST_LETTERS_OF_LAYER // 2
    return layer if len(layer) <= MOST_LETTERS_OF_LAYER else f"{layer[:half]}…{layer[-half + 1 :]}"


def profile(run: Run, key: str, places: Mapping[str, float]) -> tuple[Series, Series]:
    """Places of a network's layers, and what its report says of each; NaN where it says nothing."""
    layers = in_order(run.activations)
    found = [run.activations[name].get(key) for name in layers]
    values = np.array([np.nan if value is None else value for value in found])
    return np.array([places[name] for name in layers]), values


def in_order(activations: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The layers of a report on the data's way, by name where the report does not say."""
    return sorted(activations, key=lambda name: (activations[name].get("position", 0), name))


def merged(orders: Iterable[Sequence[str]]) -> list[str]:
    """One order of all layers of several networks: each has its layers in its own order.

    A layer that is new stands behind the one that it follows in its network.
    """
    found: list[str] = []
    for order in orders:
        place = 0
        for name in order:
            if name in found:
                place = found.index(name)
            else:
                found.insert(place, name)
            place += 1
    return found
