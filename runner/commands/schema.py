"""What is generated under docs/: the JSON Schemas and the manifest's reference.

Made from the very tables that check these files. ``python -m runner.commands.schema`` rewrites
them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from runner.commands.matrix_schema import with_axes
from runner.core.digest import pretty_json
from runner.experiment import EXPERIMENT
from runner.hub.record import schema as hub_schema
from runner.manifest.site import Site
from runner.manifest.tables import Manifest
from runner.report.manifest_reference import render_reference

DOCS = Path(__file__).parents[2] / "docs"


class _TomlSchema(GenerateJsonSchema):
    """TOML has no null, and a table without a ``kind`` may change single keys of another."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        if "default_factory" in schema and not schema.get("default_factory_takes_data"):
            kind = getattr(schema["default_factory"](), "kind", None)  # type: ignore[call-arg]
            described |= {"default": {"kind": kind}} if kind else {}
        return {key: value for key, value in described.items() if (key, value) != ("default", None)}

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        described = super().tagged_union_schema(schema)
        return {"anyOf": described["oneOf"]}

    def field_title_should_be_set(self, _schema: object) -> bool:
        return False

    def handle_ref_overrides(self, json_schema: JsonSchemaValue) -> JsonSchemaValue:
        return json_schema  # pydantic would drop a description that the table has, too


def manifest_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a manifest, for editors; ``load`` checks more than it can say."""
    parameters = EXPERIMENT.parameters.table.model_json_schema(schema_generator=_TomlSchema)
    manifest = Manifest.model_json_schema(schema_generator=_TomlSchema)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "manifest.schema.json",
        **_linked(manifest),
        "$defs": with_axes(
            {
                name: _linked(table)
                for name, table in (parameters["$defs"] | manifest["$defs"]).items()
            }
        ),
    }


def site_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a site file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "site.schema.json",
        **Site.model_json_schema(schema_generator=_TomlSchema),
    }


def _linked(table: dict[str, Any]) -> dict[str, Any]:
    """The schema of a table in which parts of other tables refer to the whole ones."""
    return table | {
        "properties": dict(_declared(*each) for each in table.get("properties", {}).items())
    }


def _declared(key: str, field: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """A key and its field as a manifest has them."""
    if "part_of" in field:
        reference = f"#/$defs/{field['part_of']}"
        return key, {"$ref": reference, "description": field["description"]}
    given = EXPERIMENT.given
    if key == given.planned:
        return given.declared, {"type": "string", "description": given.description}
    return key, field


def generated_files() -> dict[Path, bytes]:
    """The generated files by their path below ``docs/``."""
    schema = manifest_schema()
    return {
        Path("schema/manifest.schema.json"): pretty_json(schema),
        Path("schema/hub.schema.json"): pretty_json(hub_schema()),
        Path("schema/site.schema.json"): pretty_json(site_schema()),
        Path("manifest.md"): render_reference(schema).encode(),
    }


def main() -> None:
    """Rewrite the generated files."""
    for name, content in generated_files().items():
        path = DOCS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
