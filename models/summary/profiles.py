"""Plots of trained networks: agreement by spatial frequency, activations by depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.summary.curves import line, logarithmic
from models.summary.figure import Shown, add_legend, figure, mark_fates, say_nothing
from models.summary.runs import Run, Series


def plot_correlations(shown: Shown, path_png: Path) -> None:
    """Fourier ring correlation with the truth, amplitude and phase, with the threshold 0.5."""
    with figure(path_png, height_inch=7) as drawn:
        rows = drawn.subplots(2, 1, sharex=True, sharey=True)
        for place, (axes, part) in enumerate(zip(rows, ("amplitude", "phase"), strict=True)):
            curves = [
                up_to_nyquist(run.frc[place] if len(run.frc) > place else np.array([]))
                for run in shown.runs
            ]
            for run, (frequencies, curve) in zip(shown.runs, curves, strict=True):
                line(axes, shown, run, frequencies, curve)
            axes.axhline(0.5, color="0.3", linestyle="--", linewidth=0.8)
            axes.annotate("0.5", (1.0, 0.5), xytext=(3, 2), textcoords="offset points", fontsize=8)
            axes.set(ylabel=f"FRC of the {part}", ylim=(-1.05, 1.05), xlim=(0, 1))
            if any(np.isfinite(curve).any() for _, curve in curves):
                mark_fates(axes, shown, curves, [None] * len(curves))
            else:
                say_nothing(axes, "means nothing for any arm")
        rows[0].set_title(f"{shown.title}; last epoch", fontsize=10, loc="left")
        rows[1].set(xlabel="spatial frequency / Nyquist frequency")
        add_legend(drawn, shown)


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
    nyquist = max(1, round((num_rings - 1) / np.sqrt(2)))
    frequencies: Series = np.arange(num_rings, dtype=float) / nyquist
    return frequencies


def plot_activations(shown: Shown, path_png: Path) -> None:
    """Mean of |output| and share of outputs ≤ 0 of every layer, from the input to the output.

    Of those runs that left an activation report, of which there must be one.
    """
    shown = replace(shown, runs=tuple(run for run in shown.runs if run.activations))
    runs = shown.runs
    names = merged(in_order(run.activations) for run in runs)
    places = {name: float(place) for place, name in enumerate(names)}
    with figure(path_png, height_inch=8) as drawn:
        rows = drawn.subplots(2, 1, sharex=True)
        for axes, key in zip(rows, ("mean", "share_not_positive"), strict=True):
            profiles = [profile(run, key, places) for run in runs]
            for run, (layers, values) in zip(runs, profiles, strict=True):
                line(axes, shown, run, layers, values)
            if key == "mean":
                logarithmic(axes, [values for _, values in profiles])
            mark_fates(axes, shown, profiles, [None] * len(profiles))
        rows[0].set(ylabel="mean |output|, arbitrary units")
        rows[0].set_title(
            f"{len(runs)} of {shown.num_runs} arms have a report; last epoch",
            fontsize=10,
            loc="left",
        )
        rows[1].set(ylabel="share of outputs ≤ 0", ylim=(-0.03, 1.03))
        rows[1].set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        rows[1].set(xlabel="layer, from the input to the output")
        for axes in rows:
            axes.grid(axis="x", linewidth=0.3)
        add_legend(drawn, shown)


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
