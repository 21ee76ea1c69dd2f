"""The journal has a reader: what was started, how often, and how its jobs are found again."""

import dataclasses
import json
import os

import pytest

from runner.commands.clean import clean
from runner.commands.status import status
from runner.core.errors import RunnerError, VerificationError
from runner.core.host_paths import Places
from runner.engines.base import Handle
from runner.hub import layout
from runner.phase.unfinished import (
    RUN,
    choose,
    handles,
    journal,
    looked_at,
    mend_journal,
    starts,
    unfinished,
)


@pytest.fixture
def staging(tmp_path):
    found = layout.Staging(path=tmp_path / ".staging-x", final=tmp_path / "x")
    found.path.mkdir()
    return found


def handle(folder, **changed):
    facts = {
        "engine": "process", "id": "7:1", "name": "one", "started_at": 1.0, "timeout_s": 2.0,
        "disk_bytes": 3, "gpu_ids": ("GPU-1",), "log_path": f"{folder}/.attempts/one/1/console.log",
        "out_dir": f"{folder}/.attempts/one/1/out",
    }  # fmt: skip
    return Handle(**facts | changed)


def write(staging, *lines, end="\n"):
    text = "\n".join(json.dumps(line) for line in lines)
    with (staging.path / layout.JOURNAL).open("a") as file:
        file.write(text + end)


def started(staging, job, name="one"):
    """The line, as a run writes it: without the folders of this machine."""
    places = Places(hub=staging.path)
    return {"event": "started", "name": name, "handle": places.hidden(dataclasses.asdict(job))}


def test_a_handle_comes_back_as_it_was_although_no_folder_of_this_machine_is_told(staging):
    job = handle(staging.path)
    line = started(staging, job)
    assert str(staging.path) not in json.dumps(line)
    write(staging, line)
    assert handles(staging) == {"one": job}


def test_of_several_the_last_is_meant(staging):
    second = handle(staging.path, id="8:1")
    write(staging, started(staging, handle(staging.path)), started(staging, second))
    assert handles(staging) == {"one": second}


@pytest.mark.parametrize(
    "changed",
    [
        {"out_dir": "/etc"},
        {"out_dir": "<hub>/.attempts/../../../elsewhere"},
        {"log_path": "/etc/passwd"},
        {"started_at": "yesterday"},
    ],
)
def test_a_handle_that_leads_elsewhere_is_none(staging, changed):
    line = started(staging, handle(staging.path))
    line["handle"] |= changed
    write(staging, line)
    assert handles(staging) == {}


def test_a_line_that_was_cut_short_tells_nothing_and_spoils_no_other(staging):
    intended = {"event": "intended", "name": "one"}
    write(staging, intended, end='\n{"event": "intended", "na')
    assert starts(staging) == {"one": 1}
    mend_journal(staging)
    write(staging, intended)
    assert starts(staging) == {"one": 2}
    assert [line["event"] for line in journal(staging)] == ["intended", "intended"]


def test_without_a_journal_nothing_was_started(staging):
    mend_journal(staging)
    assert (starts(staging), handles(staging)) == ({}, {})


# --- runs whose state is not what it should be ----------------------------------------------------


@pytest.fixture
def broken(tmp_path):
    """A folder of hubs with a run whose record nobody can read."""
    final = tmp_path / "p" / "2026-01-30T050000Z"
    staging = layout.Staging(path=final.with_name(f".staging-{final.name}"), final=final)
    staging.path.mkdir(parents=True)
    staging.state.mkdir(mode=0o700)
    (staging.state / RUN).write_text("[" * 100_000)
    return staging


def test_a_run_that_cannot_be_read_is_shown_as_such_and_hides_no_other(broken, tmp_path):
    assert unfinished(tmp_path) == []
    (found,) = status(tmp_path)
    assert found.text().startswith(f"{broken.path}\n  cannot go on: ")
    assert found.table().keys() == {"run", "problem"}
    with pytest.raises(VerificationError, match="run its manifest again"):
        choose(broken.path, tmp_path)
    with pytest.raises(RunnerError, match="there is no run to go on with"):
        choose(None, tmp_path)


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_a_record_that_is_no_file_neither_hangs_nor_ends_anything(broken, tmp_path, kind):
    (broken.state / RUN).unlink()
    {
        "fifo": lambda path: os.mkfifo(path),
        "folder": lambda path: path.mkdir(),
        "link": lambda path: path.symlink_to("/dev/zero"),
    }[kind](broken.state / RUN)
    ((_, why),) = looked_at(tmp_path)
    assert isinstance(why, VerificationError)


def test_it_is_cleaned_on_request(broken, tmp_path):
    (one,) = clean(tmp_path, remove=False, say=print)
    assert str(one).startswith(f"would remove {broken.path}, which cannot go on: ")
    assert broken.path.exists()
    list(clean(tmp_path, remove=True, say=print))
    assert list((tmp_path / "p").iterdir()) == []
