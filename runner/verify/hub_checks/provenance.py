"""The words of others in a hub, SLSA and RO-Crate, beside its record."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, Field, JsonValue

from runner.core.reading import typed
from runner.hub import layout
from runner.verify.sealed_hub import SealedHub


class _Subject(BaseModel):
    """A file that an in-toto statement speaks of."""

    name: str
    digest: dict[str, str]


class _Statement(BaseModel):
    """An in-toto statement, as far as it names files."""

    subject: tuple[_Subject, ...] = ()


class _Entity(BaseModel):
    """An entity of an RO-Crate, as far as it is a file."""

    type_: JsonValue = Field(None, alias="@type")
    name: JsonValue = None
    sha256: JsonValue = None


class _RoCrate(BaseModel):
    """An RO-Crate, as far as it names files."""

    graph: tuple[_Entity, ...] = Field((), alias="@graph")


def check_provenance(sealed: SealedHub) -> Iterator[str]:
    """The provenance and the RO-Crate name the files as they are."""
    made_last = {layout.RECORD, layout.PROVENANCE, layout.CRATE}
    present = {path: file.sha256 for path, file in sealed.artifacts.items()}
    try:
        statement = typed(_Statement, sealed.table(layout.PROVENANCE), layout.PROVENANCE)
        crate = typed(_RoCrate, sealed.table(layout.CRATE), layout.CRATE)
    except ValueError as error:
        yield str(error)
        return
    subjects = {one.name: one.digest.get("sha256", "") for one in statement.subject}
    entities = {str(one.name): str(one.sha256) for one in crate.graph if one.type_ == "File"}
    for name, found, left_out in (
        (layout.PROVENANCE, subjects, made_last),
        (layout.CRATE, entities, {layout.RECORD, layout.CRATE}),
    ):
        wanted = {path: digest for path, digest in present.items() if path not in left_out}
        for path in sorted(wanted.keys() | found.keys()):
            if wanted.get(path) != found.get(path):
                yield f"{name} does not name {path} as it is"
