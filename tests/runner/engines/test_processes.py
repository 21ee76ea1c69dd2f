"""A process is known by its id and its start, and by nothing that may change while it runs."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from runner.engines import processes

WAIT = "import sys; print('up', flush=True); sys.stdin.read()"


@contextmanager
def started(*words):
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout.readline() == b"up\n"
        yield child


def test_an_identity_is_the_id_and_the_kernel_s_start_in_ticks():
    stat = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    assert processes.identity(os.getpid()) == f"{os.getpid()}:{stat[19]}"  # field 22 of proc(5)


def test_a_process_that_waits_to_be_reaped_does_not_run_and_is_nobody_afterwards():
    with started() as child:
        identity = processes.identity(child.pid)
        assert processes.runs(identity)
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.identity(child.pid) == identity
        assert not processes.runs(identity)
    assert not processes.runs(identity)
    with pytest.raises(ProcessLookupError):
        processes.identity(child.pid)


def test_setting_the_clock_makes_no_process_another(tmp_path, monkeypatch):
    """The kernel then tells another time of the boot; the start of a process it never changes."""
    mine = processes.identity(os.getpid())
    told = Path("/proc/stat").read_text()
    boot = next(line for line in told.splitlines() if line.startswith("btime"))
    (tmp_path / "stat").write_text(told.replace(boot, f"btime {int(boot.split()[1]) - 3600}"))
    (tmp_path / str(os.getpid())).symlink_to(f"/proc/{os.getpid()}")
    before = psutil.Process().create_time()
    monkeypatch.setattr(psutil, "PROCFS_PATH", str(tmp_path))
    assert psutil.Process().create_time() == before - 3600
    assert processes.identity(os.getpid()) == mine
    assert processes.runs(mine)


def test_command_lines_are_told_word_by_word():
    words = ["", "two words", "tail\n", ""]
    with started(*words) as child:
        found = dict(processes.command_lines())
        assert found[processes.identity(child.pid)] == [sys.executable, "-c", WAIT, *words]
