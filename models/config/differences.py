"""What the job that compares files is given."""

from __future__ import annotations

from pydantic import Field

from models.config.tables import Table


class FilePairs(Table):
    """Files that are there twice: as inputs ``before/<path>`` and ``after/<path>``."""

    paths: tuple[str, ...] = Field(description="Their paths.")
