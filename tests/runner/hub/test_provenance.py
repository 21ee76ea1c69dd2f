"""What ran is identified on real checkouts, and nothing secret gets into the record."""

import json
import os
import subprocess
from pathlib import Path

import pynvml
import pytest

from runner.core.digest import tree_digest
from runner.core.errors import EngineError
from runner.hub import provenance
from runner.hub.provenance import describe_machine, describe_run, redact, take_code
from tests.nvidia_driver import Driver


def identify_code(root):
    """The code at ``root``, copied beside it."""
    return take_code(root, root.with_name(f"{root.name}-state"))


def git(folder, *arguments):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    return subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True
    ).stdout


@pytest.fixture
def checkout(tmp_path):
    root = tmp_path / "checkout"
    (root / "models").mkdir(parents=True)
    (root / "models" / "net.py").write_text("width = 32\n")
    (root / "Dockerfile").write_text("FROM base\n")
    (root / "plot.png").write_bytes(bytes(range(256)))
    (root / "gone.py").write_text("to be removed\n")
    (root / ".gitignore").write_text("/build/\n")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "first")
    return root


def spoil(root):
    """Every kind of change that a checkout can have."""
    (root / "models" / "net.py").write_text("width = 64\n")
    (root / "plot.png").write_bytes(bytes(range(255, -1, -1)))
    (root / "gone.py").unlink()
    (root / "staged.py").write_text("staged = True\n")
    git(root, "add", "staged.py")
    (root / "new folder").mkdir()
    (root / "new folder" / "größe φ.py").write_text("untracked = True\n")
    (root / "new folder" / "weights.bin").write_bytes(os.urandom(1000))
    (root / "*.py").write_text("a name that would be a pattern\n")
    (root / "empty").touch()
    (root / "script").write_text("#!/bin/sh\n")
    (root / "script").chmod(0o755)
    (root / "build").mkdir()
    (root / "build" / "ignored.o").write_text("ignored")


def test_a_clean_checkout_is_its_commit(checkout):
    code = identify_code(checkout)
    assert code.record.commit == git(checkout, "rev-parse", "HEAD").decode().strip()
    assert code.record.dirty is False
    assert code.record.diff is None
    assert code.record.note is None
    assert code.diff == b""
    assert code.record.models_sha256 == tree_digest(checkout / "models")


def test_the_diff_makes_the_dirty_tree_out_of_the_commit(checkout, tmp_path):
    spoil(checkout)
    code = identify_code(checkout)
    assert code.record.dirty is True
    assert code.record.diff == "uncommitted.diff"
    again = tmp_path / "again"
    git(tmp_path, "clone", "--quiet", checkout, again)
    (tmp_path / "patch").write_bytes(code.diff)
    git(again, "apply", "--binary", tmp_path / "patch")

    def kept(path):
        return path.parts[0] not in (".git", "build")

    assert tree_digest(again, include=kept) == tree_digest(checkout, include=kept)
    assert os.access(again / "script", os.X_OK)


def test_the_checkout_and_its_index_stay_as_they_are(checkout):
    spoil(checkout)
    before = tree_digest(checkout)
    identify_code(checkout)
    assert tree_digest(checkout) == before


@pytest.mark.parametrize("change", ["models/net.py", "new.py"])
def test_any_change_makes_it_dirty(checkout, change):
    (checkout / change).write_text("other\n")
    code = identify_code(checkout)
    assert code.record.dirty is True
    assert b"+other" in code.diff


def test_an_ignored_file_does_not_make_it_dirty(checkout):
    (checkout / "build").mkdir()
    (checkout / "build" / "x").write_text("x")
    assert identify_code(checkout).record.dirty is False


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "deploy.key",
        "id_ed25519",
        "api-token.txt",
        "credentials.json",
        "my_secrets.toml",
        "DB_PASSWORD",
    ],
)
def test_a_file_that_looks_like_a_secret_is_named_and_not_kept(checkout, name):
    (checkout / name).write_text("hunter2")
    code = identify_code(checkout)
    assert b"hunter2" not in code.diff
    assert code.record.dirty is True
    assert code.record.diff is None
    assert code.record.withheld == (f"{name}: its name looks like a secret's",)


@pytest.mark.parametrize("name", ["*", ":(top)x", ":!a"])
def test_a_name_that_is_a_pattern_is_taken_literally(checkout, name):
    (checkout / name).write_text("harmless")
    (checkout / ".env").write_text("hunter2")
    code = identify_code(checkout)
    assert b"harmless" in code.diff
    assert b"hunter2" not in code.diff


@pytest.mark.parametrize("name", ["tokenizer.py", "keys.py", "environment.py", "secretary.txt"])
def test_a_name_that_only_resembles_a_secret_is_kept(checkout, name):
    (checkout / name).write_text("harmless")
    assert b"harmless" in identify_code(checkout).diff


def test_a_large_file_that_was_never_added_is_named_and_not_kept(checkout):
    (checkout / "data.npz").write_bytes(b"x" * (2**20 + 1))
    code = identify_code(checkout)
    assert code.record.withheld == ("data.npz: larger than 1048576 bytes",)
    assert code.diff == b""


def test_a_checkout_within_is_named_and_not_entered(checkout):
    (checkout / "vendored").mkdir()
    git(checkout / "vendored", "init", "--quiet")
    (checkout / "vendored" / "code.py").write_text("x")
    assert identify_code(checkout).record.withheld == ("vendored/: a checkout of its own",)


