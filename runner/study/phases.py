"""The phases of a study: what their manifests ask, and the hubs that are kept of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import StudyError
from runner.core.text import listing
from runner.experiment import Parameters
from runner.hub import layout
from runner.hub.leaves import differing_knobs, leaves
from runner.manifest.arms import PlannedArm
from runner.manifest.findings import Finding
from runner.manifest.model import LoadedManifest, load
from runner.report.wording import NOTHING, declared
from runner.study.store import KeptHub, Store, current

TAKEN = ("readme", "history", "reference")
"""Pages of a study that are no phases."""


@dataclass(frozen=True, kw_only=True)
class StudyPhase:
    """A phase, run or not."""

    name: str
    title: str
    question: str
    findings: tuple[str, ...]
    """Ids of the findings that it bears on."""
    manifest: LoadedManifest | None
    """As it is now; ``None`` where there is none any more."""
    hubs: tuple[KeptHub, ...]
    """The current ones, the phase in full first."""

    @property
    def full(self) -> KeptHub | None:
        """The hub of the phase as it is written, without a profile."""
        return next((one for one in self.hubs if one.record.profile is None), None)

    @property
    def status(self) -> str:
        """How far it has been run."""
        if self.full is None:
            names = ", ".join(str(one.record.profile) for one in self.hubs)
            return f"only as profile {names}" if names else "no hub kept"
        if self.full.record.interrupted:
            return "interrupted"
        return "run in part" if self.full.record.only else "run"

    @property
    def file(self) -> str:
        """Name of its page."""
        return f"{self.name}.md"

    def has_changed_since(self, one: KeptHub) -> bool:
        """Whether the manifest is another one than the hub was made from; ``#:`` lines aside."""
        sealed = one.files.get(layout.MANIFEST)
        if self.manifest is None or sealed is None:
            return False
        return _without_directives(sealed) != _without_directives(self.manifest.source)

    def declared_arms(self) -> tuple[tuple[str, ...], list[tuple[str, tuple[str, ...]]]]:
        """The knobs that differ between the planned arms; each arm's name and their values.

        Arms that differ in nothing but the seed share a row, which tells all their seeds.
        """
        if self.manifest is None:
            return (), []
        groups: dict[Parameters, list[PlannedArm]] = {}
        for arm in self.manifest.variant().arms:
            groups.setdefault(arm.parameters, []).append(arm)
        plans = [
            {**parameters.model_dump(mode="json"), "seed": listing([str(m.seed) for m in members])}
            for parameters, members in groups.items()
        ]
        names = (*(name for name in differing_knobs(plans) if name != "seed"), "seed")
        flat = [dict(leaves(plan)) for plan in plans]
        return names, [
            (
                _row_name(members),
                tuple(declared(plan[name]) if name in plan else NOTHING for name in names),
            )
            for members, plan in zip(groups.values(), flat, strict=True)
        ]


def _without_directives(manifest: bytes) -> bytes:
    """A manifest without the lines that speak to editors, such as ``#:schema``."""
    lines = manifest.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"#:"))


def _row_name(arms: Sequence[PlannedArm]) -> str:
    optional = " (optional)" if arms[0].optional else ""
    name = arms[0].name if len(arms) == 1 else f"{arms[0].name} to {arms[-1].name}"
    return name + optional


def read_manifests(folder: Path) -> dict[str, LoadedManifest]:
    """The manifests of a study by their phases. Raises ``ManifestError`` for a wrong one."""
    loaded = [load(path) for path in sorted(folder.glob("*.toml"))]
    return {one.manifest.phase.name: one for one in loaded}


def phases_of(
    store: Store, manifests: Mapping[str, LoadedManifest], findings: tuple[Finding, ...]
) -> tuple[StudyPhase, ...]:
    """Every phase that has a manifest or a hub, in natural order: ``phase9`` before ``phase10``.

    Raises ``StudyError`` for a phase called as another page of the study is.
    """
    speaking = list(current(store.values()))
    names = sorted({*manifests, *(one.phase for one in speaking)}, key=_natural)
    for name in names:
        if name in TAKEN:
            raise StudyError(
                f"a phase cannot be called '{name}': docs/study/{name}.md is another page of the "
                "study; rename the phase"
            )
    return tuple(
        _phase(
            name,
            manifests.get(name),
            tuple(one for one in speaking if one.phase == name),
            findings,
        )
        for name in names
    )


def _phase(
    name: str,
    manifest: LoadedManifest | None,
    hubs: tuple[KeptHub, ...],
    findings: tuple[Finding, ...],
) -> StudyPhase:
    stated = manifest.manifest.phase if manifest else hubs[0].record
    named = set(stated.findings)
    asked = {one.id for one in findings if name in _phases_of(one)}
    return StudyPhase(
        name=name,
        title=stated.title,
        question=stated.question,
        findings=tuple(dict.fromkeys([*_known(findings, named | asked), *sorted(named)])),
        manifest=manifest,
        hubs=hubs,
    )


def _phases_of(finding: Finding) -> set[str]:
    """The phases that a finding asks."""
    registered = {finding.registration.phase} if finding.registration else set()
    return registered | {one.phase for one in finding.evidence}


def _known(findings: tuple[Finding, ...], ids: set[str]) -> Iterator[str]:
    return (one.id for one in findings if one.id in ids)


def _natural(name: str) -> list[tuple[int, str]]:
    parts: list[str] = re.findall(r"\d+|\D+", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
