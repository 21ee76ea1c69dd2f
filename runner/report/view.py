"""A record as its pages show it: tables of text, sentences, footnotes. No layout, no markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.core.text import plain
from runner.experiment import EXPERIMENT
from runner.hub.layout import arm_dir
from runner.hub.leaves import differing_knobs, leaves
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.report.arm_rows import (
    Footnote,
    Results,
    Row,
    arm_table,
    baseline_cells,
    constant_scores,
)
from runner.report.comparability import comparability_notes
from runner.report.groups import GroupsView, evidence_statements, groups_view, has_seeds
from runner.report.registered import registered_statements
from runner.report.rule_table import judged, rule_table, rules_of
from runner.report.statements import Statement, statements
from runner.report.tables import Cell, Table
from runner.report.wording import came_about_and_why, declared, measured
from runner.verify.statistics import Statistics

PLOTS = tuple((one.name, one.caption) for one in EXPERIMENT.results.plots)
"""The plots over all arms, at the hub's root, in the order in which pages show them."""

MOST_ARMS = 12
"""Arms of which every page shows pictures; of more it shows one of each group."""

PICTURES = tuple((one.name, one.caption) for _, one in EXPERIMENT.results.pictures)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image of an arm, by its path inside the hub."""

    arm: str
    name: str
    path: str
    caption: str
    as_planned: bool
    came_to: str
    """What became of the arm where that is the endpoint or no result; empty for a sound one."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Everything that the pages of one hub show."""

    record: HubRecord
    statements: tuple[Statement, ...]
    headlines: tuple[Statement, ...]
    """The same, those first that answer the question."""
    reasons: tuple[tuple[str, str], ...]
    """Name of each arm that came to the endpoint or to no result, and why that is said."""
    knob_names: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[Footnote, ...]
    """The first one has number 1."""
    results: Results
    """Heading and statistic of the scores in ``rows``."""
    definitions: str
    """By which definitions the scores are; empty where nothing was scored."""
    num_judged: int
    num_rules: int
    rules: Table | None
    """The success rules against the arms; ``None`` where no arm was judged."""
    shared: tuple[tuple[str, str], ...]
    """Name and value of every knob that is the same in all arms."""
    pictures: tuple[Picture, ...]
    """Of all arms, or where they are many of one arm of each group."""
    hidden_pictures: tuple[Picture, ...]
    """The others, which are linked."""
    kept: tuple[tuple[str, tuple[Picture, ...]], ...]
    """Name of each arm that left pictures of its endpoint, and those."""
    plots: tuple[tuple[str, str], ...]
    """Path and caption of the plots over all arms."""
    comparability_notes: tuple[str, ...]
    """What a reader must know before comparing rows."""
    groups: GroupsView | None
    """What several arms show together; ``None`` where no statistics were made."""
    constant: str | None
    """What is scored for nothing; ``None`` where nothing was scored."""
    baseline: tuple[Cell, ...]
    """The same by column; empty where nothing was scored."""

    @property
    def is_large(self) -> bool:
        """Whether there are so many arms that their groups are to be read first."""
        return len(self.record.arms) > MOST_ARMS

    @property
    def answers(self) -> tuple[Statement, ...]:
        """What came out: what statistics and registered tests say, then the arms."""
        return tuple(one for one in self.headlines if one.about == "answer")

    @property
    def course(self) -> tuple[Statement, ...]:
        """How the run went as a whole, and whatever is bad about it."""
        return tuple(
            one
            for one in self.headlines
            if one.about == "course" or (one.about == "remark" and one.kind == "bad")
        )

    @property
    def remarks(self) -> tuple[Statement, ...]:
        """Details that are not bad."""
        return tuple(one for one in self.headlines if one.about == "remark" and one.kind != "bad")

    @property
    def failed(self) -> tuple[ArmRecord, ...]:
        """The arms that did not succeed."""
        return tuple(arm for arm in self.record.arms if arm.status != "succeeded")


