"""The generated schema and reference: current, valid, and complete."""

from pathlib import Path

import jsonschema
import pytest
import tomli

from runner.commands.schema import DOCS, generated_files, manifest_schema

MANIFESTS = sorted((Path(__file__).parents[3] / "manifests").glob("*.toml"))
VALIDATOR = jsonschema.Draft202012Validator


@pytest.mark.parametrize("name", generated_files())
def test_a_generated_file_is_current(name):
    message = f"docs/{name} is stale; run python -m runner.commands.schema"
    assert (DOCS / name).read_bytes() == generated_files()[name], message


def test_the_schema_is_a_valid_one():
    VALIDATOR.check_schema(manifest_schema())


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_the_shipped_manifests_agree_with_the_schema(path):
    VALIDATOR(manifest_schema()).validate(tomli.loads(path.read_text()))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train", {"epoch": 3}),
        ("train", {"learning_rate": -1}),
        ("train", {"optimizer": {"kind": "adam", "momentum": 0.9}}),
        ("train", {"optimizer": {"kind": "adam", "betas": [0.9]}}),
        ("model", {"architecture": "hybird"}),
        ("arms", []),
        ("arms", [{"name": "a b"}]),
        ("arms", [{"name": "a", "train": {"epochs": "3"}}]),
        ("profiles", {"quick": {"phase": {}}}),
        ("resources", {"gpus": -1}),
        ("matrix", {"model": {"architectur": ["hybrid"]}}),
        ("matrix", {"model": {"architecture": "hybrid"}}),
        ("matrix", {"model": {"architecture": ["hybird"]}}),
        ("matrix", {"model": {"fno_blocks": {"values": [4], "names": ["four"]}}}),
        ("matrix", {"train": {"learning_rate": [1e-3, -1]}}),
        ("matrix", {"seed": ["1"]}),
        ("matrix", {"seed": [1], "exclude": [{"train": {"epoch": 3}}]}),
        ("matrix", {"seed": [1], "include": [{"seed": 2, "train": {"epoch": 3}}]}),
        ("matrix", {"together": [{"seed": [1], "dataset": {"sed": [1]}}]}),
        ("zzz", 1),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(key, value):
    document = tomli.loads(MANIFESTS[0].read_text()) | {key: value}
    assert not VALIDATOR(manifest_schema()).is_valid(document)


def test_an_arm_may_change_single_keys_of_an_optimizer():
    document = tomli.loads(MANIFESTS[0].read_text())
    document["arms"][0]["train"] = {"optimizer": {"weight_decay": 0.1}}
    VALIDATOR(manifest_schema()).validate(document)


@pytest.mark.parametrize(
    "matrix",
    [
        {"model": {"fno_blocks": {"values": [4, 6], "labels": ["four", "six"]}}},
        {"train": {"optimizer": [{"kind": "sgd"}, {"kind": "adam"}]}},
        {"train": {"optimizer": {"values": [{"kind": "sgd"}], "labels": ["sgd"]}}},
        {"train": {"clip": {"max_norm": [0.5, 1.0]}}},
        {"seed": {"values": [1, 2], "labels": ["a", "b"]}, "exclude": [{"seed": 1}]},
        {"train": {"epochs": [1]}, "include": [{"arm": "x", "name": "y", "train": {"epochs": 2}}]},
        {"seed": []},
    ],
)
def test_the_schema_knows_every_form_of_an_axis(matrix):
    document = tomli.loads(MANIFESTS[0].read_text()) | {"matrix": matrix}
    VALIDATOR(manifest_schema()).validate(document)


def test_every_table_says_which_keys_it_allows():
    """Validators of editors that are strict, as tombi is, take silence for a prohibition."""

    def silent(schema, place):
        if isinstance(schema, list):
            return [
                one for index, part in enumerate(schema) for one in silent(part, (*place, index))
            ]
        if not isinstance(schema, dict):
            return []
        said = schema.keys() & {"additionalProperties", "patternProperties"}
        mute = schema.get("type") in ("object", ["object"]) and not said
        below = [one for key, part in schema.items() for one in silent(part, (*place, key))]
        return [place] * mute + below

    assert silent(manifest_schema(), ()) == []


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_names_its_schema_for_editors(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith("#:schema ")
    named = path.parent / first.removeprefix("#:schema ")
    assert named.resolve() == DOCS.resolve() / "schema" / "manifest.schema.json"


def test_every_key_says_what_it_means_in_a_sentence():
    schema = manifest_schema()
    silent = [
        key
        for table in (schema, *schema["$defs"].values())
        for key, field in table["properties"].items()
        if not field.get("description", "").endswith(".")
    ]
    assert silent == []


def test_the_reference_has_a_row_for_every_key():
    reference = generated_files()[Path("manifest.md")].decode()
    schema = manifest_schema()
    keys = {key for table in schema["$defs"].values() for key in table["properties"]} - {"kind"}
    missing = [key for key in keys if f"| `{key}` |" not in reference]
    assert missing == []
