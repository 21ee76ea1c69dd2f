"""Locks on real files, against other processes and other users."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core import locks
from runner.core.errors import EngineError
from runner.core.locks import hold, place

ROOT = Path(__file__).parents[3]
NOBODY = 65534
NAME = "GPU-1"

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")


@pytest.fixture
def shared(tmp_path):
    """A folder like ``/run/lock``, which other users can reach."""
    folder = tmp_path / "lock"
    folder.mkdir()
    folder.chmod(0o1777)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.getuid() and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    return folder


@pytest.fixture
def file(shared):
    return shared / f"phasehub-{NAME}.lock"


HOLD = """
import sys
from pathlib import Path
from runner.core.locks import hold
from runner.core.errors import EngineError
try:
    with hold(Path(sys.argv[1]), sys.argv[2]) as free:
        print('held' if free else 'busy', flush=True)
        sys.stdin.read()
except EngineError as error:
    print(error, flush=True)
"""
DROP = "import os; os.setgid(65534); os.setuid(65534)\n"


class Other:
    """Another process that tries to hold the lock; another user's if asked."""

    def __init__(self, folder, *, user=None):
        # The source is loaded before the rights go: another user may not be able to read it.
        code = HOLD.replace("try:", f"{DROP if user else ''}try:", 1)
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), NAME],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def free(folder):
    with hold(folder, NAME) as found:
        return found


def test_a_lock_is_held_by_one_and_ends_with_its_process(shared):
    with Other(shared) as other:
        assert other.said == "held"
        assert not free(shared)
    assert free(shared)


@as_root
def test_another_user_sees_the_lock_and_cannot_remove_it(shared, file):
    with hold(shared, NAME) as mine, Other(shared, user=NOBODY) as other:
        assert (mine, other.said) == (True, "busy")
        done = subprocess.run(
            ["rm", "-f", file], user=NOBODY, group=NOBODY, capture_output=True, check=False
        )
        assert b"Operation not permitted" in done.stderr
        assert file.exists()


@as_root
def test_the_file_of_another_user_is_locked_as_well(shared, file):
    with Other(shared, user=NOBODY) as other:
        assert other.said == "held"
        assert file.stat().st_uid == NOBODY
        assert not free(shared)
    assert free(shared)


@as_root
def test_a_file_that_its_owner_closes_to_others_is_named_with_its_owner(shared, file):
    file.touch()
    file.chmod(0o600)
    with Other(shared, user=NOBODY) as other:
        assert other.said.startswith(f"the lock {file} of user 0 cannot be opened: Permission")


def test_a_link_in_the_place_of_a_lock_is_not_followed(shared, file, tmp_path):
    file.symlink_to(tmp_path / "victim")
    with pytest.raises(EngineError, match="cannot be opened: Too many levels of symbolic links"):
        free(shared)
    assert not (tmp_path / "victim").exists()


def test_a_hard_link_is_refused(shared, file, tmp_path):
    (tmp_path / "victim").touch()
    os.link(tmp_path / "victim", file)
    with pytest.raises(EngineError, match="is no file of its own"):
        free(shared)


def test_a_pipe_in_the_place_of_a_lock_is_refused_at_once(shared, file):
    os.mkfifo(file)
    with pytest.raises(EngineError, match="is no file of its own"):
        free(shared)


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o707])
def test_a_folder_whose_files_others_could_exchange_is_refused(shared, mode):
    shared.chmod(mode)
    with pytest.raises(EngineError, match="may be written by others, and is not sticky"):
        free(shared)


@as_root
def test_a_folder_of_another_user_is_refused(shared):
    os.chown(shared, NOBODY, NOBODY)
    with pytest.raises(EngineError, match="belongs to another user"):
        free(shared)


def test_a_link_to_a_folder_is_refused(shared, tmp_path):
    (tmp_path / "link").symlink_to(shared)
    with pytest.raises(EngineError, match="is a link or no folder"):
        free(tmp_path / "link")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The home folder that the system knows of this user."""

    class Account:
        pw_dir = str(tmp_path / "home")

    monkeypatch.setattr("pwd.getpwuid", lambda _uid: Account)
    return tmp_path / "home"


def test_without_the_system_s_folder_the_user_has_one_and_is_told(shared, home, tmp_path):
    assert place(shared) == locks.Place(folder=shared)
    found = place(tmp_path / "missing")
    assert found.folder == home / ".cache" / "phasehub" / "locks"
    assert found.folder.stat().st_mode & 0o777 == 0o700
    assert found.remark.endswith("from your own other runs, and not from those of other users")
    assert free(found.folder)


def test_without_any_folder_the_remedy_is_told(home, tmp_path):
    home.write_text("a file")
    with pytest.raises(EngineError, match=r"no place for locks: .*or run with --device cpu"):
        place(tmp_path / "missing")
