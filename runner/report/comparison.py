"""Several hubs on one page: their arms in one table, with what makes them no fair comparison."""

from __future__ import annotations

from collections.abc import Sequence

from runner.report import wording
from runner.report.arm_rows import arm_table, constant_scores
from runner.report.comparability import cautions
from runner.report.designs import EXPLORED
from runner.report.groups import evidence_statements, groups_view
from runner.report.pages import MARKS, columns, page_environment
from runner.report.view import PLOTS
from runner.verify.baselines import Baseline, profile_in_words
from runner.verify.statistics import Statistics

PAGE = "comparison.md"


def render_comparison(
    hubs: Sequence[Baseline],
    statistics: Statistics | None,
    *,
    notes: Sequence[str],
    plots: Sequence[str],
) -> str:
    """Markdown that compares hubs; the first one is what the words "here" speak of.

    ``plots`` are the names of the plots that lie beside the page.
    """
    named = list(zip(names_of(hubs), hubs, strict=True))
    arms = [(name, arm) for name, one in named for arm in one.record.arms]
    told = [(name, one.record) for name, one in named]
    facts = [one.facts for one in hubs]
    table = arm_table(arms)
    stats = [stat for _, stat in table.results]
    return (
        page_environment("runner.report")
        .get_template(f"{PAGE}.j2")
        .render(
            hubs=[(name, one, profile_in_words(one.facts.profile)) for name, one in named],
            cautions=cautions(told, facts, dict(table.results), own=False),
            statements=list(evidence_statements(statistics)) if statistics else [],
            groups=groups_view(statistics, "", stats) if statistics else None,
            table=table,
            constant=_constant(hubs),
            columns=columns(table.results),
            scores=[heading for heading, _ in table.results],
            marks=MARKS,
            explored=EXPLORED,
            status=wording.STATUS_WORDS,
            notes=notes,
            plots=[(name, caption) for name, caption in PLOTS if name in plots],
        )
    )


def _constant(hubs: Sequence[Baseline]) -> str | None:
    """What a constant image would score, where that is the same in all hubs."""
    found = {constant_scores(one.record.arms) for one in hubs}
    return found.pop() if len(found) == 1 else None


def names_of(hubs: Sequence[Baseline]) -> list[str]:
    """The phase where it tells hubs apart, otherwise the hub's whole name."""
    phases = [one.record.phase for one in hubs]
    return [
        one.record.phase if phases.count(one.record.phase) == 1 else one.facts.name for one in hubs
    ]
