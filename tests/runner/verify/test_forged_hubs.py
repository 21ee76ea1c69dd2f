"""Hubs that a stranger forged and sealed anew: what contradicts itself, or would take for ever."""

import json

import pytest

from runner.compare.diff import artifacts
from runner.compare.diff.table import EnvironmentDifference, PlanDifference
from runner.core.reading import typed
from runner.hub.record import HubRecord
from runner.verify import consistency
from runner.verify.audit_report import from_table
from runner.verify.sealed_hub import SealedHub
from runner.verify.statistics import MOST_KNOBS, Statistics
from tests.fuzz.folders import copy_tree, put, reseal
from tests.fuzz.seeds import unpacked


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return unpacked(tmp_path_factory.mktemp("seeds"))


@pytest.fixture
def forge(seeds, tmp_path):
    """Change JSON files of the audited hub and seal it anew; the hub's folder."""
    (audited,) = [seed for seed in seeds if seed.record["arms"][0].get("audit")][-1:]

    def make(changes):
        folder = tmp_path / "tiny" / "2026-12-24T180000Z"
        copy_tree(audited.folder, folder)
        for name, change in changes.items():
            table = json.loads((folder / name).read_bytes())
            change(table)
            put(folder / name, json.dumps(table).encode())
        reseal(folder, audited.digests)
        return folder

    return make


OTHER_AUDIT = (
    "audits/one/job.json is not an audit of start, steps, totals, end with the parameters of "
    "hub.json"
)


def inconsistencies(folder):
    return consistency.inconsistencies(SealedHub(folder=folder))


class TestAudits:
    def test_as_it_was_sealed_nothing_contradicts_itself(self, forge):
        assert inconsistencies(forge({})) == ()

    def test_an_arm_cannot_succeed_of_which_its_audit_found_a_difference(self, forge):
        def differ(report):
            report.update(level="failed", differences=["another number"])

        def claim(record):
            record["arms"][0].update(level="read back")
            record["arms"][0]["audit"].update(outcome="differs", differences=["another number"])

        found = inconsistencies(forge({"audits/one/audit.json": differ, "hub.json": claim}))
        assert "arm one is called succeeded, and by its audit (differs) it is audit_failed" in found

    def test_an_audit_of_a_part_is_none_of_the_whole(self, forge):
        def shorten(report):
            report.update(parts=["totals"])

        def ask_less(job):
            job["parameters"]["audit"]["parts"] = ["totals"]

        def claim(record):
            record["arms"][0]["audit"].update(parts=["totals"])

        found = inconsistencies(
            forge(
                {
                    "audits/one/audit.json": shorten,
                    "audits/one/job.json": ask_less,
                    "hub.json": claim,
                }
            )
        )
        assert any(
            told.startswith("audits/one/job.json is not an audit of start") for told in found
        )

    @pytest.mark.parametrize("changed", [{"seed": 99}, {"experiment": "train"}])
    def test_the_job_of_an_audit_is_one_of_that_arm(self, forge, changed):
        found = inconsistencies(forge({"audits/one/job.json": lambda job: job.update(changed)}))
        assert any(
            told.startswith("audits/one/job.json is not an audit of start") for told in found
        )

    def test_the_job_of_a_dataset_s_audit_is_one_of_that_dataset(self, forge):
        def change(job):
            job["parameters"]["dataset"]["object_size"] = 50

        found = inconsistencies(forge({"dataset/audit/job.json": change}))
        assert any(
            told.startswith("dataset/audit/job.json is not an audit of data") for told in found
        )


class TestStatistics:
    def test_a_controlled_comparison_names_its_knob(self, seeds):
        table = json.loads(seeds[-1].texts["statistics.json"])
        table["comparisons"][0]["knobs"] = []
        with pytest.raises(ValueError, match=r"comparisons\.0: controlled must be true where one"):
            typed(Statistics, table, "statistics.json")

    def test_comparisons_name_no_more_knobs_than_a_plan_may_have(self, seeds):
        table = json.loads(seeds[-1].texts["statistics.json"])
        (row,) = table["comparisons"][:1]
        table["comparisons"] = [row | {"knobs": [f"knob{i}"]} for i in range(MOST_KNOBS + 1)]
        with pytest.raises(ValueError, match="comparisons name more than 128 knobs"):
            typed(Statistics, table, "statistics.json")


def test_each_file_is_given_to_its_part_a_few_times_however_many_parts_there_are(
    seeds, monkeypatch
):
    asked = []
    part_of = artifacts._part_of
    monkeypatch.setattr(artifacts, "_part_of", lambda path: asked.append(path) or part_of(path))
    table = seeds[-1].record | {
        "artifacts": [
            {"path": f"dataset/{i:012x}/x", "sha256": "0" * 64, "bytes": 0, "deterministic": True}
            for i in range(500)
        ]
    }
    record = typed(HubRecord, table, "hub.json")
    plan = PlanDifference(
        knobs=(), only_before=(), only_after=(), common=(), source=None, commit=None
    )
    places = EnvironmentDifference(facts=(), set_by_plan=(), num_compared=0)
    found = artifacts.compare_artifacts((record, record), plan, places)
    assert len(found.parts) == 501
    assert len(asked) < 20 * 500


def test_a_hub_bears_on_no_more_findings_than_a_manifest_may_name(seeds):
    table = seeds[-1].record | {"findings": [f"MANY-{i}" for i in range(257)]}
    with pytest.raises(ValueError, match="findings: Tuple should have at most 256 items"):
        typed(HubRecord, table, "hub.json")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"not_comparable": 10**13}, "not_comparable: "),
        ({"differences": ["x"] * 1001}, "differences: "),
    ],
)
def test_a_report_of_an_audit_says_nothing_that_no_record_could_hold(seeds, changed, told):
    report = json.loads(seeds[-3].texts["audits/one/audit.json"]) | changed
    with pytest.raises(ValueError, match=told):
        from_table(report, ("start", "steps", "totals", "end"))
