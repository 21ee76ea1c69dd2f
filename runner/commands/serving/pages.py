"""The pages: which address has which, made of what lies in the folder at that moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from http import HTTPStatus
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote

from jinja2 import Environment

from runner.commands.report import page_of
from runner.commands.serving.answer import (
    AFRESH,
    HTML,
    PDF,
    PNG,
    SVG,
    TEXT,
    THEIRS,
    Answer,
    json_answer,
    refusal,
)
from runner.commands.serving.live import Live
from runner.commands.serving.shelf import Shelf, record_of
from runner.compare.diff import diff, render
from runner.core.errors import RunnerError
from runner.core.names import wrong_path
from runner.core.reading import MIB
from runner.hub import layout
from runner.report.hub_text import render_show
from runner.report.pages import page_environment, page_policy
from runner.report.panels import PNG as PNG_MAGIC
from runner.verify.checked_hub import CheckedHub
from runner.verify.sealed_hub import SealedHub

MOST_ROWS = 500
"""Hubs, and arms of a phase, that one page lists."""
MOST_FILES = 2000
MOST_SIDE_BY_SIDE = 12
"""Hubs on one page."""
MOST_FILE_BYTES = 32 * MIB
TEXTS = (".md", ".toml", ".json", ".jsonl", ".csv", ".log", ".txt", ".diff", ".html")
NAMES = ("Dockerfile",)
DRAWINGS = {".png": PNG, ".svg": SVG, ".pdf": PDF}
MAGIC = {PNG: PNG_MAGIC, PDF: b"%PDF-"}
"""How files of a kind begin."""


class ServedPages:
    """The pages of a folder of hubs."""

    def __init__(self, *, folder: Path) -> None:
        self._folder = folder
        self._shelf = Shelf(folder)
        self._live = Live(folder)
        self._one_at_a_time = threading.Lock()

    def answer(self, address: str) -> Answer:
        """The answer to a request for an address, whatever it is."""
        path, _, question = address.partition("?")
        try:
            path = unquote(path, errors="strict")
            asked = parse_qs(question, errors="strict", max_num_fields=20)
        except ValueError:  # UnicodeDecodeError is one
            return refusal(HTTPStatus.BAD_REQUEST, "the address is not UTF-8, or asks too much")
        try:
            return self._page(path, asked) or refusal(HTTPStatus.NOT_FOUND, "no such page")
        except RunnerError as error:
            return self._problem(str(error))

    def _page(self, path: str, asked: Mapping[str, list[str]]) -> Answer | None:
        match path.split("/")[1:]:
            case [""]:
                return self._index(asked)
            case ["api", "runs"]:
                return json_answer(self._live.runs())
            case ["serve.js" | "serve.css" as name]:
                return _own_file(name)
            case ["phase", phase]:
                return self._phase(phase)
            case ["diff"]:
                return self._diff(asked.get("hub", []))
            case ["report", phase, stamp]:
                return self._report([f"{phase}/{stamp}"])
            case ["report"]:
                return self._report(asked.get("hub", []))
            case ["hub", phase, stamp, *inside]:
                return self._hub(f"{phase}/{stamp}", "/".join(inside))
        return None

    def _html(self, template: str, /, **values: object) -> Answer:
        text = (
            _templates().get_template(f"{template}.html.j2").render(folder=self._folder, **values)
        )
        return Answer(body=text.encode(errors="replace"))

    def _problem(self, why: str) -> Answer:
        return replace(self._html("problem", problem=why), status=HTTPStatus.UNPROCESSABLE_ENTITY)

    def _index(self, asked: Mapping[str, list[str]]) -> Answer:
        wanted = " ".join(asked.get("q", []))[:200]
        every = self._shelf.rows()
        rows = [row for row in every if row.matches(wanted.split())]
        return self._html(
            "index",
            rows=rows[:MOST_ROWS],
            more=len(rows) - MOST_ROWS,
            number=len(every),
            wanted=wanted,
            runs=self._live.runs(),
        )

    def _phase(self, phase: str) -> Answer | None:
        rows = [row for row in self._shelf.rows() if row.phase == phase]
        if not rows:
            return None
        hubs = rows[:20]
        arms = dict.fromkeys(name for row in hubs for name in row.arms)
        return self._html(
            "phase",
            phase=phase,
            hubs=hubs,
            more=len(rows) - len(hubs),
            arms=list(arms)[:MOST_ROWS],
            more_arms=len(arms) - MOST_ROWS,
        )

    def _diff(self, names: list[str]) -> Answer | None:
        if len(names) != 2:
            return self._problem("tick two hubs to compare them")
        places = [place for name in names if (place := self._shelf.place(name)) is not None]
        if len(places) != 2:
            return None
        with self._one_at_a_time:
            text = render(diff(*places))
        return self._html("diff", names=names, text=text)

    def _report(self, names: list[str]) -> Answer | None:
        """The page of hubs, made afresh with our script: that of a hub would be its sender's."""
        if not 0 < len(names) <= MOST_SIDE_BY_SIDE:
            return self._problem(f"tick hubs to see them side by side, {MOST_SIDE_BY_SIDE} at most")
        places = {place: name for name in names if (place := self._shelf.place(name)) is not None}
        if len(places) != len(set(names)):
            return None
        with self._one_at_a_time:
            text = page_of(list(places), lambda place: f"/hub/{places[place]}")
        policy = AFRESH.format(page=page_policy())
        return Answer(body=text.encode(errors="replace"), policy=policy)

    def _hub(self, name: str, inside: str) -> Answer | None:
        place = self._shelf.place(name)
        if place is None:
            return None
        if inside:
            return _file(place, inside)
        record = record_of(place)
        try:
            statistics = SealedHub(folder=place).statistics
        except RunnerError:
            statistics = None
        files = [path for path in CheckedHub(folder=place).digests if _kind(path)]
        return self._html(
            "hub",
            name=name,
            record=record,
            text=render_show(record, statistics),
            report=layout.REPORT if layout.REPORT in files else "",
            files=files[:MOST_FILES],
            more=len(files) - MOST_FILES,
        )


def _kind(path: str) -> str:
    """As what a file of a hub is sent; empty for one that no browser shows."""
    name = path.rpartition("/")[2]
    if path == layout.REPORT:
        return HTML
    if (drawn := DRAWINGS.get(PurePosixPath(path).suffix)) is not None:
        return drawn
    return TEXT if path.endswith(TEXTS) or name in NAMES else ""


def _file(place: Path, path: str) -> Answer | None:
    """A file of a hub, as it was sealed: nothing in it runs, asks for anything or frames us."""
    if wrong_path(path) is not None or not (kind := _kind(path)):
        return None
    if path not in CheckedHub(folder=place).digests:
        return None
    content = CheckedHub(folder=place).read(path, most=MOST_FILE_BYTES)
    if not content.startswith(MAGIC.get(kind, b"")):
        return refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "it is not what its name says")
    return Answer(body=content, kind=kind, policy=THEIRS, is_saved=kind == PDF)


@cache
def _own_file(name: str) -> Answer:
    content = Path(__file__).with_name(name).read_bytes()
    kind = "text/css" if name.endswith(".css") else "text/javascript"
    return Answer(body=content, kind=f"{kind}; charset=utf-8")


@cache
def _templates() -> Environment:
    environment = page_environment("runner.commands.serving")
    environment.globals["percent"] = _percent
    return environment


def _percent(part: Any) -> str:  # noqa: ANN401 - of a table
    return "" if part is None else f"{100 * part:.0f} %"
