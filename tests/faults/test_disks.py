"""Disks that are full, read-only or gone under a run: it says so, loses nothing, and can go on."""

import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from runner.core.files import remove_tree
from runner.hub import layout
from tests.faults.phase import PLAIN, Begun, arms, manifest, phasehub, remains, results, wait_until

HELD = manifest(one=0, two="held", three=0).replace(
    'echo \\"weights',
    'head -c 1000000 /dev/zero > \\"$out/more\\"\\nrm \\"$out/more\\"\\necho \\"weights',
)
"""Each arm takes a megabyte for a moment."""


@pytest.fixture
def mounted(tmp_path):
    """The folder of hubs on a disk of its own: in memory, with these options; or with quotas."""
    places = []

    def mount(options):
        place = tmp_path / "artifacts"
        place.mkdir()
        limited = options == "quota"
        kind = ["-o", "loop", image()] if limited else ["-t", "tmpfs", "-o", options, "tmpfs"]
        made = subprocess.run(["mount", *kind, place], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"no disk can be mounted: {made.stderr.strip()}")
        places.append(place)
        if limited:
            subprocess.run(["btrfs", "quota", "enable", place], check=True)
        return place

    def image():
        """A file with a file system that knows quotas, of which the kernel has few."""
        if shutil.which("mkfs.btrfs") is None:
            if os.environ.get("CI"):
                pytest.fail("there is no mkfs.btrfs; .ci/run installs it")
            pytest.skip("there is no mkfs.btrfs, so no disk with a quota")
        with (tmp_path / "disk").open("wb") as file:
            file.truncate(128 << 20)
        subprocess.run(["mkfs.btrfs", "--quiet", "--mixed", tmp_path / "disk"], check=True)
        return tmp_path / "disk"

    yield mount
    for place in places:
        subprocess.run(["umount", "--lazy", place], check=True)


def is_under_way(run):
    """Whether the arm that is held is the only one that has not ended."""
    ended = all(run.told("concluded", name) for name in ("one", "three"))
    return ended and run.told("started", "two")


def fill(disk, leaving=0):
    """Take all the room that is left, or all but so many bytes."""
    with (disk / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while shutil.disk_usage(disk).free > leaving:
            file.write(bytes(1 << 12))


def fill_but_for_records(disk):
    """Take the room that an arm needs, and leave what it takes to say that it has failed."""
    fill(disk, leaving=300 << 10)


def fill_quota(disk):
    """Have a quota that leaves half of what an arm needs; the disk itself has room."""
    (disk / "ballast").write_bytes(bytes(8 << 20))
    quotas = ["btrfs", "qgroup"]
    shown = subprocess.check_output([*quotas, "show", "--raw", "--sync", disk], text=True)
    used = int(shown.splitlines()[-1].split()[1])
    subprocess.run([*quotas, "limit", str(used + (512 << 10)), disk], check=True)


def fill_with_files(disk):
    """Take all inodes that are left."""
    (disk / "ballast").mkdir()
    with contextlib.suppress(OSError):
        for number in range(10**6):
            (disk / "ballast" / str(number)).touch()


def remount(disk, how):
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


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
