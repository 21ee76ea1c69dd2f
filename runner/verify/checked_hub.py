"""A sealed hub of which no byte is believed before it has been held against ``SHA256SUMS``.

``SealedHub`` reads what lies there, and whoever has to know whether that is what was sealed
verifies all of the hub first. Here each file is checked as it is read, so that a table is had from
a hub of gigabytes without digesting them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from runner.core.digest import sha256_bytes
from runner.core.errors import VerificationError
from runner.core.names import is_plain_name
from runner.core.reading import MIB, MOST_JSON_BYTES, MissingError, parse_json, read_file, shortened
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS, listed_digests
from runner.hub.history import Column, parse_history
from runner.hub.named import named_hub
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.verify.consistency import describe, inconsistencies
from runner.verify.sealed_hub import SealedHub

FILES = EXPERIMENT.results.files
MOST_FILE_BYTES = 1024 * MIB
"""Of a file that is read whole."""


@dataclass(frozen=True, kw_only=True)
class CheckedHub:
    """A hub by its folder. Everything raises ``VerificationError`` that names the file."""

    folder: Path

    @cached_property
    def digests(self) -> dict[str, str]:
        """Path → digest of every file, as ``SHA256SUMS`` has it."""
        digests, malformed = listed_digests(self.folder)
        if malformed:
            raise VerificationError(
                f"{self.folder}: {CHECKSUMS}, {malformed[0]}; take the hub from its archive"
            )
        return digests

    @cached_property
    def sha256(self) -> str:
        """Digest of ``SHA256SUMS``, and thereby of every file of a hub that is intact."""
        return SealedHub(folder=self.folder).sha256

    @cached_property
    def record(self) -> HubRecord:
        """``hub.json``."""
        return layout.parse(self.read(layout.RECORD, most=layout.MOST_RECORD_BYTES), self.folder)

    @property
    def name(self) -> str:
        """The phase and the hub's own name, as ``SealedHub`` has it."""
        own = self.folder.resolve().name
        return f"{self.record.phase}/{own if is_plain_name(own) else 'unnamed'}"

    def read(self, path: str, *, most: int = MOST_FILE_BYTES) -> bytes:
        """The bytes of a file that is as it was sealed, ``most`` of them at most."""
        if path not in self.digests:
            raise VerificationError(
                f"{self.folder}: {shortened(repr(path))} is none of the {len(self.digests)} files "
                f"that {CHECKSUMS} lists"
            )
        try:
            content = read_file(self.folder, path, most=most)
        except MissingError:
            raise VerificationError(
                f"{self.folder}: {path} was sealed and is not here; what a study keeps of a hub is "
                "not all of it, else take the hub from its archive"
            ) from None
        except ValueError as error:
            raise VerificationError(f"{self.folder}: {error}") from None
        if sha256_bytes(content) != self.digests[path]:
            raise VerificationError(
                f"{self.folder}: {path} is not as it was sealed; trust none of its numbers, take "
                "the hub from its archive"
            )
        return content

    def json(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The value of a JSON file."""
        content = self.read(path, most=MOST_JSON_BYTES)
        try:
            return parse_json(content)
        except ValueError as error:
            raise VerificationError(f"{self.folder}: {path} is no JSON: {error}") from None

    def history(self, arm: ArmRecord) -> dict[str, Column]:
        """What the arm's fit came to, a column for each quantity; empty where it left none."""
        path = f"{layout.arm_dir(arm.name)}/{FILES.history}"
        if path not in self.digests:
            return {}
        try:
            return parse_history(self.read(path, most=MOST_JSON_BYTES), path)
        except ValueError as error:
            raise VerificationError(f"{self.folder}: {error}") from None

    def files_below(self, folder: str) -> tuple[str, ...]:
        """The files of a folder of the hub, relative to it."""
        start = f"{folder}/"
        return tuple(path.removeprefix(start) for path in self.digests if path.startswith(start))

    def verify(self) -> int:
        """Hold every file against its digest, and what the files say against each other.

        Returns how many files there are.
        """
        require_sound(SealedHub(folder=self.folder))
        return len(self.digests)


def require_sound(sealed: SealedHub) -> None:
    """Raise ``VerificationError`` where a hub is not as it was sealed, or contradicts itself."""
    sealed.require_intact()
    if wrong := inconsistencies(sealed):
        raise VerificationError(describe(sealed.folder, wrong))


@dataclass(frozen=True, kw_only=True)
class OpenedHubs:
    """The hubs below a folder, and those that cannot be read with the reason."""

    hubs: Sequence[CheckedHub]
    broken: dict[Path, str]


def open_checked(given: Path) -> CheckedHub:
    """The hub of a folder, or of a name; its checksums and its record are read at once."""
    hub = CheckedHub(folder=named_hub(given))
    _ = hub.record
    return hub


def open_below(artifacts: Path) -> OpenedHubs:
    """Every hub below a folder of phases, by phase and then by time."""
    hubs, broken = [], {}
    for folder in layout.find_hubs(artifacts):
        try:
            hubs.append(open_checked(folder))
        except VerificationError as error:
            broken[folder] = str(error)
    return OpenedHubs(hubs=tuple(hubs), broken=broken)
