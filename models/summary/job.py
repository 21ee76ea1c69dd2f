"""The job at the end of a phase: from the small files of all arms to statistics and plots."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from models.config.summary import Summary
from models.job import LINES, Events, Job, write_json
from models.picture import UNSAID, arrange, save_lines, save_png
from models.sheet import COLUMN, PAGE, Sheet, style
from models.summary.comparisons import groups_of
from models.summary.curves import plot_gradients, plot_learning_rates, plot_losses
from models.summary.document import statistics
from models.summary.figure import Shown, choose
from models.summary.profiles import plot_activations, plot_correlations
from models.summary.runs import read_runs
from models.summary.scores_plot import plot_scores

PLOTS: Mapping[str, Callable[[Shown, Sheet], Figure]] = {
    "losses": plot_losses,
    "learning_rates": plot_learning_rates,
    "gradient_norms": plot_gradients,
    "correlations": plot_correlations,
}
"""Name → what draws it from the arms."""


def summarise(job: Job, summary: Summary, out: Path, events: Events) -> None:
    """Write ``statistics.json`` and the plots over all arms.

    Raises:
        ValueError: a file of an arm cannot be used; the message names both.
    """
    runs = read_runs(job, summary)
    events.stage("statistics")
    write_json(out / "statistics.json", statistics(summary, runs, job.seed))
    events.stage("plots")
    shown = choose(
        runs,
        [group.label for group in summary.groups],
        [group.knobs for group in summary.groups],
    )
    for name, plot in PLOTS.items():
        write(partial(plot, shown), out, name)
    if any(run.activations for run in shown.runs):
        write(partial(plot_activations, shown), out, "activations")
    write(partial(plot_scores, groups_of(summary, runs), shown.design), out, "scores")


def write(plot: Callable[[Sheet], Figure], out: Path, name: str) -> None:
    """Draw one plot on every sheet: as lines in ``plots/``, and the page as pixels beside it."""
    folder = out / LINES
    folder.mkdir(exist_ok=True)
    for sheet in (PAGE, COLUMN):
        with style():
            drawn = plot(sheet)
            arrange(drawn)
            for suffix in UNSAID:
                save_lines(drawn, folder / f"{name}_{sheet.width_mm}mm{suffix}")
            if sheet is PAGE:
                save_png(drawn, out / f"{name}.png")