def make_view(
    record: HubRecord, earlier: Sequence[HubRecord] = (), statistics: Statistics | None = None
) -> View:
    """The view of a record, with the arms of ``earlier`` hubs beside its own."""
    own: list[tuple[str | None, ArmRecord]] = [(None, arm) for arm in record.arms]
    table = arm_table(own + [(hub.phase, arm) for hub in earlier for arm in hub.arms])
    groups = (
        groups_view(statistics, record.phase, [stat for _, stat in table.results])
        if statistics
        else None
    )
    pictures, hidden = _pictures(record.arms, groups)
    hubs = [(hub.phase, hub) for hub in (record, *earlier)]
    sentences = statements(record)
    registered = tuple(registered_statements(record))
    evidence = tuple(evidence_statements(statistics)) if statistics else ()
    first, last = (evidence, ()) if statistics and has_seeds(statistics) else ((), evidence)
    return View(
        record=record,
        statements=(*sentences, *registered, *evidence),
        headlines=(*registered, *first, *sentences, *last),
        reasons=tuple(_reasons(record.arms)),
        knob_names=table.knob_names,
        rows=table.rows,
        footnotes=table.footnotes,
        results=table.results,
        definitions=table.definitions,
        num_judged=len(judged(record.arms)),
        num_rules=len(rules_of(record.arms)),
        rules=rule_table(record.arms),
        shared=_shared(record.arms),
        pictures=pictures,
        hidden_pictures=hidden,
        kept=tuple(_kept(record.arms)),
        plots=_plots(record),
        comparability_notes=comparability_notes(hubs, record.compared, dict(table.results)),
        groups=groups,
        constant=constant_scores(record.arms),
        baseline=baseline_cells(record.arms, table.results),
    )


def _reasons(arms: Sequence[ArmRecord]) -> Iterator[tuple[str, str]]:
    endpoint = EXPERIMENT.endpoint
    for arm in arms:
        if arm.fate.reached:
            yield arm.name, f"{endpoint.past}: {plain(arm.fate.why or 'no reason given')}"
        elif arm.fate.shortcoming:
            yield arm.name, plain(endpoint.shortcoming(vars(arm), measured))


def _shared(arms: Sequence[ArmRecord]) -> tuple[tuple[str, str], ...]:
    if not arms:
        return ()
    differing = differing_knobs([arm.plan for arm in arms])
    return tuple(
        (name, declared(value))
        for name, value in leaves(arms[0].parameters)
        if name not in differing
    )


def _plots(record: HubRecord) -> tuple[tuple[str, str], ...]:
    left = {file.path for file in record.summary.files} if record.summary else set()
    return tuple((name, caption) for name, caption in PLOTS if name in left)


def _pictures(
    arms: Sequence[ArmRecord], groups: GroupsView | None
) -> tuple[tuple[Picture, ...], tuple[Picture, ...]]:
    """The pictures that are shown, and those that are linked only.

    Of many arms, of each kind one for each group: the first that there is.
    """
    every = _all_pictures(arms)
    if len(arms) <= MOST_ARMS:
        return every, ()
    left = {(one.arm, one.name) for one in every}
    chosen = set(
        _chosen(left, list(groups.members.values()) if groups else [(arm.name,) for arm in arms])
    )
    shown = tuple(one for one in every if (one.arm, one.name) in chosen)
    return shown, tuple(one for one in every if (one.arm, one.name) not in chosen)


def _chosen(
    left: set[tuple[str, str]], groups: Sequence[Sequence[str]]
) -> Iterator[tuple[str, str]]:
    """Arm and name of the first picture of each kind that a group has."""
    for name, _ in PICTURES:
        firsts = (next((arm for arm in group if (arm, name) in left), None) for group in groups)
        yield from [(arm, name) for arm in firsts if arm is not None][:MOST_ARMS]


def _came_to(arm: ArmRecord) -> str:
    """In few words, what became of an arm that is no result."""
    if arm.fate.reached:
        return f"{EXPERIMENT.endpoint.past}: {came_about_and_why(arm)}"
    return came_about_and_why(arm) if arm.fate.shortcoming else ""


def _kept(arms: Sequence[ArmRecord]) -> Iterator[tuple[str, tuple[Picture, ...]]]:
    for arm in arms:
        every = _all_pictures([arm])
        if pictures := tuple(one for one in every if one.name in EXPERIMENT.results.kept):
            yield arm.name, pictures


def _all_pictures(arms: Sequence[ArmRecord]) -> tuple[Picture, ...]:
    return tuple(
        Picture(
            arm=arm.name,
            name=name,
            path=f"{arm_dir(arm.name)}/{name}",
            caption=caption,
            as_planned=not arm.differences,
            came_to=_came_to(arm),
        )
        for arm in arms
        for name, caption in PICTURES
        if any(file.path == name for file in arm.files)
    )
