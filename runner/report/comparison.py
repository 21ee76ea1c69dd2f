"""Several hubs on one page: their arms in one table, with what makes them no fair comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.report import wording
from runner.report.arm_rows import arm_table, constant_scores
from runner.report.comparability import comparability_notes
from runner.report.curves import curves
from runner.report.designs import EXPLORED
from runner.report.groups import evidence_statements, groups_view
from runner.report.inlined import MOST_PICTURE_BYTES, Inlined, inline
from runner.report.pages import MARKS, Afresh, address, columns, page_environment, with_script
from runner.report.view import PLOTS, Picture, make_view
from runner.verify.baselines import Baseline, profile_in_words
from runner.verify.statistics import Statistics

PAGE = "comparison.md"
REPORT = "comparison.html"
FOREMOST = EXPERIMENT.results.pictures[0][1]
MOST_PICTURES = 12
"""Arms whose foremost picture is in a page of several hubs, shared out among the hubs."""


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
    records = [(name, one.record) for name, one in named]
    facts = [one.facts for one in hubs]
    table = arm_table(arms)
    stats = [stat for _, stat in table.results]
    return (
        page_environment("runner.report")
        .get_template(f"{PAGE}.j2")
        .render(
            hubs=[(name, one, profile_in_words(one.facts.profile)) for name, one in named],
            comparability_notes=comparability_notes(records, facts, dict(table.results), own=False),
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


def report_comparison(hubs: Sequence[Baseline], afresh: Sequence[Afresh]) -> str:
    """One page of several hubs, in itself: tables, curves, pictures; without statistics.

    ``afresh`` says of each hub which one it is and where it lies.
    """
    named = list(zip(names_of(hubs), hubs, afresh, strict=True))
    table = arm_table([(name, arm) for name, one, _ in named for arm in one.record.arms])
    records = [(name, one.record) for name, one, _ in named]
    pictures, inlined, in_full = _pictures(named)
    arms = {
        f"{name} · {arm.name}": (arm, one.folder)
        for name, one, _ in named
        for arm in one.record.arms
    }
    values = {
        "hubs": [
            (name, one, profile_in_words(one.facts.profile), at, address(at.at, layout.REPORT))
            for name, one, at in named
        ],
        "comparability_notes": comparability_notes(
            records, [one.facts for one in hubs], dict(table.results), own=False
        ),
        "table": table,
        "columns": columns(table.results),
        "constant": _constant(hubs),
        "pictures": pictures,
        "in_full": in_full,
        "hidden_pictures": len(pictures) < len(arms),
        "version": afresh[0].version,
    }
    page = page_environment("runner.report").get_template(f"{REPORT}.j2")
    return with_script(page, values, inlined, pictures, curves(arms, {}))


def _pictures(
    hubs: Sequence[tuple[str, Baseline, Afresh]],
) -> tuple[list[Picture], Inlined, dict[str, str]]:
    """The foremost picture of the first arms of each hub; paths begin with the hub's name here.

    Beside them, where those that are small here lie in full.
    """
    found: list[Picture] = []
    in_full: dict[str, str] = {}
    whole = Inlined(addresses={}, left_out={}, panels={})
    left = MOST_PICTURE_BYTES
    for place, (name, one, at) in enumerate(hubs):
        of_hub = [
            picture for picture in make_view(one.record).pictures if picture.name == FOREMOST.name
        ][: max(1, MOST_PICTURES // len(hubs))]
        room = left // (len(hubs) - place)
        inlined = inline(one.folder, [picture.path for picture in of_hub], room)
        left -= inlined.bytes
        for picture in of_hub:
            if picture.path in inlined.addresses:
                path, arm = f"{name}/{picture.path}", f"{name} · {picture.arm}"
                found.append(replace(picture, path=path, arm=arm))
                whole.addresses[path] = inlined.addresses[picture.path]
                if picture.path in inlined.small:
                    in_full[path] = address(at.at, picture.path)
                if picture.path in inlined.panels:
                    whole.panels[path] = inlined.panels[picture.path]
    return found, whole, in_full


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
