"""What an arm's fit came to, unit by unit: its table of columns as typed values."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, RootModel

from runner.core.reading import parse_table, shortened, typed

Column = tuple[Annotated[float, Field(strict=True)] | None, ...]
"""A number for each unit of the fit; ``None`` where it was not finite."""


class HistoryTable(RootModel[dict[str, Column | dict[str, Column] | None]]):
    """The file as it is written: columns, and tables of columns."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


def parse_history(content: bytes, name: str) -> dict[str, Column]:
    """The columns of the file called ``name``; those of a table have dotted names.

    Raises ``ValueError`` for what is no such file, and for a name that two columns have.
    """
    columns: dict[str, Column] = {}
    for key, value in typed(HistoryTable, parse_table(content, name), name).root.items():
        inner = value if isinstance(value, dict) else {"": value}
        for one, column in inner.items():
            if (full := f"{key}.{one}" if isinstance(value, dict) else key) in columns:
                raise ValueError(f"{name} has two columns called {shortened(repr(full))}")
            if column is not None:
                columns[full] = column
    return columns
