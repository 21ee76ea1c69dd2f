"""What a job writes is measured while it writes, and nothing that it does leads the measure out."""

import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from runner.engines import usage
from runner.engines.usage import Guard

MIB = 1 << 20


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def look(out, most_bytes=MIB, pids=()):
    return Guard(out, most_bytes).look(pids)


def test_files_folders_and_their_folders_are_counted(out):
    assert look(out) is None
    (out / "a/b").mkdir(parents=True)
    (out / "a/b/c").write_bytes(bytes(600 << 10))
    assert look(out) is None
    (out / "d").write_bytes(bytes(600 << 10))
    assert look(out) == "disk"


def test_a_hole_counts_as_what_it_says_to_be(out):
    with (out / "hole").open("wb") as file:
        file.truncate(4 << 30)
    assert look(out) == "disk"


def test_room_that_is_taken_beyond_the_end_of_a_file_counts(out):
    with (out / "file").open("wb") as file:
        try:
            subprocess.run(["fallocate", "--keep-size", "--length", "4M", file.name], check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this file system reserves no room")
    assert (out / "file").stat().st_size == 0
    assert look(out) == "disk"


def test_many_empty_files_are_too_many(out, monkeypatch):
    monkeypatch.setattr(usage, "MOST_FILES", 50)
    for number in range(51):
        (out / f"{number}").touch()
        assert look(out) == (None if number < 50 else "files")


def test_links_are_counted_and_not_followed(out, tmp_path):
    (tmp_path / "big").write_bytes(bytes(2 * MIB))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/big").write_bytes(bytes(2 * MIB))
    (out / "to a file").symlink_to(tmp_path / "big")
    (out / "to a folder").symlink_to(tmp_path / "folder")
    (out / "to all").symlink_to("/")
    os.mkfifo(out / "pipe")
    assert look(out) is None


def test_a_folder_that_became_a_link_is_not_entered(out, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/big").write_bytes(bytes(2 * MIB))
    shutil.rmtree(out)
    out.symlink_to(tmp_path / "elsewhere")
    assert look(out) is None


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "\u202e", b"\xff\xfe", "x" * 255])
def test_names_of_any_kind_are_counted(out, name):
    folder = out / os.fsdecode(name)
    folder.mkdir()
    with (folder / "file").open("wb") as file:
        file.truncate(2 * MIB)
    assert look(out) == "disk"


def test_what_lies_deeper_than_a_path_is_long_is_counted(out):
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(out)
        for _ in range(2000):
            Path("deep").mkdir()
            os.chdir("deep")
        with Path("big").open("wb") as file:
            file.truncate(64 * MIB)
    finally:
        os.fchdir(before)
        os.close(before)
    assert look(out, 32 * MIB) == "disk"
    assert look(out, 128 * MIB) is None
    subprocess.run(["rm", "-rf", out], check=True)  # deeper than pytest can clean up


def test_a_file_that_was_removed_and_is_held_open_counts(out):
    with (out / "gone").open("wb") as file:
        file.truncate(2 * MIB)
        (out / "gone").unlink()
        assert look(out) is None
        assert look(out, pids=[os.getpid()]) == "disk"
    assert look(out, pids=[os.getpid(), 2**22 + 1]) is None


def test_there_is_time_between_two_looks(out):
    guard = Guard(out, MIB)
    assert guard.look() is None
    (out / "big").write_bytes(bytes(2 * MIB))
    assert guard.look() is None
    assert guard.last_look() == "disk"


def test_the_way_back_out_of_a_folder_that_was_moved_meanwhile_is_not_taken(out, monkeypatch):
    """From ``a/b/c``, moved to ``c``, two steps back would lead out of the outputs."""
    (out / "a/b/c").mkdir(parents=True)
    count = usage._Walk._count

    def count_and_move(walk, here):
        if os.fstat(here).st_ino == moved:
            (out / "a/b/c").rename(out / "c")
        return count(walk, here)

    moved = (out / "a/b/c").stat().st_ino
    monkeypatch.setattr(usage._Walk, "_count", count_and_move)
    walk = usage._Walk(out, MIB)
    assert not walk.complete
    assert walk.num_files == 3
    monkeypatch.undo()
    assert usage._Walk(out, MIB).complete


def test_folders_that_are_moved_about_all_the_time_lead_nowhere_else(out, tmp_path):
    """Whatever the race does, a look ends, never counts what lies outside, and never raises."""
    (tmp_path / "outside").write_bytes(bytes(64 * MIB))
    for number in range(20):
        (out / f"a/{number}/b/c").mkdir(parents=True)
    over = threading.Event()

    def move():
        while not over.is_set():
            for number in range(20):
                (out / f"a/{number}/b").rename(out / f"moved{number}")
                (out / f"moved{number}").rename(out / f"a/{number}/b")

    mover = threading.Thread(target=move)
    mover.start()
    try:
        assert {look(out, 32 * MIB) for _ in range(300)} == {None}
    finally:
        over.set()
        mover.join()


def test_outputs_that_can_never_be_seen_whole_are_past_the_limit_in_the_end(out, monkeypatch):
    monkeypatch.setattr(usage, "LOOK_S", 0)
    monkeypatch.setattr(usage, "SHARE", 0)
    out.rmdir()
    guard = Guard(out, MIB)
    assert [guard.look() for _ in range(11)] == [None] * 10 + ["hiding"]
    out.mkdir()
    assert guard.look() is None