def test_settings_of_the_user_do_not_change_the_diff(checkout):
    spoil(checkout)
    plain = identify_code(checkout).diff
    for name, value in {
        "diff.noprefix": "true",
        "diff.mnemonicPrefix": "true",
        "color.ui": "always",
        "diff.external": "false",
        "core.quotePath": "false",
        "diff.renames": "copies",
    }.items():
        git(checkout, "config", name, value)
    changed = identify_code(checkout).diff
    assert changed.replace("größe φ".encode(), b"") == plain.replace(
        b'"a/new folder/gr\\303\\266\\303\\237e \\317\\206.py"', b"a/new folder/.py"
    ).replace(b'"b/new folder/gr\\303\\266\\303\\237e \\317\\206.py"', b"b/new folder/.py")


def test_variables_of_another_checkout_are_not_obeyed(checkout, tmp_path, monkeypatch):
    git(tmp_path, "init", "--quiet", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    assert identify_code(checkout).record.commit is not None


def test_before_the_first_commit_everything_is_in_the_diff(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").write_text("width = 32\n")
    (tmp_path / "Dockerfile").touch()
    git(tmp_path, "init", "--quiet")
    code = identify_code(tmp_path)
    assert (code.record.commit, code.record.dirty) == (None, True)
    assert code.record.note == "nothing is committed yet"
    assert b"+width = 32" in code.diff


def test_without_a_checkout_the_record_says_so(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.py").touch()
    (tmp_path / "Dockerfile").touch()
    code = identify_code(tmp_path)
    assert (code.record.commit, code.record.dirty, code.diff) == (None, None, b"")
    assert code.record.note.startswith("the commit is not known: git says: fatal: not a git repo")


def test_another_project_s_checkout_is_not_taken_for_ours(checkout):
    (checkout / "venv" / "models").mkdir(parents=True)
    (checkout / "venv" / "models" / "net.py").touch()
    (checkout / "venv" / "Dockerfile").touch()
    code = identify_code(checkout / "venv")
    assert code.record.commit is None
    assert code.record.note.endswith("phasehub is installed inside another project's checkout")


def test_without_git_the_record_says_so(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code = identify_code(checkout)
    assert (code.record.commit, code.record.dirty) == (None, None)
    assert code.record.note == "the commit is not known: there is no git on this machine"


# --- machine and run -----------------------------------------------------------------------------


def test_the_machine_is_described_by_plausible_facts():
    machine = describe_machine()
    assert machine["memory_bytes"] > 2**28
    assert machine["cpu"]["logical_cores"] >= machine["cpu"]["usable_cores"] >= 1
    assert machine["cpu"]["model"]
    assert machine["cpu"]["flags"] == sorted(machine["cpu"]["flags"])
    assert machine["system"]["name"] == "Linux"


def test_a_gpu_that_cannot_be_told_is_said_and_no_reason_to_stop(monkeypatch):
    mismatch = pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH
    Driver([], init_error=mismatch).install(monkeypatch)
    assert "version mismatch" in describe_machine()["gpus"]["unknown"]


def test_the_record_of_a_run_is_json_and_has_times_and_packages():
    told = describe_run(["phasehub", "run"], started="2026-01-30", ended="2026-01-31")
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert (told["started"], told["ended"]) == ("2026-01-30", "2026-01-31")
    assert "pydantic" in told["python"]["packages"]


def test_of_the_variables_only_the_listed_ones_are_kept():
    variables = {
        "OMP_NUM_THREADS": "2",
        "PYTHONHASHSEED": "0",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "HOME": "/home/alice",
        "OMP_NUM_THREADS_BACKUP": "hunter2",
    }
    told = describe_run(["x"], started="", ended="", variables=variables)
    assert told["variables"] == {"OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "0"}
    assert "hunter2" not in json.dumps(told)


def test_nothing_of_the_record_names_the_user_or_the_folder(monkeypatch):
    monkeypatch.setenv("USER", "alice-of-the-test")
    told = json.dumps(describe_run(["/home/alice-of-the-test/bin/phasehub"], started="", ended=""))
    assert "alice-of-the-test" not in told
    assert str(Path.cwd()) not in told


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["/a/b/phasehub", "run", "m.toml"], ["phasehub", "run", "m.toml"]),
        (["p", "--token", "abc", "--out", "x"], ["p", "--token", "<redacted>", "--out", "x"]),
        (["p", "--api-key=abc"], ["p", "--api-key=<redacted>"]),
        (["p", "GITHUB_TOKEN=abc"], ["p", "GITHUB_TOKEN=<redacted>"]),
        (["p", "https://u:pw@host/x"], ["p", "https://<redacted>@host/x"]),
        (["p", "--password"], ["p", "--password"]),
        ([], []),
    ],
)
def test_a_command_line_is_kept_without_its_secrets(command, told):
    assert redact(command) == told


# --- one state of the code -----------------------------------------------------------------------


@pytest.fixture
def editor(checkout, monkeypatch):
    """Somebody who edits the code so often right after it was copied."""

    def edit(times):
        left = list(range(times))

        def take_and_edit(root, state, tests):
            code = take(root, state, tests)
            if left:
                (root / "models" / "net.py").write_text(f"width = {100 + left.pop()}\n")
            return code

        take = provenance.take
        monkeypatch.setattr(provenance, "take", take_and_edit)

    return edit


def test_commit_patch_and_copy_are_of_the_same_bytes(checkout, editor):
    editor(2)
    code = identify_code(checkout)
    copied = code.snapshot.root / "models" / "net.py"
    assert copied.read_text() == "width = 100\n" == (checkout / "models" / "net.py").read_text()
    assert b"+width = 100\n" in code.diff
    assert code.record.models_sha256 == code.snapshot.models_sha256


def test_code_that_never_rests_is_refused(checkout, editor):
    editor(99)
    with pytest.raises(EngineError, match="was edited each of 3 times while it was copied"):
        identify_code(checkout)
