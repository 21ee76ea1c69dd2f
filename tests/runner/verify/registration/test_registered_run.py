"""A real run carries what was registered when it began, and what is made again of it, too."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.digest import digest_json
from tests.runner.conftest import ROOT, TINY, run_phase

REGISTER = """\
schema_version = 1
[[findings]]
id = "RATE-001"
date = "2026-01-01"
claim = "A larger rate makes it collapse."
basis = "A test."
[findings.registration]
phase = "tiny"
date = "2026-01-01"
measure = "collapse"
seeds = [7, 8]
n = 2
[[findings.registration.contrasts]]
arms = { "train.learning_rate" = 2e-3 }
against = { "train.learning_rate" = 1e-3 }
expect = "higher"
"""
MATRIX = "[matrix]\ntrain.learning_rate = [1e-3, 2e-3]\nseed = [7, 9]\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The hub of a phase that was registered with one other seed."""
    folder = tmp_path_factory.mktemp("registered")
    (folder / "docs" / "study").mkdir(parents=True)
    (folder / "docs" / "study" / "findings.toml").write_text(REGISTER)
    manifest = TINY[: TINY.index("[[arms]]")].replace(
        "[resources]", 'findings = ["RATE-001"]\n[resources]'
    )
    done = run_phase(folder, manifest + MATRIX)
    assert done.returncode == 0, done.stderr
    (folder / "docs" / "study" / "findings.toml").write_text(REGISTER.replace("higher", "lower"))
    return Path(done.stdout.splitlines()[-1])


def test_the_hub_carries_what_was_registered_with_its_digest(hub):
    record = json.loads((hub / "hub.json").read_text())
    (one,) = record["registered"]
    assert (one["id"], one["registration"]["seeds"]) == ("RATE-001", [7, 8])
    assert one["registration"]["contrasts"][0]["expect"] == "higher"
    told = {name: one[name] for name in ("id", "claim", "registration")}
    assert one["sha256"] == digest_json(told)


def test_the_run_said_that_it_would_not_count(hub):
    notes = json.loads((hub / "hub.json").read_text())["notes"]
    why = ("RATE-001: no commit has its registration", "any registered finding: ")
    assert any(
        note.startswith(f"this run does not count for {one}") for one in why for note in notes
    )
    cell = "this run does not count for RATE-001: the cell train.learning_rate 0.002 is"
    assert f"{cell} without the registered seeds 8" in notes
    assert f"{cell} with seeds that are not registered, 9" in notes
    assert "does not count for RATE-001" in (hub / "summary.md").read_text()


def test_a_registration_that_is_changed_inside_the_hub_is_refused(hub, tmp_path):
    table = json.loads((hub / "hub.json").read_text())
    table["registered"][0]["registration"]["alpha"] = 0.01
    (tmp_path / "hub.json").write_text(json.dumps(table))
    done = subprocess.run(
        [sys.executable, "-m", "runner", "show", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    assert "sha256 is not the digest of what is registered of RATE-001" in done.stderr
