"""``hub.json`` reads back as it was written, and its schema says what it may hold."""

import json

import jsonschema
import pytest
from pydantic import ValidationError

from runner.core.digest import pretty_json
from runner.hub.leaves import leaves
from runner.hub.record import HubRecord, schema
from runner.hub.records.arm import ArmRecord, Execution

VALIDATOR = jsonschema.Draft202012Validator


def written(record):
    return json.loads(pretty_json(record.model_dump(mode="json")))


def test_a_record_reads_back_as_it_was_written(record):
    assert HubRecord.model_validate(written(record)) == record


def test_the_schema_is_a_valid_one():
    VALIDATOR.check_schema(schema())


def test_a_record_agrees_with_the_schema(record):
    VALIDATOR(schema()).validate(written(record))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["schema_version"], 2),
        (["unknown"], 1),
        (["device"], "tpu"),
        (["arms", 0, "status"], "fine"),
        (["arms", 0, "files", 0, "deterministic"], None),
        (["arms", 0, "seed"], "one"),
        (["code", "commit"], 7),
        (["dataset"], None),
    ],
)
def test_what_is_no_record_is_refused_by_the_tables_and_by_the_schema(record, path, value):
    table = place = written(record)
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        HubRecord.model_validate(table)
    assert not VALIDATOR(schema()).is_valid(table)


@pytest.mark.parametrize("key", ["phase", "seed", "engine", "dataset", "arms", "started"])
def test_what_every_hub_says_cannot_be_left_out(record, key):
    table = written(record)
    del table[key]
    with pytest.raises(ValidationError, match=key):
        HubRecord.model_validate(table)
    assert not VALIDATOR(schema()).is_valid(table)


def test_a_record_is_frozen(record):
    with pytest.raises(ValidationError, match="frozen"):
        record.phase = "other"


def test_an_infinite_measurement_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        ArmRecord(
            name="a",
            status="failed",
            seed=1,
            parameters={},
            execution=Execution(device="cpu", threads=1),
            command=(),
            wall_s=float("inf"),
        )


def test_an_arm_is_found_by_its_name(record):
    assert record.arm("stable_adamw").collapse_epoch == 7
    with pytest.raises(KeyError):
        record.arm("nobody")


def test_an_arm_s_plan_is_its_parameters_and_its_seed(record):
    arm = record.arm("stable_sgd")
    assert arm.plan["seed"] == 20260128
    assert arm.plan["train"] == arm.parameters["train"]
    assert arm.subject == "stable_hybrid"
    assert arm.model_copy(update={"parameters": {}}).subject == "?"


def test_leaves_are_named_by_their_path_and_lists_are_leaves():
    table = {"a": {"b": 1, "c": [1, {"d": 2}]}, "e": None, "f": {}}
    assert list(leaves(table)) == [("a.b", 1), ("a.c", [1, {"d": 2}]), ("e", None)]
