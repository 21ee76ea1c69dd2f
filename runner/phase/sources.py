"""The sealed hubs from which arms may be taken instead of being run again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from runner.core.errors import RunnerError, VerificationError
from runner.core.names import HUB_NAME
from runner.core.reading import is_file_below
from runner.hub import layout, provenance
from runner.hub.checksums import CHECKSUMS, SIGNATURE
from runner.hub.signing import check
from runner.verify.consistency import inconsistencies
from runner.verify.sealed_hub import RecordedMachine, SealedHub

NOT_CHECKED = "signed, by whom was not checked"
UNSIGNED = "not signed"


@dataclass(frozen=True, kw_only=True)
class ArmSource:
    """A sealed hub from which arms may be taken."""

    sealed: SealedHub
    signers: Path | None = None
    """Who must have signed it; ``None`` where any hub will do."""

    @cached_property
    def signature(self) -> str:
        """What is known of it, in words; raises ``RunnerError`` where it must be valid."""
        if self.signers is None:
            return NOT_CHECKED if is_file_below(self.sealed.folder, SIGNATURE) else UNSIGNED
        found = check(self.sealed.folder, self.signers)
        if found.status != "valid":
            raise VerificationError(found.message)
        return found.message

    @cached_property
    def problem(self) -> str:
        """Why nothing of it can be used; empty for a hub that is as it was sealed, and signed."""
        try:
            self.sealed.require_intact()
            wrong = inconsistencies(self.sealed)
            _ = self.signature
        except RunnerError as error:
            return str(error).splitlines()[0]
        if wrong:
            return f"{self.sealed.folder} contradicts itself: {wrong[0]}"
        if not HUB_NAME.fullmatch(self.sealed.name):
            return f"{self.sealed.folder} does not have the name of a sealed hub"
        return ""


@dataclass(kw_only=True)
class ArmSources:
    """The hubs that were named, newest first, and for which arms all is to be explained."""

    hubs: tuple[ArmSource, ...] = ()
    why: frozenset[str] = frozenset()
    machine: RecordedMachine = field(default_factory=RecordedMachine)


def find_sources(
    named: Iterable[Path], *, signers: Path | None = None, why: Iterable[str] = ()
) -> ArmSources:
    """The hubs that ``named`` folders are, or hold, newest first.

    Raises ``VerificationError`` for a folder in which there is none.
    """
    folders: dict[Path, None] = {}
    for folder in named:
        found = [folder] if (folder / CHECKSUMS).exists() else sorted(_below(folder), reverse=True)
        if not found:
            raise VerificationError(
                f"--reuse {folder}: there is no sealed hub; name one, or a folder that has some"
            )
        folders |= dict.fromkeys(one.resolve() for one in found)
    machine = provenance.describe_machine() if folders else {}
    return ArmSources(
        hubs=tuple(
            ArmSource(sealed=SealedHub(folder=folder), signers=signers)
            for folder in sorted(folders, key=lambda one: one.name, reverse=True)
        ),
        why=frozenset(why),
        machine=RecordedMachine.model_validate(machine),
    )


def _below(folder: Path) -> Iterator[Path]:
    """Hubs of one phase, or of all phases below a folder of artifacts."""
    for pattern in (f"*/{CHECKSUMS}", f"*/*/{CHECKSUMS}"):
        yield from (
            path.parent for path in folder.glob(pattern) if layout.is_name(path.parent.name)
        )
