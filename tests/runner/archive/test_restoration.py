"""From a hub in its place to a file, and from the file to a hub in its place."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from backports import zstd

from runner.archive import Source, archive_hub, image_file, pack, restore
from runner.archive.layout import header, padding
from runner.core.digest import entries, sha256_bytes, sha256_file
from runner.core.errors import EngineError, VerificationError
from runner.hub.layout import read, stage, verify, write_record
from runner.hub.records.base import FileRecord
from runner.jobs.datasets import find

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
    dataset = record.datasets[0].model_copy(update={"files": files})
    staging = stage(tmp_path / "artifacts", record.phase, NOW)
    (staging.path / "dataset").mkdir()
    (staging.path / "dataset" / "metadata.json").write_bytes(b"{}")
    write_record(staging.path, record.model_copy(update={"datasets": (dataset,)}))
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
    assert left_in(tmp_path / "fresh") == []


def left_in(state):
    """Files below the state but locks."""
    return [path for path in entries(state) if not path.name.endswith(".lock")]


def test_the_dataset_is_found_again_with_what_describes_it(hub, state, tmp_path):
    found = restored(archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True), tmp_path)
    assert found.dataset
    dataset = find(read(found.hub).datasets[0], tmp_path / "fresh" / "datasets")
    assert {path.name: path.read_bytes() for path in dataset.folder.iterdir()} == ARRAYS
    again = archived(found.hub, tmp_path / "fresh", tmp_path / "b.tar.zst", with_dataset=True)
    assert again.read_bytes() == (tmp_path / "a.tar.zst").read_bytes()


def test_a_restored_dataset_does_not_pass_for_one_that_was_simulated_here(hub, state, tmp_path):
    restored(archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True), tmp_path)
    assert not (tmp_path / "fresh" / "datasets" / KEY).exists()


@pytest.mark.parametrize("kind", ["folder", "link", "dangling link"])
def test_what_is_in_the_hub_s_place_stays(hub, state, tmp_path, kind):
    path = archived(hub, state, tmp_path / "a.tar.zst", with_dataset=True)
    target = tmp_path / "there" / "phase8" / "2026-01-30T050000Z"
    target.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    if kind == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / ("elsewhere" if kind == "link" else "nowhere"))
    with pytest.raises(EngineError, match="is there already"):
        restored(path, tmp_path)
    assert target.is_symlink() == (kind != "folder")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert left_in(tmp_path / "fresh") == []


def test_data_that_the_hub_did_not_run_on_leave_nothing_behind(hub, state, tmp_path):
    path = tmp_path / "a.tar.zst"
    (tmp_path / "other.npz").write_bytes(b"other")
    (tmp_path / "image.tar").write_bytes(b"layers")
    extras = [Source(path=f"dataset/{name}", file=tmp_path / "other.npz") for name in ARRAYS]
    pack(hub, [*extras, Source(path="image/image.tar", file=tmp_path / "image.tar")], path)
    with pytest.raises(VerificationError, match="is not what the hub ran on"):
        restored(path, tmp_path)
    assert not (tmp_path / "there").exists()
    assert left_in(tmp_path / "fresh") == []


@pytest.mark.parametrize("name", ["../../evil", "/tmp/evil", "phase8/2026-01-30T050000Z\n", "."])
def test_a_hub_cannot_choose_another_place(hub, state, tmp_path, name):
    path = archived(hub, state, tmp_path / "a.tar.zst")
    rewrite_index(path, lambda index: index.update(name=name))
    with pytest.raises(VerificationError, match="is no name of a hub"):
        restored(path, tmp_path)
    rewrite_index(path, lambda index: index.update(name="phase9/2026-01-30T050000Z"))
    with pytest.raises(VerificationError, match="is refused: its hub is of phase8"):
        restored(path, tmp_path)
    assert not (tmp_path / "there").exists()


def rewrite_index(path, change):
    plain = zstd.decompress(path.read_bytes())
    size = tarfile.TarInfo.frombuf(plain[:512], "utf-8", "strict").size
    index = json.loads(plain[512 : 512 + size])
    change(index)
    text = json.dumps(index).encode()
    rest = plain[512 + size + len(padding(size)) :]
    path.write_bytes(
        zstd.compress(header("index.json", len(text)) + text + padding(len(text)) + rest)
    )


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing", "."):
        with pytest.raises(EngineError, match="is no file; give what `phasehub archive`"):
            restored(tmp_path / name, tmp_path)


def test_two_restorations_of_one_archive_at_once_do_not_disturb_each_other(hub, state, tmp_path):
    path = archived(hub, state, tmp_path / "a.tar.zst")
    places = [tmp_path / str(number) for number in range(4)]
    with ThreadPoolExecutor() as pool:
        found = pool.map(
            lambda place: restore(
                path, artifacts=place, state=tmp_path / "fresh", limit_bytes=LIMIT
            ),
            places,
        )
        assert all(verify(one.hub).intact for one in found)


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
    assert left_in(tmp_path / "fresh") == []


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
