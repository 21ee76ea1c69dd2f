"""Small disks, in memory or with quotas, and what fills them."""

import contextlib
import os
import shutil
import subprocess

import pytest

from tests.faults.phase import manifest

HELD = manifest(one=0, two="held", three=0).replace(
    'echo \\"weights',
    'head -c 1000000 /dev/zero > \\"$out/more\\"\\nrm \\"$out/more\\"\\necho \\"weights',
)
"""Each arm takes a megabyte for a moment."""


@pytest.fixture
def mounted(tmp_path):
    """The folder of hubs on a disk of its own: in memory, with these options; or with quotas."""
    places = []

    def mount(options, place=tmp_path / "artifacts"):
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
