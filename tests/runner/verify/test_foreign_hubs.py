"""Hubs of a hostile sender, sealed without a flaw: nothing of them runs outside of a container."""

import hashlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from runner.hub import layout
from runner.hub.signing import sign

ROOT = Path(__file__).parents[3]


def phasehub(*arguments, state):
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=ROOT, env=os.environ | {"PHASEHUB_STATE": str(state)},
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip


@pytest.fixture
def canary(tmp_path):
    """A file that hostile code would write."""
    return tmp_path / "canary"


@pytest.fixture
def reproduce(tiny_copy, tmp_path, canary):
    """``phasehub reproduce`` of the hub; where it is refused, nothing was made, got or run."""

    def run(*options, python=sys.executable, refused=True):
        given = ("--python", python) if python else ()
        out = tmp_path / "again"
        done = phasehub(
            *("reproduce", tiny_copy, "--out", out, *given, *options), state=tmp_path / "state"
        )
        if refused:
            assert not canary.exists(), "foreign code ran"
            assert not out.exists()
            assert not (tmp_path / "state" / "wheels").exists()
        return done

    return run


@pytest.fixture
def granted(reproduce, tmp_path):
    """Whether a hub may run with these options: it gets as far as a folder that cannot be made."""

    def ask(*options, **given):
        (tmp_path / "file").write_text("")
        done = reproduce(*options, "--out", tmp_path / "file", **given)
        assert done.returncode in (3, 8), done.stderr
        assert done.returncode == 8 or "no hub can be written below" in done.stderr
        return done.returncode == 3

    return ask


def change_plan(folder, change):
    """Change the plan, and the record where it says the same."""
    plan = json.loads((folder / layout.PLAN).read_bytes())
    record = json.loads((folder / layout.RECORD).read_bytes())
    change(plan)
    planned = {job["name"]: job for job in plan["arms"]}
    for arm in record["arms"]:
        arm["command"] = planned[arm["name"]]["command"]
        arm["environment"] = planned[arm["name"]]["environment"]
    (folder / layout.PLAN).write_text(json.dumps(plan))
    (folder / layout.RECORD).write_text(json.dumps(record))


def poison(folder, canary):
    """Have the hub's code write the canary as soon as it is imported."""
    path = folder / "code/models/__init__.py"
    path.write_text(f"open({str(canary)!r}, 'w').close()\n" + path.read_text())


def test_the_screen_tells_of_a_hub_of_our_own(reproduce):
    done = reproduce("--arm", "one", refused=False)
    assert done.returncode == 0, done.stderr
    told = done.stderr[done.stderr.index("Before anything of this hub runs:") :].splitlines()
    lines = {line[2:12].strip(): line[13:] for line in told[1:10]}
    assert lines["sealed by"] == "unsigned"
    assert lines["code"].startswith("this installation's, digest ")
    assert lines["packages"] == f"those of {sys.executable}"
    assert lines["engine"] == "process: ON THIS MACHINE, as you, not isolated"
    assert lines["commands"] == "the standard ones"
    assert lines["network"] == "none"
    assert "memory_gib 8, " in lines["limits"]
    assert "BEYOND" not in lines["limits"]


def test_foreign_code_does_not_leave_the_container_because_the_hub_says_process(
    reproduce, tiny_copy, canary, seal_anew
):
    poison(tiny_copy, canary)
    seal_anew(tiny_copy)
    for options in (
        (),
        ("--engine", "process"),
        ("--run-foreign-code-on-this-machine",),
        ("--allow-limits", "--allow-network", "--allow-dockerfile", "--allow-base-image"),
    ):
        done = reproduce(*options)
        assert done.returncode == 8, done.stderr
        assert "its code is not this installation's" in done.stderr
        assert "add --engine process --run-foreign-code-on-this-machine" in done.stderr
        assert "code       NOT THIS ONE'S" in done.stderr
    done = reproduce("--engine", "process", "--run-foreign-code-on-this-machine", refused=False)
    assert canary.exists(), done.stderr


@pytest.mark.parametrize("place", ["arm", "dataset"])
def test_a_command_line_of_the_hub_runs_nothing_here(
    reproduce, tiny_copy, canary, seal_anew, place
):
    def change(plan):
        job = plan["dataset"] if place == "dataset" else plan["arms"][0]
        job["command"] = ["touch", str(canary), "\x1b[2J"]

    change_plan(tiny_copy, change)
    seal_anew(tiny_copy)
    done = reproduce()
    assert done.returncode == 8, done.stderr
    assert "it has command lines of its own for" in done.stderr
    assert f"'touch {canary} " in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("name", ["LD_PRELOAD", "PYTHONPATH", "PATH"])
def test_a_variable_of_the_hub_reaches_nothing(reproduce, tiny_copy, seal_anew, name):
    change_plan(tiny_copy, lambda plan: plan["arms"][1]["environment"].update({name: "/tmp/x"}))
    seal_anew(tiny_copy, consistent=False)
    done = reproduce("--engine", "process", "--run-foreign-code-on-this-machine")
    assert done.returncode == 4, done.stderr
    assert f"plan.json: arms.1.environment.{name}" in done.stderr
    assert "no plan sets this variable" in done.stderr


