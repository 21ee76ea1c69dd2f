"""The provenance of a hub as an in-toto statement with SLSA's predicate."""

from runner.core.digest import sha256_file
from runner.core.reading import parse_json
from runner.hub import layout
from runner.hub.records.base import FileRecord
from runner.hub.slsa import SLSA, provenance
from runner.phase.finalize import write_metadata

FILES = tuple(
    FileRecord(path=path, sha256=digit * 64, bytes=1, deterministic=True)
    for path, digit in (("manifest.toml", "1"), ("plan.json", "2"), ("arms/a/model.pt", "3"))
)


def statement(record):
    return provenance(record, "phase8/2026-01-30T050000Z", FILES).table()


def dependencies(record):
    found = statement(record)["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {dependency["name"]: dependency["digest"] for dependency in found}


def test_it_has_the_types_that_other_tools_look_for(record):
    table = statement(record)
    assert table["_type"] == "https://in-toto.io/Statement/v1"
    assert table["predicateType"] == SLSA
    assert table["predicate"].keys() == {"buildDefinition", "runDetails"}
    assert table["predicate"]["runDetails"]["builder"]["id"] == "urn:phasehub:runner"


def test_every_file_is_a_subject_with_its_digest(record):
    assert statement(record)["subject"] == [
        {"name": file.path, "digest": {"sha256": file.sha256}} for file in FILES
    ]


def test_what_the_results_were_made_from_is_named_by_digest(record):
    assert dependencies(record) == {
        "manifest.toml": {"sha256": "1" * 64},
        "plan.json": {"sha256": "2" * 64},
        "models": {"sha256": "8" * 64, "gitCommit": "7" * 40},
        "image id": {"sha256": "6" * 64},
        "dataset/metadata.json": {"sha256": "b" * 64},
        "dataset/test.npz": {"sha256": "c" * 64},
        "dataset/train.npz": {"sha256": "d" * 64},
    }


def test_what_is_not_known_is_not_claimed(record):
    code = record.code.model_copy(update={"commit": None})
    found = dependencies(record.model_copy(update={"image": None, "code": code}))
    assert found["models"] == {"sha256": "8" * 64}
    assert "image id" not in found


def test_times_and_name_of_the_run_stand_in_it(record):
    assert statement(record)["predicate"]["runDetails"]["metadata"] == {
        "invocationId": "phase8/2026-01-30T050000Z",
        "startedOn": record.started,
        "finishedOn": record.ended,
    }


def test_the_subjects_of_a_hub_are_its_files_as_they_lie_there(hub_folder, record):
    write_metadata(record, hub_folder, "phase8/2026-01-30T050000Z")
    table = parse_json((hub_folder / layout.PROVENANCE).read_bytes())
    subjects = {subject["name"]: subject["digest"]["sha256"] for subject in table["subject"]}
    assert "arms/stable_sgd/model.pt" in subjects
    assert all(sha256_file(hub_folder / name) == digest for name, digest in subjects.items())
