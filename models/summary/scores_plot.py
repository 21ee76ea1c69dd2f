"""The plot of scores by group: every run as a point, the median as a bar, the baseline beside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from models.sheet import LINE_MM, WIDEST_LETTER_MM, Sheet, blank
from models.summary.comparisons import METRICS, Group
from models.summary.design import Design
from models.summary.figure import FATES, add_legend, fate_marks, say_nothing
from models.summary.runs import Run

DIGIT_MM = 1.9
SPREAD = 0.3
"""Half of the width over which the points of a group are spread out."""
BASELINE = "constant_"
"""What the scores of a constant image are called: a beginning of their names."""
MOST_LETTERS = 12
"""Of a score's name in one line."""
BASELINE_GREY = "0.45"
HIGHER = "ssim"
"""The end of the names of scores of which more is better; of all others less is."""


def plot_scores(groups: Sequence[Group], design: Design, sheet: Sheet) -> Figure:
    """A panel for each score; a mark for what became of a run, a bar for the median of all.

    Grey bars are what a constant image would score on the same object. A run that has no such score
    stands at the left edge, so that every panel has all runs.
    """
    drawn_groups = groups[: sheet.most_groups]
    measured = [
        metric for metric in METRICS if any(group.values(metric) for group in drawn_groups)
    ] or list(METRICS[:1])
    columns = min(len(measured), sheet.columns)
    rows = -(-len(measured) // columns)
    rest = len(groups) - len(drawn_groups)
    title = sheet.wrapped(
        "A point is a run (a seed)" + (f"; {rest} further groups are not drawn" if rest else "")
    )
    entries = legend_entries([run for group in drawn_groups for run in group.runs])
    in_legend = sheet.entries([str(entry.get_label()) for entry in entries])
    height = rows * (LINE_MM * 0.85 * max(3, len(drawn_groups)) + 21)
    drawn = blank(sheet.width_mm, height + LINE_MM * (2 + -(-len(entries) // in_legend)))
    drawn.suptitle(title, x=0.01, ha="left")
    panels = drawn.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, metric in zip(panels.ravel(), measured, strict=False):
        draw_panel(axes, drawn_groups, design, metric, sheet)
    for axes in panels.ravel()[len(measured) :]:
        axes.remove()
    for axes in panels[:, 0]:
        names = [sheet.short(group.label) for group in drawn_groups]
        axes.set_yticks(range(len(drawn_groups)), names)
        axes.set_ylim(len(drawn_groups) - 0.4, -0.6)
    add_legend(drawn, sheet, entries)
    return drawn


def draw_panel(
    axes: Axes, groups: Sequence[Group], design: Design, metric: str, sheet: Sheet
) -> None:
    """One score of all groups, and in which direction it is better."""
    if any(group.values(metric) for group in groups):
        for row, group in enumerate(groups):
            draw_group(axes, row, group, metric, design.looks[row].colour)
    else:
        say_nothing(axes, "means nothing for any run")
    *first, last = metric.rpartition("_")
    axes.set_title(metric if len(metric) <= MOST_LETTERS else f"{''.join(first)}\n{last}")
    axes.set_xlabel("better →" if metric.endswith(HIGHER) else "← better")
    low, high = axes.get_xlim()
    ticks = ticks_with_room(low, high, sheet)
    axes.set_xticks(ticks, [f"{one:g}" for one in ticks])
    axes.set_xlim(low, high)
    axes.grid(axis="both", linewidth=0.3)


def ticks_with_room(low: float, high: float, sheet: Sheet) -> list[float]:
    """Round values, two if they fit, whose numbers keep apart and within their panel."""
    panel_mm = 0.95 * (sheet.width_mm - sheet.most_letters * WIDEST_LETTER_MM) / sheet.columns
    ticks: list[float] = []
    for most in (4, 6, 8, 12, 20, 30):
        every = [float(f"{one:.12g}") for one in MaxNLocator(most).tick_values(low, high)]
        number_mm = DIGIT_MM * (max(len(f"{one:g}") for one in every) - 0.5)  # a point is narrow
        places_mm = [panel_mm * (one - low) / (high - low) for one in every]
        ticks, free_mm = [], 0.0
        for tick, place_mm in zip(every, places_mm, strict=True):
            if free_mm + number_mm / 2 <= place_mm <= panel_mm - number_mm / 2:
                ticks.append(tick)
                free_mm = place_mm + number_mm / 2 + WIDEST_LETTER_MM
        if len(ticks) > 1:
            break
    return ticks


def draw_group(axes: Axes, row: int, group: Group, metric: str, colour: str) -> None:
    """The runs of one group along one line, spread out so that equal scores are seen."""
    num = len(group.runs)
    offsets = np.linspace(-SPREAD, SPREAD, num) if num > 1 else np.zeros(num)
    at_edge = axes.get_yaxis_transform()  # x as a share of the axes, y as data
    for run, offset in zip(group.runs, offsets, strict=True):
        marker = FATES[run.fate][0] if run.fate else "o"
        value, place = run.measured(metric), row + offset
        if value is None:
            axes.plot(0, place, marker, color=colour, ms=4, transform=at_edge, clip_on=False)
        else:
            axes.plot(value, place, marker, color=colour, ms=4)
    if values := group.values(metric):
        axes.plot(np.median(values), row, "|", color="black", ms=14, mew=1.2, zorder=1)
    constants = [run.measured(f"{BASELINE}{metric}") for run in group.runs]
    if known := [value for value in constants if value is not None]:
        middle = np.median(known)
        axes.plot(
            [middle, middle], [row - 0.5, row + 0.5], "-", color=BASELINE_GREY, linewidth=1.5,
            zorder=0,
        )  # fmt: skip


def legend_entries(runs: Sequence[Run]) -> list[Line2D]:
    """What the marks mean."""
    median = Line2D([], [], marker="|", ms=10, mew=1.2, color="black", linestyle="none")
    median.set_label("median of the group")
    alive = Line2D([], [], marker="o", ms=4, color="0.35", linestyle="none")
    alive.set_label("a reconstruction")
    constant = Line2D([], [], color=BASELINE_GREY, linewidth=1.5, label="a constant image")
    edge = Line2D([], [], linestyle="none", label="at the left edge: no score")
    return [alive, *fate_marks(runs), median, constant, edge]
