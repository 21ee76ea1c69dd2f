"""A manifest as a run has it: its tables, and the arms that it plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.core.digest import sha256_bytes
from runner.core.errors import ManifestError
from runner.core.project import project_of
from runner.experiment import EXPERIMENT
from runner.manifest.arms import Variant
from runner.manifest.checks import check
from runner.manifest.extent import check_extent
from runner.manifest.findings import Finding, findings_of
from runner.manifest.given_files import as_declared, read_given_files
from runner.manifest.manifest_errors import Mistake, did_you_mean, listed, render
from runner.manifest.set_knobs import read_set
from runner.manifest.source import TomlSource, read_given
from runner.manifest.tables import Manifest


@dataclass(frozen=True, kw_only=True)
class LoadedManifest:
    """A manifest with the bytes that it was read from."""

    manifest: Manifest
    source: bytes
    path: Path
    variants: Mapping[str | None, Variant] = field(default_factory=dict)
    """Profile → what it plans; ``None`` → the phase as written. Empty for the one of a hub, of
    which the plan says what ran."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """Digest → file that it gives to its datasets."""
    registered: tuple[Finding, ...] = ()
    """The findings that it names and that are registered for its phase, as they stand now."""

    @property
    def sha256(self) -> str:
        """Digest of the bytes of the file."""
        return sha256_bytes(self.source)

    @property
    def project(self) -> Path:
        """The folder that the tests which it names are looked for in."""
        return project_of(self.path)

    def variant(self, profile: str | None = None) -> Variant:
        """What is planned with a profile. Raises ``ManifestError`` when there is no such one."""
        if profile not in self.variants:
            profiles = self.manifest.profiles
            known = f"profiles are {listed(profiles)}" if profiles else "the manifest has none"
            raise ManifestError(
                f"{self.path}: no profile {profile!r}; {known}{did_you_mean(profile, profiles)}"
            )
        return self.variants[profile]

    def remarks(self) -> list[str]:
        """What is odd about the arms of the phase and of its profiles without being wrong."""
        return EXPERIMENT.parameters.remarks(
            (f"{arm.name} of profile {profile}" if profile else arm.name, arm.parameters)
            for profile, variant in self.variants.items()
            for arm in variant.arms
        )


def load(path: Path, *, set_over: Sequence[str] = (), profile: str | None = None) -> LoadedManifest:
    """Read and check a manifest, with what the command line sets over the variant that is run.

    ``set_over`` are words like ``resources.threads=2``; they are laid over ``profile`` alone.

    Raises ``ManifestError`` that names everything that is wrong with it, line by line.
    """
    source = read_given(path)
    if not source.text.strip():
        raise ManifestError(f"{path}: the file is empty; see manifests/README.md for the format")
    source = replace(source, over=read_set(set_over, profile))
    _refuse(check_extent(source), source)
    source, given = read_given_files(source)
    found = check(source)
    misnamed, registered = findings_of(source)
    _refuse([*given.problems, *map(as_declared, found.mistakes), *misnamed], source)
    manifest = found.manifest
    assert manifest is not None
    return LoadedManifest(
        manifest=manifest,
        source=source.content,
        path=path,
        variants=found.variants,
        given=given.paths,
        registered=registered,
    )


def _refuse(wrong: Iterable[Mistake], source: TomlSource) -> None:
    if mistakes := list(wrong):
        raise ManifestError(render(mistakes, file=str(source.path), text=source.text))
