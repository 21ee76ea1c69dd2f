"""The pages of a hub, rendered from its record, and the metrics table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup, escape

from runner.core.digest import pretty_json
from runner.core.text import briefly, listing, plain, visible
from runner.experiment import EXPERIMENT
from runner.experiment.interface import Plot
from runner.hub import layout
from runner.hub.metrics_table import metrics_rows
from runner.hub.record import HubRecord
from runner.hub.records.data import DatasetRecord
from runner.manifest.dataset_names import users
from runner.report import arm_tables, group_tables, tables, wording
from runner.report.arm_rows import Results
from runner.report.curves import Curves, curves
from runner.report.designs import EXPLORED
from runner.report.inlined import Inlined, inline, is_telling, slider
from runner.report.origin import origin
from runner.report.repeat import how_to_repeat
from runner.report.scripts import data, joined, policy, vendored
from runner.report.timeline import timeline
from runner.report.view import Picture, View, make_view
from runner.verify.statistics import Statistics, read_statistics

MARKS = {"good": "✓", "neutral": "·", "bad": "✗"}
KINDS = {"good": "good:", "neutral": "note:", "bad": "problem:"}


def write_reports(record: HubRecord, folder: Path, earlier: Sequence[HubRecord] = ()) -> None:
    """Write the pages of ``record`` into ``folder``, where the arms' files lie already.

    ``earlier`` are the hubs of the phases that the manifest wants this one to be compared with;
    their arms stand beside this phase's in the tables.
    """
    statistics, problem = _statistics(folder)
    if problem:
        record = record.model_copy(update={"notes": (*record.notes, problem)})
    view = make_view(record, earlier, statistics)
    for name in (layout.README, layout.SUMMARY, layout.REPORT):
        (folder / name).write_text(render(name, view, folder), encoding="utf-8")
    rows = metrics_rows(record)
    metrics = folder / layout.metrics_name(record.stage, record.phase)
    metrics.write_bytes(pretty_json(rows))


SCRIPTS = ("tables.js", "slider.js")
DRAWING = ("vendored/uPlot.iife.min.js", "curves.js")
"""What a page with curves has beside."""
SCRIPT_OF = {False: SCRIPTS, True: (*SCRIPTS, *DRAWING)}
"""Whether a page has curves → its scripts."""
MOST_DATASETS = 40
"""Datasets that a page tells of, one by one."""


def _statistics(folder: Path) -> tuple[Statistics | None, str | None]:
    """The statistics over arms, or why they cannot be shown."""
    try:
        return read_statistics(folder, layout.STATISTICS), None
    except ValueError as error:
        return None, f"the statistics over arms cannot be used: {error}"


@dataclass(frozen=True, kw_only=True)
class Afresh:
    """What a page says of itself that is no part of its hub: what made it, and of which hub."""

    version: str
    hub: str
    sha256: str
    at: str
    """Where the hub lies, seen from the page."""


def render(name: str, view: View, folder: Path, afresh: Afresh | None = None) -> str:
    """The text of one page; ``folder`` tells which files the hub has, and holds its pictures."""
    record, score = view.record, EXPERIMENT.results.worded[0]
    environment = page_environment("runner.report", afresh.at if afresh else "")
    page = environment.get_template(f"{name}.j2")
    values: dict[str, Any] = {
        "afresh": afresh,
        "view": view,
        "record": record,
        "status": wording.STATUS_WORDS,
        "columns": columns(view.results),
        "scores": [heading for heading, _ in view.results],
        "marks": MARKS,
        "kinds": KINDS,
        "facts": facts(record),
        "metrics": layout.metrics_name(record.stage, record.phase),
        "arm_dirs": {arm.name: layout.arm_dir(arm.name) for arm in record.arms},
        "explored": EXPLORED,
        "repeat": how_to_repeat(record, folder),
        "telling": partial(is_telling, folder),
        "compared_score": {stat: heading for heading, stat in view.results}.get(score, score),
    }
    if name == layout.REPORT:
        values["origin"] = origin(record, facts(record), folder)
        values["timeline"] = timeline(record, folder)
        return _alone(page, values, folder)
    return page.render(values)


def _alone(page: Template, values: dict[str, Any], folder: Path) -> str:
    """The page of one hub, with its pictures inside."""
    view: View = values["view"]
    inlined = inline(folder, picture_paths(view))
    members = view.groups.members if view.groups else {}
    drawn = curves({arm.name: (arm, folder) for arm in view.record.arms}, members)
    return with_script(page, values, inlined, view.pictures, drawn)


def with_script(
    page: Template,
    values: dict[str, Any],
    inlined: Inlined,
    pictures: Sequence[Picture],
    drawn: Curves | None,
) -> str:
    """A page with everything inside that is shown in it; it says how large it is, in megabytes."""
    script = joined(SCRIPT_OF[drawn is not None])
    values = {
        **values,
        "inlined": inlined,
        "slider": data(slider(pictures, inlined)),
        "curves": drawn,
        "curves_data": data(drawn.table()) if drawn else "",
        "curves_style": vendored("uPlot.min.css") if drawn else "",
        "license": vendored("uPlot.LICENSE") if drawn else "",
        "script": script,
        "policy": policy(script),
    }
    size = len(page.render(values, megabytes="").encode())
    return page.render(values, megabytes=f"{size / 1e6:.1f}")


def page_policy() -> str:
    """What any page of this version may do, whatever hub it is of: its own script runs, no other.

    For who sends pages: it says the same as the page, where nothing of a hub comes before it.
    """
    return policy(*map(joined, SCRIPT_OF.values()))


def picture_paths(view: View) -> Iterator[str]:
    """Every picture of a page, the most important first."""
    plots = [path for path, _ in view.plots]
    yield from plots[:1]
    for _, one in EXPERIMENT.results.pictures:
        yield from (picture.path for picture in view.pictures if picture.name == one.name)
    yield from plots[1:]


def columns(results: Results) -> list[str]:
    """Headings of what was measured of each arm."""
    return [*(heading for heading, _ in results), "steps/s", "time"]


def facts(record: HubRecord) -> list[tuple[str, str]]:
    """Where a phase ran and from what, as names and values."""
    engine = record.engine
    code = record.code
    dirty = {True: ", with uncommitted changes", False: ", clean", None: ""}[code.dirty]
    image = record.image or {}
    pairs = [
        ("engine", f"{engine.name}, {wording.isolation(engine)}"),
        ("device", record.device),
        ("image", str(image.get("reference") or image.get("id") or "")),
        ("image id", str(image.get("id") or "")),
        ("Python", str(image.get("python") or engine.facts.get("python") or "")),
        (
            "digest of packages",
            str(image.get("packages_sha256") or engine.facts.get("packages_sha256") or ""),
        ),
        ("code", f"{code.commit}{dirty}" if code.commit else code.note or "unknown"),
        ("uncommitted changes", code.diff or ""),
        ("digest of models/", code.models_sha256),
        *_datasets(record),
        ("lock", record.lock_sha256 or ""),
        ("seed", str(record.seed)),
        ("total time of arms", wording.duration(sum(arm.wall_s or 0.0 for arm in record.arms))),
        ("run", f"{wording.moment(record.started)} to {wording.moment(record.ended)}"),
    ]
    return [(name, value) for name, value in pairs if value]


def _datasets(record: HubRecord) -> Iterator[tuple[str, str]]:
    """The datasets; where there are several, each with the arms that were shown it."""
    if len(record.datasets) == 1:
        yield "dataset", _origin(record.datasets[0])
        return
    yield (
        "datasets",
        f"{len(record.datasets)}, each simulated once for its arms",
    )
    arms = users(record.datasets, record.arms)
    for one in record.datasets[:MOST_DATASETS]:
        shown_to = briefly([arm.name for arm in arms[one.name]]) or "no arm"
        yield one.name, f"{_origin(one)}, for {shown_to}"
    if len(record.datasets) > MOST_DATASETS:
        yield "further datasets", f"{len(record.datasets) - MOST_DATASETS}, in hub.json"


def _origin(dataset: DatasetRecord) -> str:
    made = "from the cache, verified" if dataset.cached else "simulated by this run"
    origin = made if dataset.status == "succeeded" else wording.STATUS_WORDS[dataset.status]
    return f"{dataset.parameters_sha256}, {origin}"


def _breakable(name: str) -> Markup:
    """A dotted name that a narrow column may break behind its dots and underscores."""
    return Markup(str(escape(visible(name))).replace(".", ".<wbr>").replace("_", "_<wbr>"))  # noqa: S704


def address(at: str, path: str) -> str:
    """The address of a file of the hub."""
    return f"{quote(at)}/{path}" if at else path


def _shown(value: object) -> object:
    """What stands on a page: nothing in it can turn the line around or steer a terminal."""
    # Markup is made of what was shown already, and may hold megabytes of pictures.
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _by_heading(pictures: Sequence[tuple[str, Plot]]) -> list[tuple[str, list[str], bool]]:
    """Under each heading the names of pictures, and whether each takes a line of its own."""
    found: dict[str, list[Plot]] = {}
    for heading, one in pictures:
        found.setdefault(heading, []).append(one)
    return [
        (heading, [one.name for one in plots], any(one.is_wide for one in plots))
        for heading, plots in found.items()
    ]


def _explained(constant: str | None) -> str:
    """What the scores of a table are, and what would be scored for nothing."""
    results = EXPERIMENT.results
    beside = [results.baseline_words.format(scores=constant)] if constant else []
    return " ".join([results.explained, *beside])


def page_environment(package: str, at: str = "") -> Environment:
    """The templates of a package, with the words and signs that all pages share.

    ``at`` is where a page's hub lies, if the page does not lie in it: links lead there.
    """
    environment = Environment(
        loader=PackageLoader(package, package_path=""),
        autoescape=select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_shown,
    )
    results = EXPERIMENT.results
    environment.globals |= {
        "endpoint": EXPERIMENT.endpoint,
        "arm_tables": arm_tables,
        "tables": tables,
        "group_tables": group_tables,
        "explained": _explained,
        "subject_word": EXPERIMENT.parameters.subject_word,
        "foremost_plot": results.plots[0].name,
        "foremost_picture": results.pictures[0][1].name,
        "kinds_of_pictures": _by_heading(results.pictures),
    }
    environment.filters |= {
        "outcome": wording.outcome,
        "md": wording.markdown,
        "fence": wording.fence,
        "plain": plain,
        "duration": wording.duration,
        "moment": wording.moment,
        "listing": listing,
        "briefly": briefly,
        "breakable": _breakable,
        "inside": partial(address, at),
    }
    return environment
