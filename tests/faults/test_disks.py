"""Disks that are full, read-only or gone under a run: it says so, loses nothing, and can go on."""

import errno
import os
import shutil

import pytest

from runner.core.files import remove_tree
from runner.hub import layout
from tests.faults.disks import (
    HELD,
    fill,
    fill_but_for_records,
    fill_quota,
    fill_with_files,
    is_under_way,
    mounted,
    remount,
)
from tests.faults.phase import PLAIN, Begun, arms, phasehub, remains, results, wait_until

__all__ = ["mounted"]


def is_told_and_resumable(run):
    code, said = run.end(), run.said.read_text()
    assert code == 3, said
    assert "a bug" not in said
    assert f"phasehub resume {run.staging.path}" in said
    return said


@pytest.mark.parametrize(
    ("options", "exhaust", "told"),
    [
        ("size=24m", fill, "no room is left"),
        ("size=24m", fill_but_for_records, "no room is left"),
        ("size=64m,nr_inodes=700", fill_with_files, "is left"),
        ("quota", fill_quota, "nothing of your quota is left"),
    ],
)
def test_a_run_whose_disk_is_full_goes_on_once_there_is_room(
    mounted, tmp_path, interpreter, undisturbed, options, exhaust, told
):
    disk = mounted(options)
    run = Begun(tmp_path, interpreter, HELD)
    try:
        assert run.wait_for(is_under_way), run.said.read_text()
        (go,) = run.artifacts.glob("tiny/.staging-*/.attempts/two/*/out")
        (disk / "go").touch()
        exhaust(disk)
        (disk / "go").rename(go / "go")
        assert told in is_told_and_resumable(run)
        assert run.supervisors() == []
        remove_tree(disk / "ballast")
        remount(disk, "ro")
        refused = run.resume()
        assert refused.returncode == 3, refused.stderr
        assert "the disk is read-only" in refused.stderr
        remount(disk, "rw")
        second = Begun.resumed(run)
        assert second.wait_for(lambda run: run.has(".staging-*/.attempts/two/2/out"))
        run.let_go("two")
        assert second.end() == 1, second.said.read_text()
        (hub,) = run.hubs
        assert results(hub).keys() == undisturbed.keys()
        assert arms(hub)["one"].attempts == 1
        assert remains(tmp_path) == []
    finally:
        run.end_all()


def test_a_run_whose_folder_is_gone_says_so_and_leaves_no_job(tmp_path, interpreter):
    run = Begun(tmp_path, interpreter, HELD)
    try:
        assert run.wait_for(is_under_way), run.said.read_text()
        assert run.job_of("two")
        run.artifacts.rename(tmp_path / "elsewhere")
        shutil.rmtree(tmp_path / "elsewhere")
        assert run.end() == 3
        assert "is gone: something else has removed or renamed it" in run.said.read_text()
        wait_until(lambda: remains(tmp_path) == [])
    finally:
        run.end_all()


def test_a_disk_that_is_read_only_is_said_before_anything_runs(mounted, interpreter, tmp_path):
    disk = mounted("size=64m")
    remount(disk, "ro")
    run = Begun(tmp_path / "run", interpreter, PLAIN)
    assert run.end() == 1
    done = phasehub("run", tmp_path / "run" / "tiny.toml", "--engine", "process", "--out", disk)
    assert done.returncode == 3
    assert os.strerror(errno.EROFS) in done.stderr
    assert "--out" in done.stderr


def test_state_on_a_full_disk_names_the_place(mounted, interpreter, tmp_path, monkeypatch):
    disk = mounted("size=2m")
    fill(disk, leaving=512 << 10)  # enough for the dataset, and not for a copy of the code
    monkeypatch.setenv("PHASEHUB_STATE", str(disk / "state"))
    run = Begun(tmp_path / "run", interpreter, PLAIN)
    assert run.end() == 3, run.said.read_text()
    said = run.said.read_text()
    assert str(disk / "state") in said
    assert "PHASEHUB_STATE" in said
    assert "a bug" not in said
    assert layout.find_hubs(run.artifacts) == []
