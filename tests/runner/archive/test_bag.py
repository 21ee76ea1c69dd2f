"""A hub as a bag, which the public validator accepts and finds every damage in."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.archive import write_bag
from runner.core.digest import entries
from runner.core.errors import EngineError, VerificationError
from runner.hub.layout import stage, write_record

ROOT = Path(__file__).parents[3]
VALIDATOR = ROOT / ".venv-validators" / "bin" / "bagit.py"
NOW = datetime(2026, 1, 30, 5, 0, 0, tzinfo=UTC)


@pytest.fixture
def hub(tmp_path, record):
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    (staging.path / "arms" / "one").mkdir(parents=True)
    (staging.path / "arms" / "one" / "größe φ.json").write_text("{}")
    write_record(staging.path, record)
    return staging.seal()


def validate(bag):
    if not VALIDATOR.exists():
        pytest.fail("the validators are not installed; `nox -s tests` installs them")
    return subprocess.run(
        [VALIDATOR, "--validate", bag], capture_output=True, text=True, check=False
    )


def test_the_public_validator_accepts_a_bag(hub, tmp_path):
    done = validate(write_bag(hub, tmp_path / "bag"))
    assert done.returncode == 0, done.stderr


def test_the_public_validator_finds_a_changed_file(hub, tmp_path):
    bag = write_bag(hub, tmp_path / "bag")
    (bag / "data" / "hub.json").chmod(0o644)
    (bag / "data" / "hub.json").write_text("{}")
    assert validate(bag).returncode != 0


def test_the_payload_is_the_hub_byte_for_byte(hub, tmp_path):
    bag = write_bag(hub, tmp_path / "bag")
    assert entries(bag / "data") == entries(hub)
    for path in entries(hub):
        assert (bag / "data" / path).read_bytes() == (hub / path).read_bytes()


def test_the_same_hub_gives_the_same_bag(hub, tmp_path):
    bags = [write_bag(hub, tmp_path / name) for name in ("one", "two")]
    tags = ("bagit.txt", "bag-info.txt", "manifest-sha256.txt", "tagmanifest-sha256.txt")
    for name in tags:
        assert bags[0].joinpath(name).read_bytes() == bags[1].joinpath(name).read_bytes()
    assert "External-Identifier: phase8/2026-01-30T050000Z\n" in (
        bags[0] / "bag-info.txt"
    ).read_text("utf-8")


def test_a_damaged_hub_or_a_folder_that_is_there_is_refused(hub, tmp_path):
    (tmp_path / "mine").mkdir()
    with pytest.raises(EngineError, match="mine exists already"):
        write_bag(hub, tmp_path / "mine")
    (hub / "hub.json").chmod(0o644)
    (hub / "hub.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"changed: hub\.json"):
        write_bag(hub, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
