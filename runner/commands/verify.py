"""``phasehub verify``: every file of a hub against its checksum, and what the files say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.checksums import Verification
from runner.hub.signing import check as check_signature
from runner.report.statements import silences
from runner.verify.consistency import describe, inconsistencies
from runner.verify.sealed_hub import SealedHub


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was found of a hub; what comes after the first problem was not looked for."""

    files: Verification
    signature: str | None = None
    """What is to be said of the signature, if one was asked for."""
    contradictions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None
    """What is wrong and what to do about it; ``None`` where nothing is."""

    @property
    def lines(self) -> list[str]:
        """What holds: who has signed, and, where nothing is wrong, what else there is to say."""
        hub, signed = self.files.folder, self.signature not in (None, self.problem)
        said = [f"{hub}: {self.signature}"] * signed
        if self.problem is not None:
            return said
        return [*said, *(f"{hub}: {note}" for note in self.notes), self.files.describe()]

    def table(self) -> dict[str, Any]:
        """The same for machines."""
        kinds = ("changed", "missing", "unexpected", "malformed")
        return {
            "hub": str(self.files.folder),
            "holds": self.problem is None,
            "files": self.files.num_files,
            **{kind: getattr(self.files, kind) for kind in kinds},
            "signature": self.signature,
            "contradictions": self.contradictions,
            "notes": self.notes,
        }


def verify(hub: Path, signers: Path | None) -> Verified:
    """Compare a hub with its checksums, with its signature if there are ``signers``, with itself.

    Raises ``VerificationError`` for what is no hub.
    """
    files = layout.verify(hub)
    if not files.intact:
        return Verified(files=files, problem=files.describe())
    signature = None
    if signers is not None:
        found = check_signature(hub, signers)
        signature = found.message
        if found.status != "valid":
            return Verified(files=files, signature=signature, problem=signature)
    sealed = SealedHub(folder=hub)
    try:
        wrong = inconsistencies(sealed)
        notes = tuple(silence.text for silence in silences(sealed.record))
    except VerificationError as error:
        return Verified(files=files, signature=signature, problem=str(error))
    return Verified(
        files=files,
        signature=signature,
        contradictions=wrong,
        notes=notes,
        problem=describe(hub, wrong) if wrong else None,
    )
