"""Nothing that is printed on a terminal is wider than it is, and nothing is lost by that."""

from collections import Counter
from pathlib import Path

import pytest

from runner.hub import layout
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.report.folding import columns, fitting
from runner.report.hub_text import render_list, render_show
from runner.report.plan_text import render_plan

ROOT = Path(__file__).parents[3]
HUBS = sorted(path.parent for path in ROOT.glob("docs/study/hubs/*/*/hub.json"))
MANIFESTS = sorted(ROOT.glob("manifests/phase*.toml"))
WIDTH = 80


def signs(text):
    """How often each sign is in a text, whatever lines and columns it has."""
    return Counter("".join(text.split()))


@pytest.mark.parametrize("hub", HUBS, ids=lambda hub: f"{hub.parent.name}-{hub.name}")
def test_what_a_hub_says_fits_a_terminal_and_is_as_it_was_without_one(hub):
    record = layout.read(hub)
    whole = render_show(record)
    folded = fitting(WIDTH, lambda: render_show(record))
    assert max(map(len, folded.splitlines())) <= WIDTH
    assert signs(whole) <= signs(folded), "nothing is left out"
    assert fitting(None, lambda: render_show(record)) == whole


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda path: path.stem)
def test_a_plan_fits_a_terminal(manifest):
    plan = make_plan(load(manifest))
    folded = fitting(WIDTH, lambda: render_plan(plan))
    assert max(map(len, folded.splitlines())) <= WIDTH


def test_a_list_of_hubs_fits_a_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT / "docs" / "study")
    hubs = [hub.relative_to(ROOT / "docs" / "study") for hub in HUBS]
    folded = fitting(WIDTH, lambda: render_list(hubs))
    assert max(map(len, folded.splitlines())) <= WIDTH


ROWS = [
    ("arm", *(f"column{n}" for n in range(20))),
    ("one", *(f"a{n}" for n in range(20))),
    ("two", *(f"b{n}" for n in range(20))),
    ("three", "cannot be read"),
]


def test_a_wide_table_is_folded_into_blocks_that_begin_with_the_same_column():
    blocks = fitting(WIDTH, lambda: "\n".join(columns(ROWS))).split("\n\n")
    assert len(blocks) == 3
    assert [[line.split()[0] for line in block.splitlines()] for block in blocks] == [
        ["arm", "one", "two", "three"],
        ["arm", "one", "two"],
        ["arm", "one", "two"],
    ]
    words = [line.split() for block in blocks for line in block.splitlines()]
    assert [w for line in words if line[0] == "one" for w in line[1:]] == list(ROWS[1][1:])


def test_a_cell_that_is_wider_than_the_terminal_is_broken():
    rows = [("what", "x" * 200), ("y", "z")]
    folded = fitting(WIDTH, lambda: "\n".join(columns(rows)))
    assert folded.count("x") == 200
    assert max(map(len, folded.splitlines())) <= WIDTH
