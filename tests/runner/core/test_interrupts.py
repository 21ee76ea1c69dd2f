"""An interrupt finds nothing, or a folder that somebody removes: none lies there for good."""

import signal
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.archive import remote
from runner.archive.unpack import unpack
from runner.core.errors import EngineError
from runner.core.interrupts import (
    SIGNALS,
    held_back,
    insisted,
    interrupts,
)
from runner.hub import layout
from runner.phase import execute
from runner.phase.run import Request

NOW = datetime(2026, 1, 30, 5, tzinfo=UTC)


@pytest.fixture
def interrupted_after(monkeypatch):
    """Has Ctrl-C pressed as soon as a function has done what it does."""

    def patch(owner, name, when=lambda *_first: True):
        real = getattr(owner, name)

        def then_interrupt(*values, **options):
            found = real(*values, **options)
            if when(*values[:1]):
                signal.raise_signal(signal.SIGINT)
            return found

        monkeypatch.setattr(owner, name, then_interrupt)

    return patch


def use(made):
    with made:
        pass


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: layout.staged(folder, "p", NOW),
        lambda folder: layout.staged_at(folder / "p" / "mine"),
    ],
)
def test_a_staging_folder_never_lies_there_with_nobody_who_removes_it(
    tmp_path, interrupted_after, make
):
    interrupted_after(Path, "mkdir", when=lambda path: path.name.startswith(".staging"))
    with pytest.raises(KeyboardInterrupt):
        use(make(tmp_path))
    assert list((tmp_path / "p").iterdir()) == []


def test_a_staging_folder_goes_with_what_is_raised_unless_it_is_kept(tmp_path):
    def fail(kept):
        with layout.staged(tmp_path, "p", NOW) as staging:
            (staging.path / "file").write_text("")
            staging.kept = kept
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail(kept=False)
    assert list((tmp_path / "p").iterdir()) == []
    with pytest.raises(KeyboardInterrupt):
        fail(kept=True)
    assert [path.name for path in (tmp_path / "p").iterdir()] == [".staging-2026-01-30T050000Z"]


def test_the_staging_folder_of_another_stays(tmp_path):
    (tmp_path / ".staging-mine").mkdir()
    with pytest.raises(EngineError, match="name another folder"):
        use(layout.staged_at(tmp_path / "mine"))
    assert (tmp_path / ".staging-mine").is_dir()


def test_a_run_that_is_interrupted_before_its_first_job_leaves_nothing(
    tmp_path, monkeypatch, tiny_manifest, interrupted_after
):
    monkeypatch.setenv("PHASEHUB_STATE", str(tmp_path / "state"))
    (tmp_path / "tiny.toml").write_text(tiny_manifest)
    interrupted_after(execute, "write_declaration")
    with pytest.raises(KeyboardInterrupt):
        execute.run_phase(Request(manifest=tmp_path / "tiny.toml", artifacts=tmp_path / "out"))
    assert list((tmp_path / "out" / "tiny").iterdir()) == []


def test_an_archive_that_is_unpacked_leaves_nothing(tmp_path, interrupted_after):
    interrupted_after(tempfile, "mkdtemp")
    with pytest.raises(KeyboardInterrupt):
        unpack(tmp_path / "file.tar.zst", tmp_path / "out" / "hub")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_sent_or_received_leaves_nothing(tmp_path, interrupted_after):
    interrupted_after(Path, "mkdir", when=lambda path: path.name == "work")
    with pytest.raises(KeyboardInterrupt):
        use(remote.scratch(tmp_path / "work"))
    assert not (tmp_path / "work").exists()


def use_signals(*numbers):
    for number in numbers:
        signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_interrupts_and_its_handler_is_as_before_afterwards(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), interrupts():
        use_signals(number)
    assert signal.getsignal(number) == before


def test_a_signal_that_the_caller_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts():
            use_signals(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_closed_is_told_of_once():
    with interrupts():
        with pytest.raises(KeyboardInterrupt):
            use_signals(signal.SIGHUP)
        use_signals(signal.SIGHUP)
        assert not insisted()


def test_a_second_signal_insists():
    with interrupts():
        for last in (False, True):
            with pytest.raises(KeyboardInterrupt):
                use_signals(signal.SIGTERM)
            assert insisted() == last


def test_what_is_held_back_comes_when_the_act_is_complete():
    done = []

    def act():
        with held_back():
            with held_back():
                use_signals(signal.SIGINT, signal.SIGTERM)
                done.append("inner")
            done.append("outer")

    with pytest.raises(KeyboardInterrupt), interrupts():
        act()
    assert done == ["inner", "outer"]


def test_what_is_done_by_then_is_not_interrupted():
    with interrupts():
        with held_back(then_raise=False):
            use_signals(signal.SIGINT)
        with held_back():
            pass
