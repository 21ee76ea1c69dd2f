"""A table is made once: Markdown, HTML and the console have the same cells."""

import re
from html import unescape

import pytest

from runner.report.arm_tables import differing as differing_table
from runner.report.arm_tables import measured as measured_table
from runner.report.drawn import rate
from runner.report.pages import page_environment
from runner.report.tables import HOLDS, Cell, Column, Table, cells, in_markdown, on_console, turned
from runner.report.view import make_view

TABLE = Table(
    label="A table",
    columns=(
        Column(heading="arm"),
        Column(heading="a|b", is_code=True),
        Column(heading="n", is_number=True),
        Column(heading="drawn", is_drawn=True),
    ),
    rows=(
        (
            Cell(text="one", dagger="†"),
            Cell(text="0.9", sign=HOLDS[True], aside="margin +0.1"),
            Cell(text="—", note=2),
            Cell(text="", drawn=rate(0.5, (0.25, 0.75))),
        ),
        (*cells(("<two>", "[x](y)", "3")), Cell(text="")),
    ),
    kinds=("failed", ""),
)


def in_html(table):
    template = '{% import "parts.html.j2" as parts %}{{ parts.shown(table) }}'
    environment = page_environment("runner.report")
    environment.autoescape = True
    return environment.from_string(template).render(table=table)


def texts(html):
    """Rows of what a reader sees in a table of HTML."""
    return [
        [unescape(re.sub(r"<[^>]+>", "", cell).replace("&thinsp;", " ")).strip() for cell in found]
        for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)
        if (found := re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL))
    ]


def test_markdown_escapes_what_would_be_markup_and_leaves_drawings_out():
    assert in_markdown(TABLE).splitlines() == [
        "| arm | a\\|b | n |",
        "|---|---|---:|",
        "| one † | ✓ 0.9 (margin +0.1) | — (2) |",
        "| &lt;two&gt; | \\[x\\](y) | 3 |",
    ]


def test_html_has_the_same_cells_a_drawing_and_words_for_its_signs():
    html = in_html(TABLE)
    assert texts(html) == [
        ["arm", "a|b", "n", "drawn"],
        ["one †", "✓ 0.9 margin +0.1", "—2", ""],
        ["<two>", "[x](y)", "3", ""],
    ]
    assert '<span class="good" role="img" aria-label="holds:">✓</span>' in html
    assert '<tr class="failed"><th scope="row">one' in html
    assert '<td class="number">—<sup>2</sup></td>' in html
    assert html.count('<svg class="interval"') == 1


def test_the_console_spells_signs_and_keeps_to_texts():
    assert on_console(TABLE).splitlines() == [
        "arm    a|b         n",
        "one    holds: 0.9  — (2)",
        "<two>  [x](y)      3",
    ]


def test_a_turned_table_has_the_same_cells():
    table = turned(TABLE, "what")
    assert [column.heading for column in table.columns] == ["what", "one", "<two>"]
    assert table.rows[0] == (Cell(text="a|b"), TABLE.rows[0][1], TABLE.rows[1][1])
    assert table.columns[0].is_code


@pytest.mark.parametrize("kind", ["differing", "measured", "rules"])
def test_all_three_say_the_same_of_a_hub(record, kind):
    view = make_view(record)
    table = {
        "differing": differing_table(view.knob_names, view.rows),
        "measured": measured_table([heading for heading, _ in view.results], view.rows),
        "rules": view.rules,
    }[kind]
    if kind == "measured":  # without pace and time, of which there are no headings here
        table = measured_table(
            [*(heading for heading, _ in view.results), "steps/s", "time"], view.rows
        )
    marked = [line for line in in_markdown(table).splitlines() if not line.startswith("|---")]
    html = texts(in_html(table))
    assert len(marked) == len(html) == len(on_console(table).splitlines())
    for row, line in zip(table.rows, on_console(table).splitlines()[1:], strict=True):
        assert all(cell.text in line for cell in row)
    for row, line in zip(table.rows, html[1:], strict=True):
        assert all(cell.text in seen for cell, seen in zip(row, line, strict=True))


def test_a_drawing_stays_inside_its_frame():
    assert rate(0.0, (0.0, 0.1)).low == 4
    assert rate(1.0, (0.9, 1.0)).high == 116
    assert rate(None, None) is None
    assert rate(0.5, None).low == rate(0.5, None).high == 60
