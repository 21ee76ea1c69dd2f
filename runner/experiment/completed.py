"""Tables of the runner that the experiment completes with fields of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, create_model

from runner.experiment.interface import Fields

ATable = TypeVar("ATable", bound=BaseModel)


def with_fields(fields: Fields, *, after: str = "") -> Callable[[type[ATable]], type[ATable]]:
    """Give a table these fields behind its own field ``after``, or before all others.

    What it gives raises ``ValueError`` for a table that has no field of that name.
    """

    def complete(table: type[ATable]) -> type[ATable]:
        given: dict[str, Any] = dict(fields)
        whole = create_model(
            table.__name__,
            __base__=table,
            __doc__=table.__doc__,
            __module__=table.__module__,
            **given,
        )
        own = [name for name in whole.model_fields if name not in fields]
        place = own.index(after) + 1 if after else 0
        order = [*own[:place], *fields, *own[place:]]
        # Files, pages and schemas have the fields in the order of the class.
        whole.__pydantic_fields__ = {name: whole.model_fields[name] for name in order}
        whole.model_rebuild(force=True)
        return whole

    return complete
