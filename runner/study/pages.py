"""What the generated blocks of a study's pages hold. Pure: the same hubs give the same pages."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment

from runner.core.text import plain
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.manifest.set_knobs import in_words
from runner.report.arm_rows import definitions
from runner.report.designs import EXPLORED, could_have_shown
from runner.report.groups import GroupsView
from runner.report.origin import machine_words
from runner.report.pages import MARKS, page_environment
from runner.report.statements import Statement
from runner.report.tally import tally
from runner.report.view import PICTURES, PLOTS, make_view
from runner.report.wording import NOTHING, isolation, markdown, moment
from runner.study.evidence import JudgedFinding, Judgement
from runner.study.phases import StudyPhase
from runner.study.sealed_text import embedded
from runner.study.selection import rank
from runner.study.store import KeptHub, Store

INDEX = "README.md"
HISTORY = "history.md"


@dataclass(frozen=True, kw_only=True)
class Brief:
    """A hub of many arms in a few lines, one table and one picture."""

    statements: tuple[Statement, ...]
    could_have: str
    """Whether its comparisons could have answered at all."""
    groups: GroupsView
    picture: tuple[str, str] | None
    """Caption and path."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A hub on the page of its phase."""

    hub: KeptHub
    changed: bool
    facts: tuple[tuple[str, str], ...]
    design: tuple[str, ...]
    """What its comparisons could have shown, where the sealed summary does not say so itself."""
    text: str
    """The sealed summary, fitted into the page; empty where it is not kept."""
    pictures: tuple[tuple[str, str], ...]
    """Caption and path of those that the text does not show itself."""
    brief: Brief | None
    """What is shown of a hub of many arms; all else is folded."""

    @property
    def profile(self) -> str | None:
        """The hub's profile."""
        return self.hub.record.profile


def study_blocks(
    phases: Sequence[StudyPhase], findings: Sequence[JudgedFinding], store: Store, place: str
) -> dict[str, dict[str, str]]:
    """The content of every generated block, by page and by name.

    ``place`` is where the study lies, from the root of the project.
    """
    statuses = {one.finding.id: one.full_status for one in findings}
    pages = {phase.file: {"phase": phase_block(phase, statuses, place)} for phase in phases}
    return {
        INDEX: {"phases": phases_block(phases), "findings": findings_block(findings)},
        HISTORY: {"attempts": history_block(store)},
        **pages,
    }


def phase_block(phase: StudyPhase, statuses: Mapping[str, str], place: str) -> str:
    """The page of one phase."""
    knobs, arms = phase.declared_arms()
    shown = [_shown(phase, one) for one in phase.hubs]
    return _render(
        "phase",
        phase=phase,
        statuses=statuses,
        knobs=knobs,
        arms=arms,
        shown=shown,
        place=place,
        explored=EXPLORED,
        marks=MARKS,
    )


def phases_block(phases: Sequence[StudyPhase]) -> str:
    """The table of all phases: one row for each current hub."""
    rows = {phase.name: [_hub_row(one) for one in phase.hubs] or [("—",) * 4] for phase in phases}
    return _render("phases", phases=phases, rows=rows)


def findings_block(findings: Sequence[JudgedFinding]) -> str:
    """The table of findings, and what was expected and seen for each."""
    where = {
        one.finding.id: ["<br>".join(_sources(judgement)) for judgement in one.judgements]
        for one in findings
    }
    evidence = {
        id_: "<br>".join(dict.fromkeys(places)) or "no phase asks for it"
        for id_, places in where.items()
    }
    return _render("findings", findings=findings, where=where, evidence=evidence)


def history_block(store: Store) -> str:
    """Every hub that is kept, the newest first."""
    newest = sorted(store.values(), key=lambda one: (one.name, one.phase), reverse=True)
    return _render("history", attempts=[_attempt(one) for one in newest])


def _shown(phase: StudyPhase, one: KeptHub) -> Shown:
    text = ""
    if layout.SUMMARY in one.files:
        sealed = one.files[layout.SUMMARY].decode(errors="replace")
        text = embedded(sealed, folder=one.folder, has=one.leads_to, deeper=1)
    return Shown(
        hub=one,
        changed=phase.has_changed_since(one),
        facts=tuple(_facts(one)),
        design=_design(one, text),
        text=text,
        pictures=tuple(
            (caption, path) for caption, path in _pictures(one) if f"]({path})" not in text
        ),
        brief=_brief(one),
    )


