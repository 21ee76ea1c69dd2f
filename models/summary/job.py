"""The job at the end of a phase: from the small files of all arms to statistics and plots."""

from __future__ import annotations

from pathlib import Path

from models.config.summary import Summary
from models.job import Events, Job, write_json
from models.summary.comparisons import groups_of
from models.summary.curves import plot_gradients, plot_learning_rates, plot_losses
from models.summary.document import statistics
from models.summary.figure import choose
from models.summary.profiles import plot_activations, plot_correlations
from models.summary.runs import read_runs
from models.summary.scores_plot import plot_scores

PLOTS = {
    "losses.png": plot_losses,
    "learning_rates.png": plot_learning_rates,
    "gradient_norms.png": plot_gradients,
    "correlations.png": plot_correlations,
}
"""File → what draws it from the arms."""


def summarise(job: Job, summary: Summary, out: Path, events: Events) -> None:
    """Write ``statistics.json`` and the plots over all arms.

    Raises:
        ValueError: a file of an arm cannot be used; the message names both.
    """
    runs = read_runs(job, summary)
    events.stage("statistics")
    write_json(out / "statistics.json", statistics(summary, runs, job.seed))
    events.stage("plots")
    labels = [group.label for group in summary.groups]
    shown = choose(runs, labels)
    for name, plot in PLOTS.items():
        plot(shown, out / name)
    if any(run.activations for run in shown.runs):
        plot_activations(shown, out / "activations.png")
    plot_scores(groups_of(summary, runs), out / "scores.png")
