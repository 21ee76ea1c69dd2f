"""The picture of a reconstruction: amplitude and phase, the truth, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.evaluation.reconstruct import Reconstruction
from models.picture import Panels, save_column, save_plot
from models.sheet import COLUMN, PICTURE_MM, blank, style

Image = NDArray[np.float64]

DOTS_PER_INCH: Final = 180
"""So many that each step of a scale has more pixels than the edges of letters."""
LEVELS: Final = 64
"""Steps of each colour scale; three scales and the greys of the writing fit into one palette."""

SHOWN_PERCENTILE: Final = 99.5
"""Share of the differences, in percent, inside the colour range; a few outliers lie outside."""


def plot_reconstruction(reconstruction: Reconstruction, path_png: Path) -> None:
    """Write a PNG of two rows, amplitude and phase: reconstruction, ground truth, difference.

    Beside it, in the folder ``plots``, lines for papers, at the same width and for a column.
    The phase is the aligned one, where there is one: no measurement tells the global phase.
    Reconstruction and truth share the truth's colour range; the difference has a symmetric one of
    its own that leaves out the largest 0.5 %. Each scale has 64 steps. Pixels that are not finite
    stay blank. The file says where in it reconstruction and truth are. The bytes depend on the
    images and on the installed matplotlib only: no date, no version, no user's style.
    """
    with style():
        figure, panels = _page(reconstruction)
        save_plot(figure, path_png, panels)
        save_column(_column(reconstruction), path_png)


def _page(r: Reconstruction) -> tuple[Figure, Panels]:
    figure = blank(PICTURE_MM, 92, DOTS_PER_INCH)
    axes = figure.subplots(2, 3, sharex=True, sharey=True)
    name, phase = _phase(r)
    _row(axes[0], "amplitude", "object units", "gray", r.amplitude, r.target_amplitude)
    _row(axes[1], name, "rad", "viridis", phase, r.target_phase)
    axes[0, 0].set_ylabel("row (px)")
    axes[1, 0].set(xlabel="column (px)", ylabel="row (px)")
    sides = ("reconstructed", "ground truth")
    rows = {"amplitude": axes[0], name: axes[1]}
    return figure, {what: dict(zip(sides, row[:2], strict=True)) for what, row in rows.items()}


def _column(r: Reconstruction) -> Figure:
    """The same images with amplitude and phase side by side."""
    figure = blank(COLUMN.width_mm, 110, DOTS_PER_INCH)
    axes = figure.subplots(3, 2, sharex=True, sharey=True)
    name, phase = _phase(r)
    _row(axes[:, 0], "amplitude", "object units", "gray", r.amplitude, r.target_amplitude)
    _row(axes[:, 1], name, "rad", "viridis", phase, r.target_phase)
    for axis, what in zip(axes[2], ("amplitude", name), strict=True):
        axis.set_title(f"{what},\ndifference")  # there is no room for what is taken from what
    return figure


def _phase(r: Reconstruction) -> tuple[str, Image]:
    """The phase that is shown, and what it is called."""
    return ("phase", r.phase) if r.phase_aligned is None else ("aligned phase", r.phase_aligned)


def _row(
    axes: NDArray[Any], name: str, unit: str, colours: str, prediction: Image, target: Image
) -> None:
    limits = float(target.min()), float(target.max())
    error = prediction - target
    sizes = np.abs(error[np.isfinite(error)])
    bound = float(np.percentile(sizes, SHOWN_PERCENTILE)) if sizes.size else 0.0
    symmetric = (-bound, bound) if bound > 0 else (-1.0, 1.0)
    _show(axes[0], prediction, f"{name},\nreconstructed", unit, colours, limits)
    _show(axes[1], target, f"{name},\nground truth", unit, colours, limits)
    _show(axes[2], error, f"{name},\nreconstructed - true", unit, "RdBu_r", symmetric)


def _show(
    axes: Axes, image: Image, title: str, unit: str, colours: str, limits: tuple[float, float]
) -> None:
    shown = axes.imshow(
        image,
        cmap=mpl.colormaps[colours].resampled(LEVELS),
        vmin=limits[0],
        vmax=limits[1],
        interpolation="nearest",
    )
    axes.set_title(title)
    axes.spines[:].set_visible(True)
    if not np.isfinite(image).any():
        axes.text(0.5, 0.5, "no finite value", ha="center", va="center", transform=axes.transAxes)
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.85, extend=_beyond(image, limits))
    bar.set_label(unit)


def _beyond(image: Image, limits: tuple[float, float]) -> Literal["neither", "min", "max", "both"]:
    """On which sides the image leaves its colour range."""
    below, above = bool((image < limits[0]).any()), bool((image > limits[1]).any())
    if below:
        return "both" if above else "min"
    return "max" if above else "neither"
