"""The hubs that a phase is compared with: found by phase, chosen by profile, verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import VerificationError
from runner.core.text import Say
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.checksums import CHECKSUMS
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.provenance import ComparedHub
from runner.manifest.set_knobs import OPTION
from runner.verify.sealed_hub import SealedHub

FILES = EXPERIMENT.results.files
Variant = tuple[str | None, Mapping[str, object]]
"""Of a phase: its profile, and what the command line set over it."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A hub beside this one: where it lies, what it says, and whether it is as it was sealed."""

    folder: Path
    facts: ComparedHub
    record: HubRecord


def open_hub(folder: Path) -> Baseline:
    """A hub with its digest, verified; a changed one is opened too, and the facts say so.

    Raises ``VerificationError`` where there is no record that can be read.
    """
    sealed = SealedHub(folder=folder)
    try:
        found = layout.verify(folder)
        digest = sealed.sha256
        problem = "" if found.intact else found.describe()
    except VerificationError as error:
        digest, problem = "", str(error)
    return Baseline(
        folder=folder,
        record=sealed.record,
        facts=ComparedHub(
            name=sealed.name,
            phase=sealed.record.phase,
            profile=sealed.record.profile,
            checksums_sha256=digest,
            problem=problem,
        ),
    )


def find_compared(
    artifacts: Path,
    phases: tuple[str, ...],
    variant: Variant,
    note: Say,
) -> tuple[Baseline, ...]:
    """The newest intact hub of each phase, of the same variant if there is one.

    What was taken, what was passed over and what is missing is said to ``note``.
    """
    found = (_newest(artifacts, phase, variant, note) for phase in phases)
    return tuple(one for one in found if one is not None)


def _newest(artifacts: Path, phase: str, variant: Variant, note: Say) -> Baseline | None:
    """The newest intact hub of a phase; of another profile, or with others set, they come last."""
    opened = []
    for folder in reversed(layout.find_hubs(artifacts, phase)):
        try:
            record = layout.read(folder)
        except VerificationError as error:
            note(f"not compared with {phase}: {error}")
            continue
        profile, set_knobs = variant
        unlike = (record.profile != profile, record.set_knobs != set_knobs)
        opened.append((unlike, folder))
    for (is_other_size, is_set_otherwise), folder in sorted(opened, key=lambda one: one[0]):
        compared = open_hub(folder)
        if compared.facts.problem:
            note(f"not compared with {phase}: {folder.name} is not as it was sealed")
            continue
        note(f"compared with {in_words(compared.facts)}")
        if is_set_otherwise:
            note(f"{folder.name} of {phase} does not have the same knobs set by {OPTION}")
        if is_other_size:
            note(
                f"{phase} has no intact hub of {profile_in_words(variant[0])}: the comparison with "
                f"{folder.name} is between different sizes of experiment"
            )
        return compared
    note(f"no sealed hub of {phase} to compare with")
    return None


def small_files(arm: ArmRecord) -> list[str]:
    """What of an arm's files a comparison is shown; nothing of one that did not succeed."""
    if arm.status != "succeeded":
        return []
    names = [file.path for file in arm.files]
    wanted = (*FILES.compared, FILES.also_compared(arm.parameters))
    return [name for name in wanted if isinstance(name, str) and name in names]


def in_words(facts: ComparedHub) -> str:
    """Which hub it is: its name, profile and digest."""
    return (
        f"{facts.name}, {profile_in_words(facts.profile)}, "
        f"digest of its {CHECKSUMS} {facts.checksums_sha256[:12] or 'unknown'}"
    )


def profile_in_words(profile: str | None) -> str:
    """``profile quick``, or ``the phase as written``."""
    return f"profile {profile}" if profile else "the phase as written"
