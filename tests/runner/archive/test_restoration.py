"""From a hub in its place to a file, and from the file to a hub in its place."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.archive import archive_hub, image_file, restore
from runner.digest import sha256_bytes, sha256_file
from runner.errors import EngineError, VerificationError
from runner.hub import stage, verify, write_record
from runner.record import FileRecord

NOW = datetime(2026, 1, 30, 5, 0, 0, tzinfo=UTC)
ARRAYS = {"metadata.json": b"{}", "test.npz": b"test", "train.npz": b"train" * 999}
KEY = "9" * 64
LIMIT = 2**30


@pytest.fixture
def state(tmp_path):
    cached = tmp_path / "state" / "datasets" / KEY
    cached.mkdir(parents=True)
    for name, content in ARRAYS.items():
        (cached / name).write_bytes(content)
    return tmp_path / "state"


@pytest.fixture
def hub(tmp_path, record):
    files = tuple(
        FileRecord(path=name, sha256=sha256_bytes(content), bytes=len(content), deterministic=True)
        for name, content in ARRAYS.items()
    )
    dataset = record.dataset.model_copy(update={"files": files})
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    (staging.path / "dataset").mkdir()
    (staging.path / "dataset" / "metadata.json").write_bytes(b"{}")
    write_record(staging.path, record.model_copy(update={"dataset": dataset}))
    return staging.seal()


def archived(hub, state, target, **options):
    asked = {"with_image": False, "with_dataset": False} | options
    path, _ = archive_hub(hub, target=target, state=state, say=print, **asked)
    return path


def restored(archive, tmp_path):
    return restore(
        archive, artifacts=tmp_path / "there", state=tmp_path / "fresh", limit_bytes=LIMIT
    )


def test_a_restored_hub_lies_in_its_place_and_verifies(hub, state, tmp_path):
    found = restored(archived(hub, state, tmp_path / "a.tar.zst"), tmp_path)
    assert found.hub == tmp_path / "there" / "phase8" / "2026-01-30T050000Z"
    assert verify(found.hub).intact
    assert not found.dataset
    assert found.image is None
    assert list((tmp_path / "fresh" / "restored").iterdir()) == []


def test_the_dataset_is_in_the_cache_again_with_what_describes_it(hub, state, tmp_path):
    found = restored(archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True), tmp_path)
    cached = tmp_path / "fresh" / "datasets" / KEY
    assert found.dataset
    assert {path.name: path.read_bytes() for path in cached.iterdir()} == ARRAYS


def test_a_hub_that_is_there_already_is_left_alone(hub, state, tmp_path):
    path = archived(hub, state, tmp_path / "a.tar.zst")
    before = restored(path, tmp_path)
    with pytest.raises(EngineError, match=r"is there already; `phasehub verify .*` tells whether"):
        restored(path, tmp_path)
    assert verify(before.hub).intact


def test_an_archive_that_is_there_already_is_left_alone(hub, state, tmp_path):
    (tmp_path / "a.tar.zst").write_text("mine")
    with pytest.raises(EngineError, match="exists already; move it away"):
        archived(hub, state, tmp_path / "a.tar.zst")
    assert (tmp_path / "a.tar.zst").read_text() == "mine"


def test_a_dataset_that_is_gone_or_changed_is_not_archived(hub, state, tmp_path):
    (state / "datasets" / KEY / "test.npz").write_bytes(b"other")
    with pytest.raises(VerificationError, match=r"test\.npz is not what the hub ran on"):
        archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True)
    shutil.rmtree(state / "datasets")
    with pytest.raises(EngineError, match=r"metadata\.json is missing; archive without"):
        archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True)
    assert not (tmp_path / "a.tar.zst").exists()


def test_a_phase_that_ran_in_no_image_has_none_to_archive(tmp_path, record, state):
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    write_record(staging.path, record.model_copy(update={"image": None}))
    with pytest.raises(EngineError, match="in no image; archive it without --with-image"):
        archived(staging.seal(), state, tmp_path / "a.tar.zst", with_image=True)


def test_a_damaged_archive_leaves_nothing(hub, state, tmp_path):
    path = archived(hub, state, tmp_path / "a.tar.zst")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(VerificationError, match="it is cut short"):
        restored(path, tmp_path)
    assert not (tmp_path / "there").exists()
    assert list((tmp_path / "fresh" / "restored").iterdir()) == []


def test_the_image_of_a_restored_hub_is_found_by_the_hub_s_digest(hub, tmp_path):
    digest = sha256_file(hub / "SHA256SUMS")
    assert image_file(digest, tmp_path) == tmp_path / "restored" / digest / "image.tar"


def test_the_command_line_says_where_things_are(hub, tmp_path):
    def phasehub(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "runner", *map(str, arguments)],
            cwd=Path(__file__).parents[3],
            env={"PHASEHUB_STATE": str(tmp_path / "fresh"), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )

    done = phasehub("archive", hub, "-o", tmp_path / "a.tar.zst")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'a.tar.zst'}\n"
    assert f"sha256 {sha256_file(tmp_path / 'a.tar.zst')}" in done.stderr
    done = phasehub("restore", tmp_path / "a.tar.zst", "--out", tmp_path / "there")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'there' / 'phase8' / '2026-01-30T050000Z'}\n"
    (tmp_path / "a.tar.zst").write_bytes(b"no archive")
    assert phasehub("restore", tmp_path / "a.tar.zst", "--out", tmp_path / "x").returncode == 4
