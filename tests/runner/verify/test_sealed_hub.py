"""A hub from anybody is values of a type, or one error that names the file and the key."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import app, guarded
from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.checksums import write_checksums
from runner.hub.layout import write_record
from runner.report.hub_text import render_list
from runner.verify.sealed_hub import SealedHub, distinct

ROOT = Path(__file__).parents[3]
VERBS = (("show",), ("verify",), ("archive", "-o", "out.zst"), ("archive", "--bag", "-o", "bag"))


@pytest.fixture(autouse=True)
def _nothing_hangs():
    signal.alarm(120)
    yield
    signal.alarm(0)


@pytest.fixture
def folder(record, tmp_path):
    path = tmp_path / "phase8" / "2026-01-30T050000Z"
    path.mkdir(parents=True)
    write_record(path, record)
    write_checksums(path)
    return path


def rewrite(folder, change):
    path = folder / layout.RECORD
    table = json.loads(path.read_bytes())
    change(table)
    path.write_text(json.dumps(table))
    write_checksums(folder)


def arm(**changed):
    return lambda table: table["arms"][0].update(changed)


def parameters(section, **changed):
    return lambda table: table["arms"][0]["parameters"][section].update(changed)


def file_of_arm(path):
    return lambda table: table["arms"][0]["files"][0].update(path=path)


HOSTILE = {
    "a phase that leads out": (lambda t: t.update(phase="../../x"), "phase: expected a safe"),
    "an arm that leads out": (arm(name="../x"), "arms.0.name: expected a safe file name"),
    "a file that leads out": (file_of_arm("../x"), "arms.0.files.0.path: the path '../x' does"),
    "an absolute file": (file_of_arm("/etc/x"), "arms.0.files.0.path: the path '/etc/x' is abso"),
    "a report that leads out": (
        parameters("diagnostics", activations=True, activation_report="../../x.json"),
        "arms.0.parameters: diagnostics.activation_report",
    ),
    "a knob of another name": (parameters("train", é=1), "arms.0.parameters: train.é: unknown"),
    "a knob of another kind": (
        parameters("train", epochs="x"),
        "arms.0.parameters: train.epochs: ",
    ),
    "a log that leads out": (arm(log="../../log"), "arms.0.log: "),
    "a rule about nothing": (
        lambda t: t["arms"][0]["rules"][0].update(rule="probe"),
        "arms.0.rules.0.rule: ",
    ),
    "a time that is none": (lambda t: t.update(started="x"), "started: expected a time"),
    "a time without zone": (
        lambda t: t.update(started="2026-01-30T05:00:00"),
        "started: expected a time",
    ),
    "a digest that is none": (arm(job_sha256=""), "arms.0.job_sha256: "),
    "two arms of one name": (lambda t: t["arms"].append(t["arms"][0]), "arms names one twice"),
    "a stage that leads out": (lambda t: t.update(stage="../x"), "stage: "),
    "a compared hub that leads out": (
        lambda t: t.update(
            compared=[
                {"name": "../../x", "phase": "x", "profile": None, "checksums_sha256": ""},
            ]
        ),
        "compared.0.name: ",
    ),
    "a dataset of nothing": (
        lambda t: t["dataset"].update(parameters={"dataset": {"kind": "x"}}),
        "dataset.0.parameters: kind",
    ),
}


@pytest.mark.parametrize(("change", "told"), HOSTILE.values(), ids=HOSTILE)
def test_a_record_that_holds_what_no_record_may_is_refused_by_file_and_key(folder, change, told):
    rewrite(folder, change)
    with pytest.raises(VerificationError) as caught:
        _ = SealedHub(folder=folder).record
    assert "hub.json: " in str(caught.value)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_record_of_a_sound_hub_is_read_once(folder, record):
    sealed = SealedHub(folder=folder)
    assert sealed.record.arms == record.arms
    (folder / layout.RECORD).unlink()
    assert sealed.record is sealed.record


def test_a_plan_that_is_none_is_refused_by_key(folder):
    (folder / layout.PLAN).write_text('{"schema_version": 1, "phase": "x", "profile": NaN}')
    with pytest.raises(VerificationError, match=r"plan\.json: "):
        _ = SealedHub(folder=folder).plan


def test_a_machine_that_is_a_word_is_no_machine(folder):
    (folder / layout.ENVIRONMENT).write_text('{"machine": "x", "command": [1]}')
    assert SealedHub(folder=folder).environment.command == ()


def test_one_hub_under_two_paths_is_one(folder, tmp_path):
    (tmp_path / "again").symlink_to(folder)
    assert len(distinct([folder, tmp_path / "again", folder / ".."])) == 2


def odd(kind, path):
    path.unlink(missing_ok=True)
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "hole":
        with path.open("wb") as file:
            file.truncate(2**40)
    else:
        path.write_bytes(b"[" * 2**20)


@pytest.fixture
def phasehub(tmp_path, monkeypatch, capsys):
    """Runs a verb as the command line does, in this process: its exit status and its messages."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        code = guarded(lambda: app([*map(str, words)], standalone_mode=False))
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("name", [layout.RECORD, "SHA256SUMS"])
@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "hole", "nested"])
def test_every_verb_that_reads_a_hub_refuses_what_is_no_file(
    folder, tmp_path, phasehub, name, kind
):
    odd(kind, folder / name)
    for verb, *options in VERBS if name == layout.RECORD else VERBS[1:]:
        code, told = phasehub(verb, folder, *options)
        assert code == 4, (verb, told)
        assert str(folder) in told.splitlines()[0]
        assert not (tmp_path / "bag").exists()
        assert not (tmp_path / "out.zst").exists()


def test_one_broken_hub_does_not_keep_the_others_from_being_listed(folder, record):
    broken = folder.with_name("2026-01-31T050000Z")
    broken.mkdir()
    (broken / "SHA256SUMS").write_text("")
    os.mkfifo(broken / layout.RECORD)
    text = render_list(layout.find_hubs(folder.parent.parent))
    assert "3 of 5" in text
    assert f"{broken}  broken: " in text


def test_an_archive_cannot_be_written_outside_by_the_name_of_a_phase(folder, tmp_path, phasehub):
    rewrite(folder, lambda table: table.update(phase="../../x"))
    code, told = phasehub("archive", folder)
    assert code == 4
    assert "hub.json: phase: " in told
    assert not list(tmp_path.glob("**/*.zst"))


def test_nothing_of_a_hub_steers_the_terminal(folder, tmp_path):
    rewrite(folder, lambda table: table.update(title="\x1b[2J\x07\u202eevil", notes=["\x9b31m"]))
    done = subprocess.run(
        [sys.executable, "-m", "runner", "show", folder],
        cwd=tmp_path, capture_output=True, check=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    text = done.stdout.decode()
    assert "evil" in text
    assert all(sign.isprintable() or sign == "\n" for sign in text)
