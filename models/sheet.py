"""The sheets that plots are drawn on: a journal's column and its page, with letters and colours."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

MM_PER_INCH: Final = 25.4
DOTS_PER_INCH: Final = 144
"""Of pixels: one and a half for each px of a page at the sheet's own size."""
LETTERS_PT: Final = 8.4
"""Of all writing. At the width of a sheet, with 96 px to an inch, letters have 11.2 px."""
PICTURE_MM: Final = 150
"""Width of an arm's own pictures, of which a page shows two side by side."""
WIDEST_LETTER_MM: Final = 1.6
"""What a letter of that size takes at most, on the average of a line."""
LINE_MM: Final = 4.3

FEW_DECADES: Final = 1.95
"""In sight of an axis, for which marks at powers of ten alone would be too few."""

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
PALETTE: Final = (BLUE, VERMILLION, GREEN, PURPLE, BLACK, ORANGE, SKY)
"""Okabe and Ito's colours for everyone ("Color universal design", 2008), without the yellow, which
white paper swallows. Any two are at least 10 apart (CIEDE2000) for every kind of colour vision."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Paper of a width, and what has room on it."""

    width_mm: int
    columns: int
    """Panels side by side."""
    most_letters: int
    """Of a name."""
    most_groups: int
    """Groups that have a line each."""

    @property
    def letters(self) -> int:
        """Letters of a line across the sheet."""
        return int((self.width_mm - 4) / WIDEST_LETTER_MM)

    def short(self, name: str) -> str:
        """A name that leaves room for the axes."""
        return name if len(name) <= self.most_letters else f"{name[: self.most_letters - 1]}…"

    def wrapped(self, text: str) -> str:
        """A text in lines that are no wider than the sheet."""
        return "\n".join(textwrap.wrap(text, self.letters))

    def entries(self, words: list[str]) -> int:
        """How many entries of a legend stand side by side."""
        longest = max((len(one) for one in words), default=0)
        return max(1, int((self.width_mm - 6) / (longest * WIDEST_LETTER_MM + 11)))


PAGE: Final = Sheet(width_mm=180, columns=4, most_letters=36, most_groups=40)
COLUMN: Final = Sheet(width_mm=85, columns=2, most_letters=16, most_groups=16)


@contextmanager
def style() -> Iterator[None]:
    """Draw as every reader of a paper expects it, whatever the user's own settings are.

    No text is a formula: a name may hold a dollar sign. SVG files keep text as text, which can be
    searched, read out and set in a journal's own letters, and other letters move nothing else. PDF
    files embed the outlines of the letters that they use (type 3): TrueType subsets, which some
    publishers ask for, would take a third of the time of a whole summary. Those are made of the SVG
    file. Names inside of SVG files are hashed with a fixed salt, so that equal figures have equal
    bytes.
    """
    ours: Any = {
        "font.size": LETTERS_PT,
        "svg.fonttype": "none",
        # Else the names are drawn at random: https://github.com/matplotlib/matplotlib/issues/23693
        "svg.hashsalt": "phasehub",
        "pdf.fonttype": 3,
        "text.parse_math": False,
        "axes.unicode_minus": False,
        "lines.linewidth": 1.0,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": LETTERS_PT,
        "axes.titlelocation": "left",
        "axes.labelsize": LETTERS_PT,
        "xtick.labelsize": LETTERS_PT,
        "ytick.labelsize": LETTERS_PT,
        "legend.fontsize": LETTERS_PT,
        "legend.frameon": False,
        "figure.titlesize": LETTERS_PT,
        "figure.constrained_layout.w_pad": 0.03,
        "figure.constrained_layout.h_pad": 0.03,
    }
    with mpl.rc_context({**mpl.rcParamsDefault, **ours}):
        yield


def mark_powers(axes: Axes) -> None:
    """Few ticks on a logarithmic horizontal axis whose limits are set, spelled as numbers.

    Where less than two powers of ten are in sight, their threefold is marked as well.
    """
    low, high = axes.get_xlim()
    marked = (1, 3) if math.log10(high / low) < FEW_DECADES else (1,)
    axes.xaxis.set_major_locator(LogLocator(subs=marked, numticks=3))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def blank(width_mm: float, height_mm: float, dpi: int = DOTS_PER_INCH) -> Figure:
    """An empty figure of such a size."""
    size = (width_mm / MM_PER_INCH, height_mm / MM_PER_INCH)
    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure
