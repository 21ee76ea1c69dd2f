"""``--json``: every verb that prints facts prints them for machines, too, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest

from runner import cli
from runner.plan.model import digest, parse_plan
from tests.runner.conftest import TINY

ROOT = Path(__file__).parents[3]
(HUB, *_) = sorted(path.parent for path in ROOT.glob("docs/study/hubs/phase8/*/hub.json"))


@pytest.fixture
def facts(capsys):
    def run(*words, code=0):
        words = (*map(str, words), "--json")
        assert cli.guarded(lambda: cli.app(words, standalone_mode=False)) == code
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture
def manifest(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


def test_check_says_the_phase_its_arms_and_what_is_odd(facts, manifest):
    found = facts("check", manifest)
    assert (found["phase"], found["arms"]) == ("tiny", ["one", "two"])
    assert isinstance(found["notes"], list)


def test_plan_is_the_plan_of_a_hub_with_its_digest(facts, manifest):
    found = facts("plan", manifest)
    plan = parse_plan(json.dumps(found["plan"]).encode())
    assert [arm.name for arm in plan.arms] == ["one", "two"]
    assert found["sha256"] == digest(plan)


def test_show_is_the_record_with_its_statistics(facts):
    found = facts("show", HUB)
    assert found["record"]["phase"] == "phase8"
    assert found["record"]["arms"]
    assert "statistics" in found


def test_list_has_a_table_for_each_hub_also_for_one_that_cannot_be_read(facts, tmp_path):
    for name in ("2026-01-30T050000Z", "2026-01-31T050000Z"):
        folder = tmp_path / "phase8" / name
        folder.mkdir(parents=True)
        (folder / "SHA256SUMS").touch()
    shutil.copy(HUB / "hub.json", tmp_path / "phase8" / "2026-01-30T050000Z")
    good, broken = facts("list", "--out", tmp_path)
    assert (good["phase"], good["arms"] >= good["succeeded"]) == ("phase8", True)
    assert good["title"]
    assert broken.keys() == {"hub", "problem"}


def test_verify_names_what_is_wrong_and_ends_with_4(facts, tmp_path):
    hub = tmp_path / "phase8" / HUB.name
    hub.mkdir(parents=True)
    (hub / "a").write_text("a")
    (hub / "SHA256SUMS").write_text(f"{'0' * 64}  a\n{'0' * 64}  b\n")
    found = facts("verify", hub, code=4)
    assert (found["holds"], found["changed"], found["missing"]) == (False, ["a"], ["b"])


def test_no_run_is_an_empty_list(facts, tmp_path):
    assert facts("status", "--out", tmp_path) == []
