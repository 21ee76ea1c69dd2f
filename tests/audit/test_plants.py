"""A handful of planted bugs, and sound arms beside them; `nox -s audit` runs all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audit.__main__ import PLANTS

ROOT = Path(__file__).parents[2]

SOME = {
    "no photon noise": "data: train noise",
    "loss on half of the batch": "step 0: loss",
    "fixed initialisation": "start: initial weights",
    "encoder not optimized": "is in no group of the optimizer",
    "eps 1e-6": "step 0: update",
    "trained on validation patches": "totals: samples",
    "average put in at the end": "end: weights",
}
"""Plants → what the report says of them, among other things."""

LABELLED = {
    "loss on half of the batch": "train.physics_gain",
    "encoder not optimized": "observed.parameters_not_in_one_group",
    "eps 1e-6": "observed.optimizer_settings.eps",
}
"""Those of them that labels show as well, and which."""


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """What a run of some plants and of two sound arms found, by name."""
    results = tmp_path_factory.mktemp("audit") / "rows.jsonl"
    command = [sys.executable, "-m", "tests.audit", "--results", str(results), "--controls", "2"]
    done = subprocess.run(
        [*command, "--plants", *SOME], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = map(json.loads, results.read_text().splitlines())
    return {row["name"]: row for row in found}


@pytest.mark.parametrize("name", SOME)
def test_a_bug_fails_the_audit_whether_a_label_shows_it_or_not(rows, name):
    row = rows[name]
    assert row["level"] == "failed"
    assert any(SOME[name] in difference for difference in row["audit"])
    assert row["labels"] == [LABELLED[name]] if name in LABELLED else not row["labels"]


@pytest.mark.parametrize("number", range(2))
def test_a_sound_arm_passes(rows, number):
    assert rows[f"control {number}"]["level"] == "audited"
    assert not rows[f"control {number}"]["labels"]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.name)
def test_each_plant_still_finds_its_place(plant):
    """`nox -s audit`, which runs all of them, is no part of this."""
    found = {
        (file, old): (ROOT / "models" / file).read_text().count(old) for file, old, _ in plant.edits
    }
    assert found == dict.fromkeys(found, 1)


def test_a_failed_audit_names_tensor_element_and_size(rows):
    (check,) = [check for check in rows["eps 1e-6"]["checks"] if check["name"] == "step 0: update"]
    first = check["differences"][0]
    assert "eps" not in check["declared"]
    assert first["place"].startswith("lifter.convolution_1.weight.update, element")
    assert first["difference"] > first["tolerance"]
    assert first["derived"] != first["found"]
