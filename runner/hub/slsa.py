"""Who says what about a hub, in the words that other tools read: in-toto statements.

``provenance.json`` says of every file of a hub from what it was made, as SLSA provenance v1
(https://slsa.dev/spec/v1.0/provenance). A statement is a claim in plain JSON and not signed by
itself: ``SHA256SUMS`` covers it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from runner.hub.record import HubRecord
from runner.hub.records.base import FileRecord

STATEMENT: Final = "https://in-toto.io/Statement/v1"
SLSA = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:phasehub:run:v1"
BUILDER = "urn:phasehub:runner"


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Resource(_Words):
    """A thing and its digests; ``ResourceDescriptor`` of in-toto."""

    name: str
    digest: dict[str, str]
    annotations: dict[str, JsonValue] | None = None


class BuildDefinition(_Words):
    """What was asked for, and from what it was made."""

    buildType: str = BUILD_TYPE  # noqa: N815  SLSA's own spelling
    externalParameters: dict[str, JsonValue]  # noqa: N815
    internalParameters: dict[str, JsonValue]  # noqa: N815
    resolvedDependencies: tuple[Resource, ...]  # noqa: N815


class RunDetails(_Words):
    """By whom and when."""

    builder: dict[str, JsonValue]
    metadata: dict[str, str]


class Provenance(_Words):
    """The predicate of SLSA provenance v1."""

    buildDefinition: BuildDefinition  # noqa: N815
    runDetails: RunDetails  # noqa: N815


class InTotoStatement(_Words):
    """An in-toto statement: a predicate about subjects."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(STATEMENT, alias="_type")
    subject: tuple[Resource, ...]
    predicateType: str  # noqa: N815
    predicate: dict[str, Any]

    def table(self) -> dict[str, Any]:
        """The statement as a JSON value."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def provenance(record: HubRecord, name: str, files: Iterable[FileRecord]) -> InTotoStatement:
    """The provenance of a hub's ``files``; ``name`` is the hub's, ``<phase>/<id>``."""
    files = tuple(files)
    digests = {file.path: file.sha256 for file in files}
    predicate = Provenance(
        buildDefinition=BuildDefinition(
            externalParameters={
                "phase": record.phase,
                "profile": record.profile,
                "arms": [arm.name for arm in record.arms],
                "seed": record.seed,
                **({"set_knobs": record.set_knobs} if record.set_knobs else {}),
            },
            internalParameters={"engine": record.engine.name, "device": record.device},
            resolvedDependencies=tuple(_dependencies(record, digests)),
        ),
        runDetails=RunDetails(
            builder={"id": BUILDER, "version": {"commit": record.code.commit or "unknown"}},
            metadata={
                "invocationId": name,
                "startedOn": record.started,
                "finishedOn": record.ended,
            },
        ),
    )
    return InTotoStatement(
        subject=tuple(Resource(name=file.path, digest={"sha256": file.sha256}) for file in files),
        predicateType=SLSA,
        predicate=predicate.model_dump(mode="json", exclude_none=True),
    )


def _dependencies(record: HubRecord, digests: dict[str, str]) -> Iterable[Resource]:
    """Manifest and plan, the code, the image or the packages, the data; hubs with reused arms."""
    for name in ("manifest.toml", "plan.json"):
        if name in digests:
            yield Resource(name=name, digest={"sha256": digests[name]})
    code = record.code
    commit = {"gitCommit": code.commit} if code.commit else {}
    yield Resource(
        name="models",
        digest={"sha256": code.models_sha256} | commit,
        annotations={"dirty": code.dirty, "digest_of": "the sorted output of sha256sum"},
    )
    image = record.image or {}
    for name in ("id", "base_id"):
        if name in image:
            algorithm, _, digest = str(image[name]).partition(":")
            yield Resource(name=f"image {name}", digest={algorithm: digest})
    packages = record.engine.facts.get("packages_sha256")
    if isinstance(packages, str):
        yield Resource(name="installed packages", digest={"sha256": packages})
    if isinstance(lock := image.get("lock_sha256"), str):
        yield Resource(name="lock", digest={"sha256": lock})
    for dataset in record.datasets:
        for file in dataset.files:
            yield Resource(name=f"{dataset.folder}/{file.path}", digest={"sha256": file.sha256})
    reused = {arm.reused.hub: arm.reused for arm in record.arms if arm.reused}
    for hub, source in reused.items():
        digest_of = {"digest_of": "its SHA256SUMS"}
        sha256 = {"sha256": source.checksums_sha256}
        yield Resource(name=f"hub {hub}", digest=sha256, annotations=digest_of)
