"""A table as all pages show it: Markdown, HTML and the console have the same cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runner.report.drawn import Drawn
from runner.report.wording import NOTHING, aligned, markdown

Kind = Literal["", "good", "bad", "quiet"]


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A mark before a cell's text, and the word for it."""

    mark: str
    word: str
    kind: Kind


HOLDS = {
    True: Sign(mark="✓", word="holds", kind="good"),
    False: Sign(mark="✗", word="fails", kind="bad"),
    None: Sign(mark="not measured", word="not measured", kind="quiet"),
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in one place: a text, and what is said of it."""

    text: str
    value: float | None = None
    """The same without rounding, for whoever sorts or computes."""
    kind: Kind = ""
    sign: Sign | None = None
    note: int | None = None
    """Number of a footnote."""
    dagger: str = ""
    """A sign behind the text that a remark below the table begins with."""
    aside: str = ""
    """What stands behind the text with less weight."""
    drawn: Drawn | None = None
    """A drawing in its place, where pages can have one; elsewhere the column is left out."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading; ``code`` for names of knobs and rules, ``is_drawn`` for one of drawings."""

    heading: str
    is_number: bool = False
    is_code: bool = False
    is_drawn: bool = False
    may_wrap: bool = False
    """Whether a cell of numbers may be broken into lines."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns and rows; the first cell of a row is its heading."""

    label: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    fixed: tuple[tuple[Cell, ...], ...] = ()
    """Rows that stay at the end of a page's table, whatever its order: what others are held to."""
    kinds: tuple[str, ...] = ()
    """Of each row: names by which a page may colour it; none where rows are alike."""
    id: str = ""
    wraps: bool = False
    """Whether long headings of rows may be broken."""

    @property
    def lines(self) -> list[tuple[tuple[Cell, ...], str]]:
        """Rows with their kinds."""
        kinds = self.kinds or ("",) * len(self.rows)
        return list(zip(self.rows, kinds, strict=True))


def cells(texts: Sequence[str]) -> tuple[Cell, ...]:
    """Plain cells."""
    return tuple(Cell(text=text) for text in texts)


def turned(table: Table, first: str) -> Table:
    """The table with its columns as rows; ``first`` is the heading above the old ones."""
    headings = [column.heading for column in table.columns[1:]]
    return Table(
        label=table.label,
        columns=(
            Column(heading=first, is_code=any(one.is_code for one in table.columns)),
            *(Column(heading=row[0].text) for row in table.rows),
        ),
        rows=tuple(
            (Cell(text=heading), *(row[place] for row in table.rows))
            for place, heading in enumerate(headings, start=1)
        ),
    )


# --- what they are written in --------------------------------------------------------------------


def in_markdown(table: Table) -> str:
    """Lines of Markdown, without a line end behind the last."""
    shown = [place for place, column in enumerate(table.columns) if not column.is_drawn]
    columns = [table.columns[place] for place in shown]
    rows = [
        [markdown(column.heading) for column in columns],
        *([_in_markdown(row[place]) for place in shown] for row in table.rows),
    ]
    rule = "|" + "".join("---:|" if column.is_number else "---|" for column in columns)
    head, *lines = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, rule, *lines])


def _in_markdown(cell: Cell) -> str:
    sign = f"{cell.sign.mark} " if cell.sign else ""
    note = f" ({cell.note})" if cell.note else ""
    aside = f" ({markdown(cell.aside)})" if cell.aside else ""
    dagger = f" {cell.dagger}" if cell.dagger else ""
    return f"{sign}{markdown(cell.text)}{note}{aside}{dagger}"


def on_console(table: Table) -> str:
    """Columns of text, two blanks apart."""
    heads = [column.heading for column in table.columns if not column.is_drawn]
    rows = [
        [
            _on_console(cell)
            for cell, column in zip(row, table.columns, strict=True)
            if not column.is_drawn
        ]
        for row in table.rows
    ]
    return aligned([heads, *rows])


def _on_console(cell: Cell) -> str:
    """Without asides: consoles are narrow."""
    if cell.sign:
        return f"{cell.sign.word}: {cell.text}"
    return f"{cell.text} ({cell.note})" if cell.note else cell.text or NOTHING