def test_limits_and_network_are_shown_and_need_a_word(reproduce, granted, tiny_copy, seal_anew):
    def change(plan):
        plan["arms"][0]["resources"] |= {"memory_gib": 900.0, "pids": 10**6, "network": True}

    change_plan(tiny_copy, change)
    seal_anew(tiny_copy)
    done = reproduce()
    assert done.returncode == 8, done.stderr
    assert "memory_gib 900 BEYOND 8 (one)" in done.stderr
    assert "pids 1e+06 BEYOND 512 (one)" in done.stderr
    assert "network    REACHED by one" in done.stderr
    assert done.stderr.rstrip().endswith("add --allow-limits --allow-network")
    done = reproduce("--allow-network")
    assert done.returncode == 8
    assert done.stderr.rstrip().endswith("add --allow-limits")
    assert granted("--arm", "two")
    assert granted("--allow-network", "--allow-limits")


def test_options_in_a_comment_of_the_lock_are_refused_by_their_line(
    reproduce, tiny_copy, seal_anew
):
    lock = tiny_copy / "code/models/requirements-cpu.txt"
    num_lines = lock.read_text().count("\n")
    lock.write_text(lock.read_text() + "# see\f--no-binary=:all: --find-links=/tmp\n")
    seal_anew(tiny_copy)
    for options in ((), ("--engine", "process", "--run-foreign-code-on-this-machine")):
        done = reproduce(*options, python=None)
        assert done.returncode == 4, done.stderr
        assert f"requirements-cpu.txt: line {num_lines + 1} holds byte 0x0c" in done.stderr


def test_packages_of_the_hub_are_code_too(reproduce, tiny_copy, seal_anew):
    lock = tiny_copy / "code/models/requirements-cpu.txt"
    lock.write_text(f"{lock.read_text()}evil==1.0 --hash=sha256:{'0' * 64}\n")
    seal_anew(tiny_copy)
    done = reproduce(python=None)
    assert done.returncode == 8, done.stderr
    assert "its code is not this installation's; its packages are not" in done.stderr


def test_a_signature_is_told_or_insisted_on(reproduce, tiny_copy, tmp_path):
    for name in ("ada", "eve"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True
        )
    signers = tmp_path / "allowed"
    signers.write_text(f"ada@example.org {(tmp_path / 'ada.pub').read_text()}")
    done = reproduce("--signers", signers)
    assert done.returncode == 4
    assert "nobody signed it" in done.stderr
    sign(tiny_copy, tmp_path / "eve")
    done = reproduce("--signers", signers)
    assert done.returncode == 4
    assert "is by none of the signers that" in done.stderr
    sign(tiny_copy, tmp_path / "ada")
    (tmp_path / "file").write_text("")
    for options, told in (
        (("--signers", signers), f"signed by ada@example.org, valid according to {signers}"),
        ((), "signed, not checked: give --signers"),
    ):
        done = reproduce(*options, "--out", tmp_path / "file")
        assert done.returncode == 3, done.stderr
        assert f"sealed by  {told}\n" in done.stderr


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../secret", "code.diff: the path '../secret' does not stay inside its folder"),
        ("manifest.toml", "uncommitted.diff is missing; hub.json names it"),
    ],
)
def test_another_file_is_not_read_as_the_hub_s_diff(reproduce, tiny_copy, seal_anew, name, told):
    (tiny_copy.parent / "secret").write_text("a secret of this machine")
    table = json.loads((tiny_copy / layout.RECORD).read_bytes())
    table["code"]["diff"] = name
    # The checkout that the tests run in may have changes of its own.
    table["artifacts"] = [one for one in table["artifacts"] if one["path"] != layout.DIFF]
    (tiny_copy / layout.DIFF).unlink(missing_ok=True)
    (tiny_copy / layout.RECORD).write_text(json.dumps(table))
    seal_anew(tiny_copy, consistent=False)
    done = reproduce("--arm", "one")
    assert done.returncode == 4, done.stderr
    assert told in done.stderr


def test_diagnose_takes_no_command_line_and_no_limit_from_the_plan(
    tiny_copy, tmp_path, canary, seal_anew
):
    def change(plan):
        for job in (plan["dataset"], plan["arms"][0]):
            job["command"] = ["touch", str(canary)]
            job["resources"] |= {"memory_gib": 900.0, "network": True}

    change_plan(tiny_copy, change)
    seal_anew(tiny_copy)
    out = tmp_path / "reports"
    done = phasehub(
        *("diagnose", tiny_copy, "one", "--python", sys.executable, "--out", out),
        state=tmp_path / "state",
    )
    assert done.returncode == 0, done.stderr
    assert not canary.exists()
    record = json.loads((out / "diagnosis.json").read_bytes())
    assert (
        "memory_gib is held to the default 8, in place of 900 (one); "
        "--allow-limits grants the hub's own"
    ) in record["notes"]


class Bomb:
    """A pickle that writes a file where it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_weights_with_a_program_in_them_are_refused(tiny_copy, tmp_path, canary, seal_anew):
    folder = tiny_copy / "arms/one"
    text = (folder / "checkpoints.json").read_text()
    stored = json.loads(text)["checkpoints"]["last"]
    content = pickle.dumps(Bomb(canary))
    (folder / stored["file"]).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    (folder / "checkpoints.json").write_text(text.replace(stored["sha256"], digest))
    seal_anew(tiny_copy, consistent=False)
    done = phasehub(
        *("diagnose", tiny_copy, "one", "--python", sys.executable),
        *("--out", tmp_path / "reports"), state=tmp_path / "state",
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "checkpoint.pt" in done.stderr
    assert not canary.exists()