def _brief(one: KeptHub) -> Brief | None:
    view = make_view(one.record, statistics=one.statistics)
    if view.groups is None or not view.is_large:
        return None
    return Brief(
        statements=view.answers + view.course,
        could_have=next(iter(view.groups.design), ""),
        groups=view.groups,
        picture=next(_pictures(one), None),
    )


def _design(one: KeptHub, text: str) -> tuple[str, ...]:
    lines = could_have_shown(one.statistics) if one.statistics else ()
    return () if lines and markdown(lines[0]) in text else lines


def _facts(one: KeptHub) -> Iterator[tuple[str, str]]:
    """Where the hub is from and what tells it from any other, as Markdown."""
    record = one.record
    ran = one.environment
    yield "what is kept", f"[{one.folder}]({one.folder}/)"
    yield "run", f"{moment(record.started)} to {moment(record.ended)}"
    if ran.command:
        yield "command", f"`{_code(shlex.join(['phasehub', *ran.command[1:]]))}`"
    if ran.machine.cpu:
        yield "machine", markdown(machine_words(ran.machine))
    kept_apart = markdown(isolation(record.engine))
    yield "engine", f"{markdown(record.engine.name)}, {kept_apart}, on {record.device}"
    yield "code", _commit(record)
    if text := definitions([(None, arm) for arm in record.arms]):
        yield "definitions", markdown(text)
    several = len(record.datasets) > 1
    digests = ", ".join(f"`{one.parameters_sha256}`" for one in record.datasets)
    yield f"digest{'s' * several} of the dataset{'s' * several}", digests
    yield "digest of SHA256SUMS", f"`{one.digest}`"


def _commit(record: HubRecord) -> str:
    code = record.code
    if not code.commit:
        return f"models/ `{code.models_sha256}`"
    return f"`{_code(code.commit)}`" + (", with uncommitted changes" if code.dirty else "")


def _pictures(one: KeptHub) -> Iterator[tuple[str, str]]:
    """Caption and path of every picture that is kept, the most telling first."""
    captions = dict((*PLOTS, *PICTURES))
    for path in sorted(one.files, key=lambda path: (rank(path), path)):
        if path.endswith(".png"):
            *folders, name = path.split("/")
            caption = captions.get(name, name.removesuffix(".png").replace("_", " "))
            of_what = "".join(f"{folder}: " for folder in folders[1:])
            yield of_what + caption, f"{one.folder}/{path}"


def _hub_row(one: KeptHub) -> tuple[str, ...]:
    counted = tally(one.record)
    cells = (
        f"[{one.name}]({one.folder}/)",
        counted.succeeded,
        counted.rules_hold,
        markdown(counted.reached),
    )
    if one.record.profile is None:
        return cells
    named = (f"{cells[0]} {one.record.profile}", *cells[1:])
    return tuple(f"*{cell}*" for cell in named)


def _sources(judgement: Judgement) -> list[str]:
    """The hubs that were asked, or where one is missing."""
    phase, profile = judgement.phase, judgement.profile
    name = f"{phase}, profile {profile}" if profile else phase
    return [f"[{name}, {one.name}]({phase}.md)" for one in judgement.hubs] or [name]


def _attempt(one: KeptHub) -> tuple[str, ...]:
    record, counted = one.record, tally(one.record)
    return (
        moment(record.started),
        f"[{record.phase}]({record.phase}.md)",
        record.profile or NOTHING,
        f"{markdown(record.engine.name)} on {record.device}",
        counted.succeeded,
        counted.rules_hold,
        markdown(counted.reached),
        _ending(one),
        f"`{(record.code.commit or record.code.models_sha256)[:12]}`"
        + (" changed" if record.code.dirty else ""),
        f"[{one.name}]({one.folder}/)",
        f"`{one.digest}`",
    )


def _ending(one: KeptHub) -> str:
    if one.record.interrupted:
        return "interrupted"
    if one.record.only:
        return "run in part"
    if one.record.set_knobs:
        return markdown(f"with {in_words(one.record.set_knobs)}")
    return "finished"


def _code(text: str) -> str:
    """Text inside a span of code in a table."""
    return plain(text).replace("`", "'").replace("|", "\\|")


def _render(name: str, **values: object) -> str:
    return _pages().get_template(f"{name}.md.j2").render(**values)


@cache
def _pages() -> Environment:
    return page_environment("runner.study")
