"""What a job is to find out about a stored checkpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from models.config.tables import Table

Report = Literal["activations", "gradient_histograms"]


class Diagnose(Table):
    """Which reports on which weights. No knobs: nothing is trained with them."""

    reports: Annotated[tuple[Report, ...], Field(min_length=1)]
    name: str
    """What the checkpoint is called in titles."""
    epoch: int | None
    """Epoch at whose end the weights were these, counted from 0; ``None`` for the initial ones."""
