"""A hub as a Process Run Crate: held against the record, and by the public validator."""

import subprocess
from pathlib import Path

import pytest

from runner.core.reading import parse_json
from runner.hub import layout
from runner.hub.records.base import FileRecord
from runner.hub.ro_crate import COMPLETED, FAILED, NO_LICENSE, crate
from runner.phase.finalize import write_metadata

ROOT = Path(__file__).parents[3]
VALIDATOR = ROOT / "tests" / "validators" / "process_run_crate.py"
PYTHON = ROOT / ".venv-validators" / "bin" / "python"


def entities(record, files=()):
    graph = crate(record, tuple(files), "ro-crate-metadata.json")["@graph"]
    assert len({entity["@id"] for entity in graph}) == len(graph)
    return {entity["@id"]: entity for entity in graph}


def a_file(path):
    return FileRecord(path=path, sha256="a" * 64, bytes=3, deterministic=True)


def started(record):
    arms = [
        arm.model_copy(update={"started": record.started, "ended": record.ended})
        for arm in record.arms
    ]
    return record.model_copy(update={"arms": tuple(arms)})


def validate(folder):
    if not PYTHON.exists():
        pytest.fail("the validators are not installed; `nox -s tests` installs them")
    return subprocess.run(
        [PYTHON, VALIDATOR, folder], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def folder(hub_folder, record):
    (hub_folder / "dataset").mkdir()
    (hub_folder / "dataset" / "job.json").write_text("{}")
    (hub_folder / "dataset" / "metadata.json").write_text("{}")
    (hub_folder / "name with blanks & φ.md").write_text("text")
    write_metadata(started(record), hub_folder, "phase8/2026-01-30T050000Z")
    return hub_folder


def test_the_public_validator_accepts_a_hub(folder):
    done = validate(folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_public_validator_refuses_a_crate_that_lacks_a_file(folder):
    (folder / "arms" / "stable_sgd" / "recon.png").unlink()
    done = validate(folder)
    assert done.returncode == 1
    assert "recon.png" in done.stdout


def test_every_file_stands_with_its_digest_under_an_address_that_is_valid(folder, record):
    graph = {e["@id"]: e for e in parse_json((folder / layout.CRATE).read_bytes())["@graph"]}
    listed = {file.path: file for file in layout.list_files(folder, record)}
    files = {e["name"]: e for e in graph.values() if e["@type"] == "File"}
    assert files.keys() == listed.keys() - {layout.CRATE}
    assert all(entity["sha256"] == listed[name].sha256 for name, entity in files.items())
    assert "name%20with%20blanks%20%26%20%CF%86.md" in graph
    assert {part["@id"] for part in graph["./"]["hasPart"]} == {e["@id"] for e in files.values()}


def test_every_arm_that_started_is_an_action_with_its_outcome(record):
    found = entities(started(record))
    assert found["#arm-stable_sgd"]["actionStatus"] == COMPLETED
    failed = found["#arm-stable_large"]
    assert failed["actionStatus"] == FAILED
    assert failed["error"].startswith("killed at its memory limit")
    assert failed["startTime"] == record.started


def test_an_arm_that_never_started_is_no_action(record):
    arms = tuple(arm.model_copy(update={"started": None}) for arm in record.arms)
    found = entities(record.model_copy(update={"arms": arms}))
    assert not any(identity.startswith("#arm-") for identity in found)
    assert found["./"]["mentions"] == [{"@id": "#simulation"}]


def test_the_result_of_an_action_is_what_the_arm_left(record):
    files = [a_file(f"arms/stable_sgd/{name}") for name in ("job.json", "model.pt", "stats.json")]
    action = entities(started(record), files)["#arm-stable_sgd"]
    assert action["object"] == {"@id": "arms/stable_sgd/job.json"}
    assert [result["@id"] for result in action["result"]] == [
        "arms/stable_sgd/model.pt",
        "arms/stable_sgd/stats.json",
    ]


def test_the_license_is_the_manifest_s_or_said_to_be_missing(record):
    assert entities(record)["./"]["license"] == NO_LICENSE
    licensed = record.model_copy(update={"license": "CC-BY-4.0"})
    assert entities(licensed)["./"]["license"] == "CC-BY-4.0"
