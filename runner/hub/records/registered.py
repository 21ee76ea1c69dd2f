"""A registered finding as it stood when a run began."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    model_validator,
)

from runner.core.digest import canonical_json
from runner.core.names import Sha256
from runner.hub.records.base import (
    Record,
)
from runner.manifest.findings import Finding, Registration, registered_digest
from runner.manifest.parameter_tables import (
    require,
)
from runner.manifest.value_kinds import FindingId, Text


def require_registration(table: dict[str, Any]) -> dict[str, Any]:
    """The table as it stands, if it is a registration. Raises as for an arm's."""
    require(Registration, table)
    return table


RegistrationTable = Annotated[dict[str, JsonValue], AfterValidator(require_registration)]


class RegisteredFinding(Record):
    """A finding that was registered when the run began: what was claimed and how it is tested."""

    id: FindingId
    claim: Text
    sha256: Sha256
    """Digest of the canonical JSON of `id`, `claim` and `registration`."""
    registration: RegistrationTable
    """As the register had it, defaults spelled out."""
    commit: Annotated[str, Field(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] | None = None
    """The commit that was checked out where the register lies, and has this registration; empty
    where none had it, ``null`` in hubs from before this was looked at."""

    @model_validator(mode="after")
    def _is_what_was_digested(self) -> Self:
        if registered_digest(self.id, self.claim, self.registration) != self.sha256:
            raise ValueError(f"sha256 is not the digest of what is registered of {self.id}")
        return self

    @property
    def plan(self) -> Registration:
        """The registration as a value."""
        return Registration.model_validate_json(canonical_json(self.registration))


def as_registered(finding: Finding, *, commit: str | None = None) -> RegisteredFinding:
    """What a hub carries of a finding that has a registration."""
    assert finding.registration is not None
    return RegisteredFinding(
        id=finding.id,
        claim=finding.claim,
        sha256=finding.registered_sha256,
        registration=finding.registration.table,
        commit=commit,
    )
