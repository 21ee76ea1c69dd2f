"""What a manifest resolved to when it was locked, and whether a run resolves to the same.

The file lies beside the manifest: ``phase8.lock.json`` beside ``phase8.toml``. It has an entry for
each profile and device that was locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from runner.core.digest import pretty_json, sha256_bytes
from runner.core.errors import EngineError, ManifestError, VerificationError
from runner.core.reading import first_problem, parse_json, read_regular, shortened
from runner.engines.environments.wheels import Variant
from runner.hub.records.base import Record
from runner.manifest.model import LoadedManifest
from runner.plan.model import Device, Plan

MOST_BYTES = 16 * 2**20
"""Of a lock file; an entry of four thousand arms has half a million."""
SHORT = 19
"""Characters of a digest that a message shows; ``sha256:`` and twelve digits."""


class Base(Record):
    """The image that the container image is built on."""

    name: str
    id: str
    digests: tuple[str, ...]
    """Its names by digest at the registries that it came from; empty for one made here."""


class Packages(Record):
    """The packages of the container side."""

    variant: Variant
    requirements_sha256: str
    """Of ``models/requirements-<variant>.txt``."""
    installed_sha256: str
    """Fingerprint of the installed packages' files."""
    python: str


class LockEntry(Record):
    """What one profile resolves to on one kind of device. All digests are SHA-256."""

    profile: str | None
    """``null`` for the phase as it is written."""
    device: Device
    engine: str
    base: Base | None
    """``null`` where the engine uses no image; and so the next one."""
    dockerfile_sha256: str | None
    packages: Packages
    models_sha256: str
    """Tree digest of the source of ``models/``."""
    jobs: dict[str, str]
    """Job → digest of all that is planned for it: arms, the simulations, the regression tests."""
    dataset: dict[str, str]
    """File of the dataset → its digest; of several datasets ``<label>/<file>``."""


class LockFile(Record):
    """The file."""

    schema_version: Literal[1] = 1
    phase: str
    manifest_sha256: str
    entries: tuple[LockEntry, ...]


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The entry that a run is held to, and the file that it stands in."""

    path: Path
    content: bytes
    entry: LockEntry

    @property
    def sha256(self) -> str:
        """Digest of the file."""
        return sha256_bytes(self.content)

    def hold(self, mismatches: Iterable[Mismatch]) -> None:
        """Raise ``VerificationError`` naming everything in which a run does not match the entry."""
        if found := list(mismatches):
            profile = f" --profile {self.entry.profile}" if self.entry.profile else ""
            manifest = manifest_of(self.path)
            raise VerificationError(
                "\n".join(
                    [
                        f"{self.path} was locked to something else:",
                        *(f"  {one}" for one in found),
                        f"If it is meant to change, `phasehub lock {manifest}{profile}` locks what "
                        "is there now.",
                    ]
                )
            )


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Something that is not as it was locked."""

    what: str
    locked: str
    found: str
    remedy: str

    def __str__(self) -> str:
        """In one line, with what would make it hold."""
        locked, found = (short(value) for value in (self.locked, self.found))
        return f"{self.what}: locked {locked}, found {found}; {self.remedy}"


# --- the file ------------------------------------------------------------------------------------


def lock_file(manifest: Path) -> Path:
    """Where the lock of a manifest lies."""
    return manifest.with_suffix(".lock.json")


def manifest_of(lock: Path) -> Path:
    """The manifest beside which a lock lies."""
    return lock.with_name(lock.name.removesuffix(".lock.json") + ".toml")


def read(path: Path) -> tuple[LockFile, bytes]:
    """A lock file and its bytes. Raises ``ManifestError`` where there is none that can be used."""
    again = f"`phasehub lock {manifest_of(path)}` writes it"
    try:
        content = read_regular(path, most=MOST_BYTES)
        table = parse_json(content)
        version = table.get("schema_version") if isinstance(table, dict) else None
        if version != 1:
            raise ManifestError(
                f"{path} has schema_version {shortened(repr(version))} and this phasehub reads 1: "
                f"use the one that wrote it, or lock again: {again}"
            )
        return LockFile.model_validate(table), content
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror}); {again}") from error
    except ValidationError as error:
        raise ManifestError(
            f"{path}: {first_problem(error)}; it was edited, or written by another phasehub: "
            f"{again}"
        ) from error
    except ValueError as error:
        raise ManifestError(f"{path}: {error}; {again}") from error


def write(path: Path, file: LockFile) -> None:
    """Write a lock file; a reader finds the old one or the new one, never half of it.

    Raises ``EngineError`` where nothing can be written.
    """
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(pretty_json(file.model_dump(mode="json")))
        new.replace(path)
    except OSError as error:
        raise EngineError(
            f"{path} cannot be written: {error.strerror}; lock a copy of the manifest elsewhere"
        ) from error


def with_entry(file: LockFile | None, loaded: LoadedManifest, entry: LockEntry) -> LockFile:
    """The lock with an entry added or replaced; entries of another manifest's bytes are gone."""
    kept: tuple[LockEntry, ...] = ()
    if file is not None and file.manifest_sha256 == loaded.sha256:
        kept = tuple(old for old in file.entries if _key(old) != _key(entry))
    return LockFile(
        phase=loaded.manifest.phase.name,
        manifest_sha256=loaded.sha256,
        entries=tuple(sorted([*kept, entry], key=_key)),
    )


def _key(entry: LockEntry) -> tuple[str, str]:
    return (entry.profile or "", entry.device)


# --- holding a run to it -------------------------------------------------------------------------


def find_lock(loaded: LoadedManifest, plan: Plan, device: Device) -> Lock:
    """The lock of a manifest, for the profile and the device of a plan.

    Raises ``ManifestError`` where there is none, and ``VerificationError`` where it is of another
    manifest.
    """
    path = lock_file(loaded.path)
    file, content = read(path)
    if file.phase != loaded.manifest.phase.name:
        raise VerificationError(
            f"{path} is the lock of phase {file.phase}, not of {loaded.manifest.phase.name}; "
            f"`phasehub lock {loaded.path}` writes the right one"
        )
    for entry in file.entries:
        if (entry.profile, entry.device) == (plan.profile, device):
            lock = Lock(path=path, content=content, entry=entry)
            lock.hold(_manifest(file, loaded))
            return lock
    has = ", ".join(f"{e.profile or 'the phase as written'} on {e.device}" for e in file.entries)
    profile = f" --profile {plan.profile}" if plan.profile else ""
    raise ManifestError(
        f"{path} has no entry for {plan.profile or 'the phase as written'} on {device}, only for "
        f"{has or 'nothing'}; `phasehub lock {loaded.path}{profile} --device {device}` adds it"
    )


def _manifest(file: LockFile, loaded: LoadedManifest) -> Iterator[Mismatch]:
    yield from differs(
        "manifest",
        file.manifest_sha256,
        loaded.sha256,
        f"restore {loaded.path.name} as it was locked",
    )


def differs(what: str, locked: str, found: str, remedy: str) -> Iterator[Mismatch]:
    """What to say of a value that does not match, if it does not."""
    if locked != found:
        yield Mismatch(what=what, locked=locked, found=found, remedy=remedy)


def short(value: str) -> str:
    """The beginning of a digest; any other text as it is."""
    bare = value.removeprefix("sha256:")
    digest = len(bare) == 64
    return f"{value[: SHORT if bare != value else 12]}" if digest else value
