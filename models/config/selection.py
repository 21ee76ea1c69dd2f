"""What a job that runs tests is given."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.config.tables import Table


class Selection(Table):
    """Which tests run."""

    select: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        description="Ids of tests as pytest has them, relative to the folder of the inputs."
    )
