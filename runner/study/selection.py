"""Which files of a hub a study keeps: small ones that people read, the most telling first.

The choice follows from the hub's record alone, so that it is the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.base import FileRecord

LARGEST_BYTES = 260_000
"""Of a single file that is kept, but for those that are always."""
ALLOWANCE_BYTES = {"phase": 420_000, "profile": 62_000}
"""What the files of a hub may take beside its record: of a phase in full, of a profile of it."""
STUDY_BYTES = 6_000_000
"""What all hubs of a study may take where it does not say so itself."""

SUFFIXES = (".json", ".csv", ".png", ".md", ".toml")
ALWAYS = (layout.MANIFEST, layout.SUMMARY, layout.ENVIRONMENT, layout.STATISTICS)
"""What is kept of the hub that speaks for its phase however large it is, beside the record."""

_LEFT_OUT = re.compile(rf"{re.escape(layout.CRATE)}|{re.escape(layout.PROVENANCE)}")
_RANKS = tuple(re.compile(one) for one in EXPERIMENT.results.files.telling)
"""What is kept first, where not all can be; files that match none come last."""


def kept_files(record: HubRecord) -> tuple[str, ...]:
    """Paths of the files that are kept of a hub that its phase's page shows, sorted.

    Besides ``hub.json`` and ``SHA256SUMS``, which every stored hub has: what is always kept; then,
    as far as the allowance goes, files of at most 260 kB of the kinds that people read. Pictures
    are kept of one arm of each group only: of the first one among those that share all but seeds.
    """
    allowance = ALLOWANCE_BYTES["profile" if record.profile else "phase"]
    always = [file for file in record.artifacts if file.path in ALWAYS]
    chosen = [file.path for file in always]
    left = allowance - sum(file.bytes for file in always)
    for file in _candidates(record):
        if file.bytes <= left:
            chosen.append(file.path)
            left -= file.bytes
    return tuple(sorted(chosen))


def _candidates(record: HubRecord) -> list[FileRecord]:
    """Files that are kept if there is room, the most telling first."""
    shown = set(first_of_groups(record.arms))
    return sorted(
        (file for file in record.artifacts if _is_wanted(file, shown)),
        key=lambda file: (rank(file.path), file.path),
    )


def _is_wanted(file: FileRecord, shown: set[str]) -> bool:
    if file.path in ALWAYS or _LEFT_OUT.fullmatch(file.path):
        return False
    if file.bytes > LARGEST_BYTES or not file.path.endswith(SUFFIXES):
        return False
    place, *rest = file.path.split("/")
    if place in layout.BUNDLED:
        return False
    of_arm = place == layout.ARMS and rest
    return not (of_arm and file.path.endswith(".png") and rest[0] not in shown)


def rank(path: str) -> int:
    """How much a file tells; what tells most has the lowest."""
    ranks = (rank for rank, pattern in enumerate(_RANKS) if pattern.fullmatch(path))
    return next(ranks, len(_RANKS))


def first_of_groups(arms: Sequence[ArmRecord]) -> Iterator[str]:
    """Names of the first arm of each group, and of its first one that reached the endpoint."""
    seen: set[tuple[bytes, bool]] = set()
    for arm in arms:
        group = (canonical_json(arm.parameters), bool(arm.fate.reached))
        if group not in seen:
            seen.add(group)
            yield arm.name
