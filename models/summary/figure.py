"""What all plots over arms share: looks of groups, panels, marks, a bounded legend."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from models.sheet import LINE_MM, PAGE, WIDEST_LETTER_MM, Sheet, blank
from models.summary.design import Design, Key, Knobs, Look, design_of
from models.summary.runs import Run, Series

MOST_IN_LEGEND = 24
MOST_LINES = 120
"""Arms that a plot draws; of more, one seed of each group first."""
FATES: Mapping[str, tuple[str, str]] = {
    "collapsed": ("x", "collapsed: flat"),
    "not_finite": ("v", "not finite"),
    "unlike_object": ("s", "unlike the object"),
    "unfinished": ("D", "unfinished"),
}
"""What may become of an arm, in the words of its statistics → marker, and words of the legend."""
EDGE = 0.02
"""Height of marks for which a line has no place, as a share of the axes."""
FAINT = 0.35
"""Opacity of a single run beside the median of its group."""

FEWEST_FOR_MEDIAN = 3
"""Runs of a group with one outcome; between two runs there would be a line that no run took."""

Lines = Sequence[tuple[Series, Series]]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The arms that a plot draws, the names of their groups, and how these are seen."""

    runs: tuple[Run, ...]
    labels: tuple[str, ...]
    design: Design
    num_runs: int

    def look(self, run: Run) -> Look:
        """How a run is drawn: like all of its group."""
        return self.design.looks[run.group]

    @property
    def groups(self) -> list[int]:
        """The groups of which there is a run."""
        return sorted({run.group for run in self.runs})

    @property
    def title(self) -> str:
        """How many arms are drawn, of how many."""
        drawn = f"{len(self.runs)} arms in {len(self.groups)} groups"
        rest = self.num_runs - len(self.runs)
        return f"{drawn}; {rest} further arms are not drawn" if rest else drawn

    @property
    def strokes(self) -> str:
        """What thick and faint lines mean, where there are both."""
        alike = Counter((run.group, run.fate) for run in self.runs)
        if max(alike.values(), default=0) < FEWEST_FOR_MEDIAN:
            return ""
        return "; thick: median over seeds with one outcome, band: quartiles, faint: single runs"

    def in_panel(self, panel: int) -> list[int]:
        """Places of the runs that a panel shows."""
        return [n for n, run in enumerate(self.runs) if self.look(run).panel == panel]


def choose(runs: Sequence[Run], labels: Sequence[str], knobs: Sequence[Knobs] = ()) -> Shown:
    """The arms to draw: all, or where they are too many the first seeds of every group.

    ``knobs`` has the values of the knobs that differ, by group.
    """
    nth: dict[int, int] = {}
    turns = []
    for place, run in enumerate(runs):
        nth[run.group] = nth.get(run.group, -1) + 1
        turns.append((nth[run.group], place))
    kept = sorted(place for _, place in sorted(turns)[:MOST_LINES])
    return Shown(
        runs=tuple(runs[place] for place in kept),
        labels=tuple(labels),
        design=design_of(labels, knobs),
        num_runs=len(runs),
    )


# --- panels --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class Panels:
    """Axes for several quantities, each in the panels of the design."""

    figure: Figure
    rows: tuple[tuple[Axes, ...], ...]
    """For each quantity its panels."""
    sheet: Sheet
    columns: int


