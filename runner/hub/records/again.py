"""What a reproduction says of the hub that was made again."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    JsonValue,
)

from runner.core.names import InnerPath, Sha256
from runner.hub.records.base import (
    Record,
)


class ReproducedFile(Record):
    """A deterministic file beside its original."""

    path: InnerPath
    before: Sha256 | None
    """Digest of the original; ``null`` where the original hub has no such file."""
    after: Sha256 | None
    """Digest of what was made again; ``null`` where it was not."""
    finding: dict[str, JsonValue] | None = None
    """Where the two begin to differ, as the job ``compare`` says it; ``null`` if not known."""

    @property
    def identical(self) -> bool:
        """Whether both are there and have the same bytes."""
        return self.before is not None and self.before == self.after


class DifferingFact(Record):
    """A fact of the environment that original and reproduction do not have in common."""

    name: str
    before: JsonValue
    after: JsonValue
    told: str
    """The same in words."""


class ReproductionRecord(Record):
    """A sealed hub that was run again, and what of it came out the same."""

    hub: str
    """The original's phase and its own name: ``phase8/2026-01-30T050000Z``."""
    hub_sha256: str
    """Digest of its ``SHA256SUMS``, and thereby of every file in it."""
    outcome: Literal["identical", "different", "not_comparable"]
    arms: tuple[str, ...]
    """The arms that were run again."""
    image: str
    """How the image was had again; or that none was used."""
    files: tuple[ReproducedFile, ...]
    facts: tuple[DifferingFact, ...]
    reasons: tuple[str, ...] = ()
    """What could not be compared, and why, a sentence each."""
