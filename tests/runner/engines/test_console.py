"""A console's log: bounded while it is written, bounded when it is read back."""

import os
from pathlib import Path

import pytest

from runner.engines import capped, console
from runner.engines.capped import CappedLog
from runner.engines.console import keep, last_line, tail


@pytest.fixture
def small(monkeypatch):
    """Caps of a few bytes."""
    monkeypatch.setattr(capped, "HEAD", 100)
    monkeypatch.setattr(capped, "TAIL", 50)


def test_a_short_log_is_kept_as_it_came(tmp_path, small):
    with CappedLog(tmp_path / "log") as log:
        log.write(b"a" * 120)
        assert (tmp_path / "log").read_bytes() == b"a" * 120
        log.write(b"\xff\r\n")
    assert (tmp_path / "log").read_bytes() == b"a" * 120 + b"\xff\r\n"
    assert log.left_out == 0


@pytest.mark.parametrize("block", [1, 7, 64, 150])
def test_of_a_long_log_head_and_tail_are_kept_and_what_is_left_out_is_counted(
    tmp_path, small, block
):
    said = b"".join(b"%05d\n" % number for number in range(1000))
    with CappedLog(tmp_path / "log") as log:
        for start in range(0, len(said), block):
            log.write(said[start : start + block])
            assert (tmp_path / "log").stat().st_size <= 100 + 150 + 80
    kept = (tmp_path / "log").read_bytes()
    head, mark, end = kept.partition(
        b"\n[phasehub: %s bytes of this log are left out here]\n" % f"{log.left_out:,}".encode()
    )
    assert mark
    assert head == said[:100]
    assert said.endswith(end)
    assert len(end) >= 50
    assert len(head) + len(end) + log.left_out == len(said)


def test_a_flood_takes_bounded_room(tmp_path):
    block = b"flood\n" * 40_000
    with CappedLog(tmp_path / "log") as log:
        for _ in range(1000):
            log.write(block)
    assert (tmp_path / "log").stat().st_size <= capped.LARGEST
    assert log.left_out > 2 * 10**8


def test_a_disk_without_room_loses_what_comes_and_says_how_much():
    with CappedLog(Path("/dev/full")) as log:
        log.write(b"lost")
    assert log.left_out == 4


def test_the_tail_of_a_log_is_its_last_lines_with_bars_reduced_to_what_they_showed_last(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"".join(b"%d\n" % n for n in range(100)) + b"1 %\r50 %\r100 %\r\ndone\n")
    assert tail(log) == (*(str(n) for n in range(62, 100)), "100 %", "done")
    assert last_line(log) == "done"


def test_a_flood_of_carriage_returns_is_one_short_line(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as file:
        for number in range(400_000):
            file.write(b"\r%d steps" % number)
    assert tail(log) == ("399999 steps",)
    assert last_line(log) == "399999 steps"


def test_lines_before_a_flood_of_carriage_returns_are_still_the_last_ones(tmp_path):
    log = tmp_path / "log"
    flood = b"".join(b"\r%d steps" % number for number in range(400_000))
    log.write_bytes(b"begun\n\n" + flood + b"\r" * 10**6 + b"\nended\n")
    assert tail(log) == ("begun", "", "399999 steps", "ended")


@pytest.mark.parametrize("before", [b"", b"begun\n"])
@pytest.mark.parametrize("returns", [b"\r", b" \r", b"\r\t"])
@pytest.mark.parametrize("length", [1, 10**6])
def test_what_a_bar_showed_stays_however_many_carriage_returns_follow(
    tmp_path, before, returns, length
):
    log = tmp_path / "log"
    log.write_bytes(before + b"50 %\r100 %" + returns * length)
    assert tail(log) == (*(["begun"] if before else []), "100 %")
    assert last_line(log) == "100 %"


@pytest.mark.parametrize("length", [0, 1, 2**18, 10**6])
def test_a_log_of_carriage_returns_only_shows_nothing(tmp_path, length):
    log = tmp_path / "log"
    log.write_bytes(b"\r" * length)
    assert tail(log) == ()
    assert last_line(log) == ""


@pytest.mark.parametrize("block", [8, 9, 10, 11, 13, 64])
def test_a_log_is_read_back_alike_in_blocks_of_any_size(tmp_path, monkeypatch, block):
    log = tmp_path / "log"
    log.write_bytes("a\r\né\r ü \r\r\n\n\rlast\r \r".encode())
    whole = tail(log)
    assert whole == ("a", " ü", "", "last")
    monkeypatch.setattr(console, "BLOCK", block)
    assert tail(log) == whole


def test_a_line_without_end_is_cut(tmp_path):
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.truncate(10 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"x" * 10_000)
    (line,) = tail(log)
    assert len(line) == 1000
    assert len(last_line(log)) == 300


@pytest.mark.parametrize("plant", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_regular_file_is_no_log(tmp_path, plant):
    plant(tmp_path / "log")
    assert tail(tmp_path / "log") == ()
    assert last_line(tmp_path / "log") == ""
    assert not keep(tmp_path / "log", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_log_is_kept_byte_by_byte_up_to_a_bound(tmp_path):
    log, copy = tmp_path / "log", tmp_path / "copy"
    log.write_bytes(b"\xff\0\r\n")
    assert keep(log, copy)
    assert copy.read_bytes() == b"\xff\0\r\n"
    with log.open("wb") as file:
        file.truncate(1 << 40)
    assert keep(log, copy)
    assert copy.stat().st_size == capped.LARGEST
    assert not keep(tmp_path / "nowhere", copy)
