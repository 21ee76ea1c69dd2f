"""The tables of ``hub.json``: what a phase asked, what ran, and what came out.

Frozen values that mirror the file. They name every artifact by its path inside the hub, with its
digest, so that a hub can be compared, archived and reproduced without knowledge of how it was made.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from runner.core.names import SafeName, Sha256
from runner.experiment import EXPERIMENT
from runner.experiment.interface import OneOf
from runner.hub.records.again import ReproductionRecord
from runner.hub.records.arm import ArmRecord, IdenticalArms
from runner.hub.records.base import (
    FileRecord,
    Moment,
    Record,
    is_empty,
)
from runner.hub.records.beside import StepRecord, SummaryRecord, TestsRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import CodeRecord, ComparedHub, EngineRecord
from runner.hub.records.registered import RegisteredFinding
from runner.manifest.dataset_names import (
    OneOrMany,
    assigned,
    one_or_many_schema,
    refuse_ambiguity,
    with_one_or_many,
)
from runner.manifest.set_knobs import SetKnobs
from runner.manifest.value_kinds import FindingId

Stage = Annotated[str, OneOf(EXPERIMENT.stages.names)]


class HubRecord(Record):
    """Everything that a hub says about itself."""

    schema_version: Literal[1] = 1
    phase: SafeName
    title: str
    question: str
    findings: Annotated[tuple[FindingId, ...], Field(max_length=256)] = ()
    registered: tuple[RegisteredFinding, ...] = ()
    """What was registered of these findings when the run began; all else is exploratory."""
    compare_with: tuple[SafeName, ...] = ()
    license: str | None = None
    """How the hub may be used: the name or address of a license; ``null`` where none is stated."""
    stage: Stage
    profile: SafeName | None = None
    set_knobs: SetKnobs = Field(default_factory=dict, exclude_if=is_empty)
    """What the command line set over manifest and profile, by dotted names; it is not written where
    it set nothing. ``manifest.toml`` is as the user wrote it."""
    started: Moment
    ended: Moment
    resumed: Annotated[tuple[Moment, ...], Field(max_length=10_000)] = Field(
        (), exclude_if=is_empty
    )
    """When another process went on with the run that had been cut short; it is not written where
    none did, and not in hubs from before this was recorded."""
    interrupted: bool = False
    """Whether the run was stopped before all arms had ended; what was finished is kept."""
    only: tuple[str, ...] = ()
    """The arms that were asked for by name, where the phase has others; empty for all of them."""
    seed: int
    """The phase's seed; an arm can have one of its own."""
    device: Literal["cpu", "cuda"]
    engine: EngineRecord
    image: dict[str, JsonValue] | None = None
    """Identity of the image by content; ``null`` where no image was used."""
    code: CodeRecord
    datasets: OneOrMany[DatasetRecord]
    """The datasets of the arms; where there is one, it is written as ``dataset``."""
    arms: tuple[ArmRecord, ...]
    tests: TestsRecord | None = None
    """The regression tests; ``null`` where the phase names none."""
    steps: tuple[StepRecord, ...] = ()
    """What was declared to follow the arms on a condition, taken or not."""
    lock_sha256: Sha256 | None = None
    """Digest of the manifest's lock file that the run was held to, ``manifest.lock.json`` in the
    hub; ``null`` for a run without ``--locked``."""
    rules_required: bool = False
    """Whether the phase fails when a success rule does not hold."""
    identical_arms: tuple[IdenticalArms, ...] = ()
    compared: tuple[ComparedHub, ...] = ()
    """The hubs whose arms stand beside this one's in the tables."""
    reproduction: ReproductionRecord | None = None
    """The hub that this one makes again; ``null`` for a phase that was run from a manifest."""
    summary: SummaryRecord | None = None
    """``null`` where no arm succeeded or no engine ran."""
    notes: tuple[str, ...] = ()
    """What a reader must know before comparing: fallbacks, relaxed limits, other packages."""
    artifacts: tuple[FileRecord, ...] = ()
    """Every file of the hub, without this one and ``SHA256SUMS``."""

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        for what, names in (
            ("arms", [arm.name for arm in self.arms]),
            ("steps", [step.name for step in self.steps]),
            ("registered", [finding.id for finding in self.registered]),
            ("artifacts", [file.path for file in self.artifacts]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} names one twice")
        refuse_ambiguity(self.datasets)
        if unnamed := {one.id for one in self.registered} - set(self.findings):
            raise ValueError(f"registered has {min(unnamed)}, and findings does not name it")
        return self

    @model_serializer(mode="wrap")
    def _written(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return with_one_or_many(write(self))

    @property
    def datasets_of_arms(self) -> dict[str, DatasetRecord]:
        """Arm → its dataset; an arm of which the hub has none is missing."""
        return assigned(self.datasets, self.arms)

    def arm(self, name: str) -> ArmRecord:
        """The arm of that name. Raises ``KeyError``."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)


class _FileSchema(GenerateJsonSchema):
    """The schema of a table as it is written, seen through the serializer that writes it."""

    def ser_schema(
        self,
        schema: core_schema.SerSchema
        | core_schema.IncExSeqSerSchema
        | core_schema.IncExDictSerSchema,
    ) -> JsonSchemaValue | None:
        wraps = schema["type"] == "function-wrap"
        return None if wraps else super().ser_schema(schema)


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of ``hub.json``."""
    described = HubRecord.model_json_schema(mode="serialization", schema_generator=_FileSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "hub.schema.json",
        **one_or_many_schema(described),
    }
