"""The plot of scores by group: every run as a point, the median as a bar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from models.summary.comparisons import METRICS, Group
from models.summary.figure import FATES, fate_marks, figure, say_nothing, short

MOST_GROUPS = 40
SPREAD = 0.3
"""Half of the width over which the points of a group are spread out."""


def plot_scores(groups: Sequence[Group], path_png: Path) -> None:
    """A panel for each score; a mark for what became of a run, a bar for the median of all.

    A run that has no such score stands at the left edge, so that every panel has all runs.
    """
    drawn_groups = groups[:MOST_GROUPS]
    height = 3.0 + 0.22 * len(drawn_groups) * 2
    with figure(path_png, height_inch=height) as drawn:
        panels = drawn.subplots(2, 4, sharey=True)
        for axes, metric in zip(panels.ravel(), METRICS, strict=True):
            if any(group.values(metric) for group in drawn_groups):
                for row, group in enumerate(drawn_groups):
                    draw_group(axes, row, group, metric)
            else:
                say_nothing(axes, "means nothing for any run")
            axes.set(xlabel=metric)
            axes.xaxis.set_major_locator(MaxNLocator(4))
            axes.grid(axis="both", linewidth=0.3)
        for axes in panels[:, 0]:
            axes.set_yticks(
                range(len(drawn_groups)), [short(g.label) for g in drawn_groups], fontsize=8
            )
            axes.set_ylim(len(drawn_groups) - 0.4, -0.6)
        rest = len(groups) - len(drawn_groups)
        more = f"; {rest} further groups are not drawn" if rest else ""
        drawn.suptitle(f"A point is a run (a seed){more}", fontsize=10, x=0.01, ha="left")
        every = [run for group in drawn_groups for run in group.runs]
        median = Line2D([], [], marker="|", ms=12, color="black", linestyle="none")
        median.set_label("median of all runs of the group")
        alive = Line2D([], [], marker="o", color="0.5", linestyle="none", label="a reconstruction")
        edge = Line2D([], [], linestyle="none", label="at the left edge: has no such score")
        drawn.legend(
            handles=[alive, *fate_marks(every), median, edge],
            loc="outside lower center",
            ncols=3,
            fontsize=8,
        )


def draw_group(axes: Axes, row: int, group: Group, metric: str) -> None:
    """The runs of one group along one line, spread out so that equal scores are seen."""
    num, colour = len(group.runs), f"C{row % 10}"
    offsets = np.linspace(-SPREAD, SPREAD, num) if num > 1 else np.zeros(num)
    at_edge = axes.get_yaxis_transform()  # x as a share of the axes, y as data
    for run, offset in zip(group.runs, offsets, strict=True):
        marker = FATES[run.fate][0] if run.fate else "o"
        value, place = run.measured(metric), row + offset
        if value is None:
            axes.plot(0, place, marker, color=colour, ms=5, transform=at_edge, clip_on=False)
        else:
            axes.plot(value, place, marker, color=colour, ms=5)
    if values := group.values(metric):
        axes.plot(np.median(values), row, "|", color="black", ms=20, mew=1.2, zorder=1)
