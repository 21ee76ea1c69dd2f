"""Tables that the experiment completes, and texts of which it gives the choices."""

import json
from typing import Annotated

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from runner.experiment import EXPERIMENT
from runner.experiment.completed import with_fields
from runner.experiment.interface import OneOf
from runner.hub.records.arm import ArmRecord
from runner.hub.records.beside import CaptureRecord
from runner.manifest.matrix_tables import Exclusion, Inclusion, Together
from runner.manifest.matrix_tables import Matrix as Axes
from runner.manifest.tables import Arm, Manifest, Profile


class Own(BaseModel, frozen=True):
    """A table of the runner."""

    first: int = 1
    last: int = 2


GIVEN = {"given": (int | None, None), "told": (str, Field("x", description="Said of it."))}


@pytest.mark.parametrize(
    ("after", "order"),
    [
        ("first", ["first", "given", "told", "last"]),
        ("last", ["first", "last", "given", "told"]),
        ("", ["given", "told", "first", "last"]),
    ],
)
def test_fields_come_where_they_are_wanted_in_files_and_in_schemas(after, order):
    whole = with_fields(GIVEN, after=after)(Own)
    assert list(json.loads(whole(given=3).model_dump_json())) == order
    schema = whole.model_json_schema()
    assert (list(schema["properties"]), schema["title"]) == (order, "Own")
    assert schema["description"] == "A table of the runner."
    assert schema["properties"]["told"]["description"] == "Said of it."


def test_a_given_field_is_checked_like_any_other():
    whole = with_fields(GIVEN, after="first")(Own)
    with pytest.raises(ValidationError, match="given"):
        whole(given="three")
    with pytest.raises(ValidationError, match="frozen"):
        whole().told = "y"


def test_a_place_that_is_not_there_is_no_place():
    with pytest.raises(ValueError, match="nowhere"):
        with_fields(GIVEN, after="nowhere")(Own)


def test_a_text_is_one_of_the_choices_and_its_schema_names_them():
    kind = TypeAdapter(Annotated[str, OneOf(("one", "two"))])
    assert kind.validate_python("two") == "two"
    with pytest.raises(ValidationError, match="Input should be 'one' or 'two'"):
        kind.validate_python("three")
    assert kind.json_schema() == {"enum": ["one", "two"], "type": "string"}


@pytest.mark.parametrize(
    "table",
    [Manifest, Profile, Arm, Axes, Exclusion, Inclusion, Together],
    ids=lambda one: one.__name__,
)
def test_a_manifest_has_the_sections_of_the_experiment_in_its_order(table):
    names = [one.name for one in EXPERIMENT.parameters.sections]
    assert [name for name in table.model_fields if name in names] == names


def test_a_record_has_what_the_experiment_records():
    assert EXPERIMENT.results.fields.keys() <= ArmRecord.model_fields.keys()
    assert EXPERIMENT.results.recorded({}).keys() == EXPERIMENT.results.fields.keys()
    assert EXPERIMENT.captures.fields.keys() <= CaptureRecord.model_fields.keys()


def test_what_the_parts_say_of_each_other_is_there():
    """Names in one part that another part, or the table of statistics, has to know."""
    results, endpoint = EXPERIMENT.results, EXPERIMENT.endpoint
    assert {*results.measures, *results.worded, *results.foremost} <= results.statistics.keys()
    assert {*results.files.fitted} <= {stage for stage, _ in results.files.order}
    assert endpoint.noun in endpoint.counts
    assert EXPERIMENT.captures.usual in EXPERIMENT.captures.checkpoints
    assert EXPERIMENT.captures.last in EXPERIMENT.captures.checkpoints
    assert EXPERIMENT.progress.unit in EXPERIMENT.captures.fields
    section = EXPERIMENT.parameters.section(EXPERIMENT.given.section).table
    assert EXPERIMENT.given.planned in section.model_fields
    assert EXPERIMENT.given.declared not in section.model_fields
    assert {*EXPERIMENT.parameters.noise, *EXPERIMENT.parameters.objects} <= {*section.model_fields}
