"""The hubs that a study keeps under ``docs/study/hubs``: a part of each, with its digests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TypeAlias

from runner.core.digest import entries, sha256_bytes
from runner.core.errors import NoHubError, VerificationError
from runner.core.reading import parse_table, read_file, typed
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS, Verification, compare_checksums, listed_digests
from runner.hub.record import HubRecord
from runner.study.selection import ALWAYS, kept_files
from runner.verify.consistency import describe, inconsistencies
from runner.verify.sealed_hub import Environment, SealedHub
from runner.verify.statistics import Statistics, parse_statistics

HUBS = "hubs"
RECORD_FILES = (layout.RECORD, CHECKSUMS)
"""What is kept of every hub, also of one that a newer one has taken the place of."""
PAGE = ".md"
AS_TEXT = ".txt"
"""What a sealed page's name has more where it is kept: most of what it links to is not kept, so it
is no page there, but the text that the page of its phase is made from."""


@dataclass(frozen=True, kw_only=True)
class KeptHub:
    """A sealed hub, as far as the study keeps it."""

    name: str
    """Its time, which is the name of its folder."""
    record: HubRecord
    files: Mapping[str, bytes]
    """Content by path inside the hub."""

    @property
    def phase(self) -> str:
        """The phase that it is of."""
        return self.record.phase

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from all other hubs of the study."""
        return (self.phase, self.name)

    @property
    def folder(self) -> str:
        """Where it is kept, from ``docs/study``."""
        return f"{HUBS}/{self.phase}/{self.name}"

    @property
    def digest(self) -> str:
        """Digest of its ``SHA256SUMS``, and so of everything in it."""
        return sha256_bytes(self.files[CHECKSUMS])

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end as written: no arm left out, and no knob set."""
        return not (self.record.interrupted or self.record.only or self.record.set_knobs)

    def leads_to(self, path: str) -> bool:
        """Whether a link may lead to this file of the hub: it is kept, and by its own name."""
        return path in self.files and kept_name(path) == path

    @cached_property
    def environment(self) -> Environment:
        """Where it ran; empty where nothing is kept of that.

        Raises ``VerificationError`` for what cannot be read.
        """
        if layout.ENVIRONMENT not in self.files:
            return Environment()
        try:
            table = parse_table(self.files[layout.ENVIRONMENT], layout.ENVIRONMENT)
            return typed(Environment, table, layout.ENVIRONMENT)
        except ValueError as error:
            raise VerificationError(f"{self.folder}/{error}; leave the hub out") from error

    @cached_property
    def statistics(self) -> Statistics | None:
        """What several of its arms say together; ``None`` where nothing is kept of that.

        Raises ``VerificationError`` for what cannot be read.
        """
        if layout.STATISTICS not in self.files:
            return None
        try:
            return parse_statistics(self.files[layout.STATISTICS], layout.STATISTICS)
        except ValueError as error:
            raise VerificationError(f"{self.folder}/{error}; leave the hub out") from error


Store: TypeAlias = dict[tuple[str, str], KeptHub]
"""Hubs by phase and name."""


def read_store(study: Path, *, but: Iterable[tuple[str, str]] = ()) -> Store:
    """The hubs that are kept below ``docs/study``, each verified as far as it is there.

    ``but`` names hubs that are about to be written again. Raises ``VerificationError`` for a file
    that is not as it was sealed.
    """
    skipped = set(but)
    folders = sorted(path for path in (study / HUBS).glob("*/*") if path.is_dir())
    kept = [_read_kept(path) for path in folders if (path.parent.name, path.name) not in skipped]
    return {one.key: one for one in kept}


def kept_name(path: str) -> str:
    """What a file of a hub is called where it is kept."""
    return path + AS_TEXT if path.endswith(PAGE) else path


def _sealed_name(path: str) -> str:
    """What a file that is kept was called in its hub."""
    return path.removesuffix(AS_TEXT) if path.endswith(PAGE + AS_TEXT) else path


def _read_kept(folder: Path) -> KeptHub:
    present = _compared(folder)
    if not present.intact:
        raise VerificationError(present.describe())
    files = {path.as_posix() for path in entries(folder)}
    one = KeptHub(
        name=folder.name,
        record=layout.read(folder),
        files={_sealed_name(path): _content(folder, path) for path in files},
    )
    _require_place(folder, one.record)
    return one


def _compared(folder: Path) -> Verification:
    """What differs from ``SHA256SUMS``, of the files that are there; pages by their kept names."""
    found = compare_checksums(folder)
    pages = {path for path in found.unexpected if path != _sealed_name(path)}
    digests = listed_digests(folder)[0] if pages else {}
    expected = {path: digests[name] for path in pages if (name := _sealed_name(path)) in digests}
    changed = [path for path in expected if sha256_bytes(_content(folder, path)) != expected[path]]
    return replace(
        found,
        missing=(),
        changed=(*found.changed, *sorted(changed)),
        unexpected=tuple(path for path in found.unexpected if path not in expected),
    )


def read_sealed(folder: Path) -> KeptHub:
    """A whole sealed hub, verified deeply, with the files that a study keeps of it.

    Contradictions are looked for each time that a hub is read whole, also one that is kept already:
    it takes little beside its digests, and a hub may have been taken in by a version that looked
    for fewer. What is kept has not all files that this takes. Raises ``VerificationError`` for one
    that is not as it was sealed, contradicts itself, or is not called by its time.
    """
    if not os.path.lexists(folder):
        raise NoHubError(f"{folder} is not there; give the folder of a sealed hub")
    if not layout.is_name(folder.resolve().name):
        raise VerificationError(
            f"{folder} is not called by its time, like 2026-01-30T050000Z; give the folder of a "
            "sealed hub under the name that it was sealed with"
        )
    sealed = SealedHub(folder=folder).require_intact()
    record = sealed.record
    if wrong := inconsistencies(sealed):
        raise VerificationError(describe(folder, wrong))
    present = {path.as_posix() for path in entries(folder)}
    chosen = present.intersection((*RECORD_FILES, *kept_files(record)))
    return KeptHub(
        name=folder.resolve().name,
        record=record,
        files={path: _content(folder, path) for path in sorted(chosen)},
    )


def _content(folder: Path, path: str) -> bytes:
    try:
        return read_file(folder, path, most=layout.MOST_RECORD_BYTES)
    except ValueError as error:
        raise VerificationError(f"{folder}/{error}; leave the hub out") from error


def _require_place(folder: Path, record: HubRecord) -> None:
    if not layout.is_name(folder.name) or record.phase != folder.parent.name:
        raise VerificationError(
            f"{folder} holds a hub of {record.phase}; it belongs into {HUBS}/{record.phase}/<time>"
        )


def combined(store: Store, sealed: Iterable[KeptHub], study: Path, most_bytes: int) -> Store:
    """The store with hubs added: the current ones with their files, the others as records alone.

    Of these as many as fit into ``most_bytes``. Raises ``VerificationError`` where another hub is
    kept under the same name.
    """
    whole = dict(store)
    for one in sealed:
        before = study / one.folder / CHECKSUMS
        if before.exists() and before.read_bytes() != one.files[CHECKSUMS]:
            raise VerificationError(
                f"{study / one.folder} is kept of another hub with the same name; "
                "one of the two is not what was sealed then"
            )
        whole[one.key] = one
    shown = {one.key for one in current(whole.values())}
    result = {
        key: _cut(one, kept_files(one.record) if key in shown else ())
        for key, one in sorted(whole.items())
    }
    return fitted(result, most_bytes)


def _cut(one: KeptHub, kept: Iterable[str]) -> KeptHub:
    """The hub with these of its files beside the record; what was kept before may be more."""
    chosen = {*RECORD_FILES, *kept}
    return replace(
        one, files={path: content for path, content in one.files.items() if path in chosen}
    )


def current(hubs: Iterable[KeptHub]) -> Iterator[KeptHub]:
    """The hub of each phase and profile that speaks for it; phases in full before their profiles.

    It is the newest one that came to its end with all its arms, whatever came out; the newest of
    all where none did. One that had knobs set over its manifest is no run of the phase.
    """

    def variant(one: KeptHub) -> tuple[str, str]:
        return (one.phase, one.record.profile or "")

    as_written = (one for one in hubs if not one.record.set_knobs)
    for _, same in groupby(sorted(as_written, key=variant), key=variant):
        yield max(same, key=lambda one: (one.is_whole, one.name))


FOUNDATION = (layout.STATISTICS,)
"""What stays of the hub that speaks for its phase, beside the record, where room is short."""


def fitted(store: Store, most_bytes: int) -> Store:
    """The store with no more files than fit into ``most_bytes``.

    Files give way in this order: all of a hub that has more than fits by itself; then, of profiles
    before phases in full and of older hubs before newer, what is not always kept; then, in the same
    order, what is. Records and statistics stay in any case, as findings rest on them. So nothing is
    ever refused for its size, and what is newest stays longest.
    """
    fits = dict(store)
    for key, one in store.items():
        if _size(one) > most_bytes:
            fits[key] = _cut(one, FOUNDATION)
    turns = sorted(fits, key=lambda key: (fits[key].record.profile is None, fits[key].name, key))
    for kept in (ALWAYS, FOUNDATION):
        for key in turns:
            if sum(map(_size, fits.values())) <= most_bytes:
                return fits
            fits[key] = _cut(fits[key], kept)
    return fits


def _size(one: KeptHub) -> int:
    return sum(map(len, one.files.values()))
