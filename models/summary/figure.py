"""What all plots over arms share: a colour for each group, a bounded legend, repeatable bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.picture import save_png
from models.summary.runs import Run, Series

DOTS_PER_INCH = 100
WIDTH_INCH = 10.0
MOST_IN_LEGEND = 24
MOST_LINES = 120
"""Arms that a plot draws; of more, one seed of each group first."""
MOST_LETTERS = 36
Style = Literal["-", "--", ":", "-."]
STYLES: tuple[Style, ...] = ("-", "--", ":", "-.")
FATES: Mapping[str, tuple[str, str]] = {
    "collapsed": ("x", "collapsed: flat"),
    "not_finite": ("v", "not finite"),
    "unlike_object": ("s", "unlike the object"),
    "unfinished": ("D", "unfinished"),
}
"""What may become of an arm, in the words of its statistics → marker, and words of the legend."""
EDGE = 0.02
"""Height of marks for which a line has no place, as a share of the axes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Shown:
    """The arms that a plot draws, and the names of their groups."""

    runs: tuple[Run, ...]
    labels: tuple[str, ...]
    num_runs: int

    def colour(self, group: int) -> str:
        """The group's colour: ten that are easily told apart, then round again."""
        return f"C{group % 10}"

    def style(self, group: int) -> Style:
        """The group's dashes, which tell groups of one colour apart."""
        return STYLES[group // 10 % len(STYLES)]

    @property
    def title(self) -> str:
        """How many arms are drawn, of how many."""
        groups = len({run.group for run in self.runs})
        drawn = f"{len(self.runs)} arms in {groups} groups"
        rest = self.num_runs - len(self.runs)
        return f"{drawn}; {rest} further arms are not drawn" if rest else drawn


def choose(runs: Sequence[Run], labels: Sequence[str]) -> Shown:
    """The arms to draw: all, or where they are too many the first seeds of every group."""
    nth: dict[int, int] = {}
    turns = []
    for place, run in enumerate(runs):
        nth[run.group] = nth.get(run.group, -1) + 1
        turns.append((nth[run.group], place))
    kept = sorted(place for _, place in sorted(turns)[:MOST_LINES])
    return Shown(
        runs=tuple(runs[place] for place in kept), labels=tuple(labels), num_runs=len(runs)
    )


@contextmanager
def figure(path_png: Path, *, height_inch: float) -> Iterator[Figure]:
    """A figure that is written as PNG when the block ends.

    Its bytes depend on the numbers and on the installed matplotlib only.
    """
    with mpl.rc_context(mpl.rcParamsDefault):
        drawn = Figure(figsize=(WIDTH_INCH, height_inch), dpi=DOTS_PER_INCH, layout="constrained")
        FigureCanvasAgg(drawn)
        yield drawn
        save_png(drawn, path_png)


def add_legend(drawn: Figure, shown: Shown, *more: Line2D) -> None:
    """A line for each group beside the axes; those past the cap are counted."""
    groups = sorted({run.group for run in shown.runs})
    handles = [
        Line2D(
            [], [], color=shown.colour(g), linestyle=shown.style(g), label=short(shown.labels[g])
        )
        for g in groups[:MOST_IN_LEGEND]
    ]
    rest = len(groups) - len(handles)
    if rest > 0:
        handles.append(Line2D([], [], linestyle="none", label=f"and {rest} more groups"))
    marks = [*more, *fate_marks(shown.runs)]
    drawn.legend(handles=[*handles, *marks], loc="outside right upper", fontsize=8)


def short(label: str) -> str:
    """A label that leaves room for the axes."""
    return label if len(label) <= MOST_LETTERS else f"{label[: MOST_LETTERS - 1]}…"


def fate_marks(runs: Sequence[Run]) -> list[Line2D]:
    """The marks of what became of arms for a legend, each with their number; collapses always."""
    counts = {fate: sum(run.fate == fate for run in runs) for fate in FATES}
    return [
        Line2D(
            [], [], marker=marker, color="black", linestyle="none", fillstyle="none",
            label=f"{words}: {counts[fate]} of {len(runs)}",
        )
        for fate, (marker, words) in FATES.items()
        if counts[fate] or fate == "collapsed"
    ]  # fmt: skip


def mark_fates(
    axes: Axes, shown: Shown, lines: Sequence[tuple[Series, Series]], places: Sequence[int | None]
) -> None:
    """Mark on its line what became of each arm: at the entry ``places`` has for it.

    Where there is nothing to be seen, at the last entry before that can be seen; of a line that
    cannot be seen at all, at the lower edge. So every arm that came to something has one mark.
    """
    for number, (run, (x, y), place) in enumerate(zip(shown.runs, lines, places, strict=True)):
        if run.fate is None:
            continue
        drawn = np.isfinite(y) & ((y > 0) | (axes.get_yscale() != "log"))
        upto = drawn[: y.size if place is None else place + 1]
        seen = np.flatnonzero(upto if upto.any() else drawn)
        along = (number + 1) / (len(shown.runs) + 1)
        at_x, at_y = (x[seen[-1]], y[seen[-1]]) if seen.size else (along, EDGE)
        transform = axes.transData if seen.size else axes.transAxes
        marker, colour = FATES[run.fate][0], shown.colour(run.group)
        axes.plot(
            at_x, at_y, marker, color=colour, ms=8, mew=2, fillstyle="none", transform=transform
        )


def say_nothing(axes: Axes, why: str) -> None:
    """Say in an empty plot why it is empty."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color="0.4")