def panels(
    shown: Shown,
    sheet: Sheet,
    title: str,
    heights_mm: Sequence[float],
    *,
    below_mm: float = 12,
    one_scale: bool = False,
) -> Panels:
    """A figure with a row of panels for each quantity, wrapped where the sheet is too narrow.

    Panels of a quantity share its axis, with ``one_scale`` those of all quantities; all share the
    horizontal one, whose writing takes ``below_mm``.
    """
    names = shown.design.panels
    columns = min(len(names), sheet.columns)
    wraps = -(-len(names) // columns)
    words = sheet.wrapped(title)
    height = wraps * sum(heights_mm) + below_mm
    height += LINE_MM * (2 + words.count("\n") + legend_rows(shown, sheet))
    drawn = blank(sheet.width_mm, height)
    drawn.suptitle(words, x=0.01, ha="left")
    cells = drawn.add_gridspec(
        wraps * len(heights_mm), columns, height_ratios=np.repeat(heights_mm, wraps)
    )
    rows: list[tuple[Axes, ...]] = []
    for quantity in range(len(heights_mm)):
        found: list[Axes] = []
        for place, name in enumerate(names):
            row, column = quantity * wraps + place // columns, place % columns
            across = rows[0][0] if rows else found[0] if found else None
            upward = across if one_scale else found[0] if found else None
            axes = drawn.add_subplot(cells[row, column], sharex=across, sharey=upward)
            last = quantity == len(heights_mm) - 1 and place + columns >= len(names)
            axes.tick_params(labelbottom=last, labelleft=column == 0)
            if name and (quantity == 0 or wraps > 1):
                axes.set_title(sheet.short(name))
            found.append(axes)
        rows.append(tuple(found))
    return Panels(figure=drawn, rows=tuple(rows), sheet=sheet, columns=columns)


def along(drawn: Panels, name: str) -> None:
    """Name the horizontal axis below every column of panels, in as many lines as it takes there."""
    room_mm = drawn.sheet.width_mm / drawn.columns - 12
    words = textwrap.fill(name, max(8, int(room_mm / WIDEST_LETTER_MM)))
    for axes in drawn.rows[-1]:
        if axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(words)


def legend_entries(shown: Shown, sheet: Sheet) -> list[Line2D]:
    """What a legend says of looks: of knobs, or of groups, of which those past the cap are counted.

    Then the marks of what became of arms.
    """
    most = min(MOST_IN_LEGEND, sheet.most_groups)
    keys = list(shown.design.keys)
    if not keys:
        for group in shown.groups[:most]:
            look = shown.design.looks[group]
            keys.append(
                Key(
                    words=shown.labels[group],
                    colour=look.colour,
                    dash=look.dash,
                    marker=look.marker,
                )
            )
        if (rest := len(shown.groups) - most) > 0:
            keys.append(Key(words=f"and {rest} more groups", dash="none"))
    lines = [
        Line2D(
            [], [], color=key.colour, linestyle=key.dash, marker=key.marker, ms=4, linewidth=1.4,
            label=PAGE.short(key.words),
        )
        for key in keys
    ]  # fmt: skip
    return [*lines, *fate_marks(shown.runs)]


def legend_rows(shown: Shown, sheet: Sheet) -> int:
    """How many lines the legend takes."""
    words = [str(line.get_label()) for line in legend_entries(shown, sheet)]
    return -(-len(words) // sheet.entries(words))


def add_legend(drawn: Figure, sheet: Sheet, entries: list[Line2D]) -> None:
    """The legend below the axes, in as many columns as the sheet has room for."""
    columns = sheet.entries([str(line.get_label()) for line in entries])
    drawn.legend(
        handles=entries, loc="outside lower left", ncols=columns, columnspacing=1.2,
        handletextpad=0.6, borderpad=0.2, labelspacing=0.3,
    )  # fmt: skip


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


# --- lines ---------------------------------------------------------------------------------------


def draw_lines(
    axes: Axes, shown: Shown, lines: Lines, places: Sequence[int], linewidth: float = 1.3
) -> None:
    """Draw the runs at ``places``: medians in bands with the single runs faint behind.

    ``lines`` has x and y of every run. A median is that of the runs of a group that have come to
    the same, as between a run that has collapsed and one that has not there is nothing. It is drawn
    as far as all of them have a finite value: where some have ended, that of the others would
    flatter. ``linewidth`` is that of thick lines.
    """
    alike: dict[tuple[int, str | None], list[int]] = {}
    for place in places:
        run = shown.runs[place]
        alike.setdefault((run.group, run.fate), []).append(place)
    for (group, _), members in alike.items():
        look = shown.design.looks[group]
        if len(members) < FEWEST_FOR_MEDIAN:
            for place in members:
                thick(axes, look, *lines[place], linewidth)
            continue
        for place in members:
            axes.plot(*lines[place], look.dash, color=look.colour, linewidth=0.6, alpha=FAINT)
        x, values = together([lines[place] for place in members])
        if x.size:
            low, middle, high = np.percentile(values, (25, 50, 75), axis=0)
            axes.fill_between(x, low, high, color=look.colour, alpha=0.15, linewidth=0)
            thick(axes, look, x, middle, linewidth)


def thick(axes: Axes, look: Look, x: Series, y: Series, linewidth: float) -> None:
    """The line that stands for a group, with its marker at a few points."""
    axes.plot(
        x, y, look.dash, color=look.colour, marker=look.marker, ms=3.2, mew=0,
        markevery=max(1, x.size // 6), linewidth=linewidth,
    )  # fmt: skip


def together(lines: Lines) -> tuple[Series, Series]:
    """Runs as rows on the points of the longest; NaN at every point that one of them lacks."""
    longest = max((x for x, _ in lines), key=lambda x: x.size)
    values = np.full((len(lines), longest.size), np.nan)
    for row, (x, y) in zip(values, lines, strict=True):
        if np.array_equal(x, longest[: x.size]):
            row[: y.size] = y
    values[:, ~np.isfinite(values).all(axis=0)] = np.nan
    return longest, values


def mark_fates(
    axes: Axes, shown: Shown, lines: Lines, ends: Sequence[int | None], places: Sequence[int]
) -> None:
    """Mark on its line what became of each arm at ``places``: at the entry ``ends`` has for it.

    Where there is nothing to be seen, at the last entry before that can be seen; of a line that
    cannot be seen at all, at the lower edge. So every arm that came to something has one mark.
    """
    for nth, place in enumerate(places):
        run, (x, y), end = shown.runs[place], lines[place], ends[place]
        if run.fate is None:
            continue
        drawn = np.isfinite(y) & ((y > 0) | (axes.get_yscale() != "log"))
        upto = drawn[: y.size if end is None else end + 1]
        seen = np.flatnonzero(upto if upto.any() else drawn)
        along = (nth + 1) / (len(places) + 1)
        at_x, at_y = (x[seen[-1]], y[seen[-1]]) if seen.size else (along, EDGE)
        axes.plot(
            at_x, at_y, FATES[run.fate][0], color=shown.look(run).colour, ms=5, mew=1.3,
            fillstyle="none", transform=axes.transData if seen.size else axes.transAxes,
        )  # fmt: skip


def shown_in(
    shown: Shown, row: Sequence[Axes], lines: Lines, ends: Sequence[int | None], why_empty: str
) -> Iterator[tuple[Axes, list[int]]]:
    """Each panel with the places of its runs, and after it the marks of what became of them.

    A panel in which there is nothing to be seen says why.
    """
    for panel, axes in enumerate(row):
        places = shown.in_panel(panel)
        yield axes, places
        if any(np.isfinite(lines[place][1]).any() for place in places):
            mark_fates(axes, shown, lines, ends, places)
        else:
            say_nothing(axes, why_empty)


def say_nothing(axes: Axes, why: str) -> None:
    """Say in an empty plot why it is empty."""
    axes.text(0.5, 0.5, why, ha="center", va="center", transform=axes.transAxes, color="0.35")
