"""What Slurm's accounting says of a job that the queue has forgotten, as real ones have said it."""

import pytest

from runner.engines.cluster import accounting

SAID = {
    "1|CANCELLED by 0|None": ("1", "CANCELLED"),
    "2|TIMEOUT|None": ("2", "TIMEOUT"),
    "3|CANCELLED by 0|None\n4|NODE_FAIL|None": ("4", "NODE_FAIL"),
    "3|RUNNING|None": None,
    "": None,
}
"""Lines of slurmdbd 22.05: of a job, of two attempts to submit it, of one that goes on, of none."""


@pytest.fixture
def sacct(tmp_path, monkeypatch):
    """Puts a command in its place that says this, and ends so."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def put(said, status=0):
        command = tmp_path / "sacct"
        command.write_text(f"#!/bin/sh\ncat <<'E'\n{said}\nE\nexit {status}\n")
        command.chmod(0o755)

    return put


@pytest.mark.parametrize(("said", "meant"), SAID.items())
def test_an_end_is_what_the_accounting_says_last(sacct, said, meant):
    sacct(said)
    entry = accounting.ended_as("phasehub-run-arm-1", 1_790_000_000.0)
    assert (entry and (entry.number, entry.state)) == meant


def test_where_there_is_no_accounting_nothing_is_said(sacct, monkeypatch, tmp_path):
    sacct("1|TIMEOUT|None", status=1)
    assert accounting.ended_as("phasehub-run-arm-1", 1_790_000_000.0) is None
    (tmp_path / "sacct").unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert accounting.ended_as("phasehub-run-arm-1", 1_790_000_000.0) is None
