"""The hub that is to be reproduced: verified, and read back into what a run starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import ManifestError, VerificationError
from runner.engines.images.build import BuiltImage, read_identity
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.hub.records.arm import MEASURED
from runner.jobs.datasets import given_digest
from runner.manifest.dataset_names import folder_of
from runner.manifest.given_files import with_given
from runner.manifest.manifest_errors import did_you_mean
from runner.manifest.model import LoadedManifest
from runner.manifest.set_checks import with_set_seed
from runner.manifest.set_knobs import SetLayer
from runner.manifest.source import read
from runner.manifest.tables import Manifest
from runner.plan.model import Job, Plan
from runner.report.wording import STATUS_WORDS
from runner.verify.bundled_source import bundled_code
from runner.verify.consistency import describe, inconsistencies
from runner.verify.sealed_hub import SealedHub


@dataclass(frozen=True, kw_only=True)
class Original:
    """A hub that is as it was sealed, and agrees with itself."""

    folder: Path
    record: HubRecord
    sha256: str
    """Digest of its ``SHA256SUMS``."""
    loaded: LoadedManifest
    plan: Plan
    image: BuiltImage | None
    """The image that its record names; ``None`` where none was used."""
    code: Path
    """Folder with the source of ``models/``, its locks and the Dockerfile."""

    @property
    def name(self) -> str:
        """The phase and the hub's own name."""
        return f"{self.record.phase}/{self.folder.resolve().name}"


def open_original(folder: Path) -> Original:
    """Verify a hub, deeply, and read it.

    Raises ``VerificationError`` for a hub that is not as it was sealed, contradicts itself, was
    never run, or cannot be read by this version.
    """
    sealed = SealedHub(folder=folder).require_intact()
    record = sealed.record
    image = read_identity(record.image, str(folder / layout.RECORD)) if record.image else None
    if wrong := inconsistencies(sealed):
        raise VerificationError(describe(folder, wrong))
    if not any(arm.status == "succeeded" for arm in record.arms):
        raise VerificationError(
            f"no arm of {folder} succeeded; there is nothing to reproduce. Run its manifest again"
        )
    try:
        loaded = read_declaration(folder, sealed.plan)
    except (ManifestError, ValueError) as error:
        raise unreadable(folder, error) from error
    return Original(
        folder=folder,
        record=record,
        sha256=sealed.sha256,
        loaded=loaded,
        plan=sealed.plan,
        image=image,
        code=bundled_code(folder, record),
    )


def unreadable(folder: Path, error: Exception) -> VerificationError:
    """What to say of a hub whose declaration is none that this version reads."""
    return VerificationError(
        f"{folder} cannot be read by this phasehub; use the version that made the hub "
        f"({str(error).splitlines()[0]})"
    )


def read_declaration(folder: Path, plan: Plan) -> LoadedManifest:
    """The hub's manifest. What it says of knobs is not judged again: the plan is what ran."""
    source = read(folder / layout.MANIFEST)
    given = {
        digest: folder / folder_of(job.name) / EXPERIMENT.given.name
        for job in plan.datasets
        if (digest := given_digest(job))
    }
    document = with_given(source, next(iter(given), None)).json
    seed = SetLayer(knobs=plan.set_knobs).seed
    manifest = with_set_seed(Manifest.model_validate_json(document), seed)
    assert manifest is not None
    return LoadedManifest(
        manifest=manifest,
        source=source.content,
        path=folder / layout.MANIFEST,
        given=given,
    )


def plan_again(original: Original, arms: Sequence[str]) -> Plan:
    """What is run of the plan: the arms and their data, all of them or those of ``arms``.

    What follows from several arms together is made only where all are run again. The regression
    tests are not run: their results are no numbers of the phase.

    Raises ``VerificationError`` for an arm that the hub does not have, or has no results of.
    """
    plan = original.plan.model_copy(update={"tests": None})
    if not arms:
        return plan
    names = [job.name for job in plan.arms]
    for name in arms:
        if name not in names:
            raise VerificationError(
                f"{original.folder} has no arm {name!r}; arms are {', '.join(names)}"
                f"{did_you_mean(name, names)}"
            )
    refuse_without_results(original, arms)
    chosen = tuple(job for job in plan.arms if job.name in arms)
    return plan.for_arms(chosen).model_copy(update={"steps": ()})


def refuse_without_results(original: Original, arms: Sequence[str]) -> None:
    """Raise ``VerificationError`` for an arm that left nothing which could be compared."""
    ended = {arm.name: arm.status for arm in original.record.arms}
    measured = [name for name, status in ended.items() if status in MEASURED]
    for name in arms:
        if name not in measured:
            raise VerificationError(
                f"{original.folder}: {name} left no results ({STATUS_WORDS[ended[name]]}), so that "
                f"there is nothing to compare; --arm takes {', '.join(measured)}. To see whether "
                f"it ends so again, run the manifest with --only {name}"
            )


def jobs_again(original: Original, plan: Plan) -> tuple[Job, ...]:
    """The jobs that ``plan`` runs: no arm without results, which is taken over as it is."""
    without = {arm.name for arm in original.record.arms if arm.status not in MEASURED}
    again = plan.for_arms([job for job in plan.arms if job.name not in without])
    return (*again.datasets, *again.arms)
