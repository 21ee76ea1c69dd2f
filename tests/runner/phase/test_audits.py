"""Audits in a phase: what agrees is called audited, what differs fails its arm, all of it told."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner.core.digest import sha256_file
from runner.hub import layout
from runner.verify.audit_report import REPORT, from_table
from tests.audit.plants import data, training
from tests.runner.verify.test_consistency import inconsistencies, rewrite, sealed_anew

ROOT = Path(__file__).parents[3]
ONE_ARM = '[[arms]]\nname = "two"\ntrain.learning_rate = 2e-3\n'
"""What is left out of the tiny phase for one arm to remain."""


@pytest.fixture
def copy(tiny_copy):
    return tiny_copy


@pytest.fixture(scope="module")
def one_arm(audited_manifest):
    assert ONE_ARM in audited_manifest
    return audited_manifest.replace(ONE_ARM, "")


def run(folder, manifest, source=ROOT):
    """Run a manifest with the code in ``source``; how it ended, and its hub."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(manifest)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "runner", "run", folder / "tiny.toml", "--engine", "process"),
            *("--python", sys.executable, "--out", folder / "artifacts"),
        ],
        cwd=source, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, Path(done.stdout.splitlines()[-1])


def record_of(folder):
    return json.loads((folder / layout.RECORD).read_text())


def sown(plants, name, folder):
    """A checkout with the planted bug of that name."""
    (plant,) = [each for each in plants if each.name == name]
    plant.sow(folder)
    for file in ("pyproject.toml", "Dockerfile"):
        shutil.copyfile(ROOT / file, folder / file)
    return folder


class TestASoundPhase:
    def test_every_arm_is_audited_and_so_is_the_dataset(self, tiny_hubs):
        record = record_of(tiny_hubs[0])
        assert [arm["level"] for arm in record["arms"]] == ["audited", "audited"]
        for arm in record["arms"]:
            assert arm["audit"]["outcome"] == "agrees"
            assert arm["audit"]["parts"] == ["start", "steps", "totals", "end"]
            assert arm["audit"]["num_compared"] > 100
        assert record["dataset"]["audit"]["parts"] == ["data"]

    def test_the_states_are_gone_and_their_digests_stay(self, tiny_hubs):
        (arm, _) = record_of(tiny_hubs[0])["arms"]
        removed = [file["path"] for file in arm["audit"]["removed"]]
        assert removed
        assert all(path.startswith("audit_step_") for path in removed)
        assert not any((tiny_hubs[0] / "arms/one" / path).exists() for path in removed)
        job = json.loads((tiny_hubs[0] / "audits/one/job.json").read_text())
        for file in arm["audit"]["removed"]:
            assert job["inputs"][f"arm/{file['path']}"]["sha256"] == file["sha256"]

    def test_the_pages_say_so(self, tiny_hubs):
        for page in (layout.README, layout.SUMMARY, layout.REPORT):
            text = (tiny_hubs[0] / page).read_text()
            assert "Audited: all arms" in text
            assert "succeeded, audited" in text


def test_states_are_kept_and_steps_are_as_many_as_was_asked_for(tmp_path, one_arm):
    done, folder = run(tmp_path, one_arm + "[audit]\nkeep = true\nsteps = 1\n")
    assert done.returncode == 0, done.stderr
    (arm,) = record_of(folder)["arms"]
    assert arm["parameters"]["diagnostics"]["audit_steps"] == 1
    assert arm["audit"]["removed"] == []
    assert len(list((folder / "arms/one").glob("audit_step_*.pt"))) >= 2


def test_without_audits_every_page_says_that_nothing_was_derived_again(tmp_path, one_arm):
    done, folder = run(tmp_path, one_arm + '[audit]\nlevel = "read back"\n')
    assert done.returncode == 0, done.stderr
    record = record_of(folder)
    assert record["arms"][0]["level"] == "read back"
    assert record["arms"][0]["audit"] is None
    assert record["dataset"]["audit"] is None
    assert not (folder / "audits").exists()
    for page in (layout.README, layout.SUMMARY, layout.REPORT):
        text = (folder / page).read_text()
        assert "Read back: all arms" in text
        assert "succeeded, read back" in text
        assert "audited" not in text


def test_an_arm_that_asks_for_an_audit_by_itself_has_its_data_audited_too(tmp_path, one_arm):
    asking = one_arm.rstrip() + "\ndiagnostics.audit_steps = 1\n"
    done, folder = run(tmp_path, asking + '[audit]\nlevel = "read back"\n')
    assert done.returncode == 0, done.stderr
    record = record_of(folder)
    assert record["arms"][0]["level"] == "audited"
    assert record["dataset"]["audit"]["outcome"] == "agrees"
    assert inconsistencies(folder) == ()


def test_code_that_does_something_else_than_its_labels_say_fails_the_arm(tmp_path, one_arm):
    source = sown(training.PLANTS, "trained on validation patches", tmp_path / "source")
    done, folder = run(tmp_path, one_arm, source)
    assert done.returncode == 1
    (arm,) = record_of(folder)["arms"]
    assert (arm["status"], arm["level"]) == ("audit_failed", "read back")
    assert arm["differences"] == []  # no label shows it
    assert "step 0: loss: declared mae, gain 17.4; batch: derived " in arm["message"]
    assert "totals: samples: 1 times a sample was trained on that is held out" in arm["message"]
    assert "one: audit failed: " in done.stderr
    assert list((folder / "arms/one").glob("audit_step_*.pt"))  # what the difference was seen in
    assert "0 of 1 arm ran as planned" in (folder / layout.SUMMARY).read_text()


def test_no_arm_is_shown_data_that_are_not_those_declared(tmp_path, one_arm):
    source = sown(data.PLANTS, "no photon noise", tmp_path / "source")
    done, folder = run(tmp_path, one_arm, source)
    assert done.returncode == 1
    record = record_of(folder)
    assert record["dataset"]["status"] == "audit_failed"
    assert "data: train noise" in record["dataset"]["message"]
    assert [arm["status"] for arm in record["arms"]] == ["not_run"]


FORGER = """
import pathlib, runpy, sys
job, out = sys.argv[1:]
sys.argv = ["models", "train", "--job", job, "--out", out]
try:
    runpy.run_module("models", run_name="__main__")
except SystemExit:
    pass
import hashlib, json
out = pathlib.Path(out)
state = next(out.glob("audit_step_*1.pt"))
state.write_bytes({content!r})
result = json.loads((out / "result.json").read_text())
for file in result["files"]:
    if file["path"] == state.name:
        file |= dict(sha256=hashlib.sha256(state.read_bytes()).hexdigest(), bytes=len({content!r}))
(out / "result.json").write_text(json.dumps(result))
"""


def test_a_state_that_cannot_be_read_fails_the_arm_and_names_the_file(tmp_path, one_arm):
    program = json.dumps(FORGER.format(content=b"no tensors"))
    command = f'command = ["python", "-c", {program}, "{{job}}/job.json", "{{out}}"]\n'
    done, folder = run(tmp_path, one_arm.rstrip() + f"\n{command}")
    assert done.returncode == 1, done.stderr
    (arm,) = record_of(folder)["arms"]
    assert arm["status"] == "audit_failed"
    assert "audit_step_" in arm["message"]


class TestAHubThatWasSealedAnew:
    def test_a_level_that_the_record_does_not_bear_out(self, copy):
        rewrite(
            copy / layout.RECORD,
            lambda record: record["arms"][0]["audit"].update(
                outcome="not_done", differences=["the audit could not be done: it was late"]
            ),
        )
        assert "arm one is called audited, and its record shows it as read back" in sealed_anew(
            copy
        )

    def test_a_report_of_a_difference_in_an_audit_that_agrees(self, copy):
        def change(report):
            report["checks"][0]["verdict"] = "differs"
            report["differences"] = ["start: initial weights: something"]

        rewrite(copy / "audits/one" / REPORT, change)
        found = sealed_anew(copy)
        assert "audits/one/audit.json says something else than hub.json" in found

    def test_an_audit_of_other_files_than_the_arm_left(self, copy):
        def change(job):
            job["inputs"]["arm/model.pt"]["sha256"] = "0" * 64

        rewrite(copy / "audits/one/job.json", change)
        assert "audits/one/job.json is not the job that ran" in sealed_anew(copy)

    def test_another_digest_of_a_state_that_was_removed(self, copy):
        def change(record):
            record["arms"][0]["audit"]["removed"][0]["sha256"] = "0" * 64

        rewrite(copy / layout.RECORD, change)
        (told,) = sealed_anew(copy)
        assert told.startswith("audits/one/job.json read another arm/audit_step_")

    @pytest.mark.parametrize(
        "change",
        [
            lambda job: job["parameters"]["train"].update(learning_rate=7e-3),
            lambda job: job.update(seed=job["seed"] + 1),
            lambda job: job["parameters"]["audit"].update(parts=["start"]),
            lambda job: job.update(experiment="train"),
        ],
        ids=["parameters", "seed", "parts", "experiment"],
    )
    def test_an_audit_of_something_else_than_was_declared(self, copy, change):
        rewrite_job(copy, change)
        parts = "start, steps, totals, end"
        told = f"audits/one/job.json is not an audit of {parts} with the parameters of hub.json"
        assert told in sealed_anew(copy)

    def test_an_audit_of_a_file_that_the_arm_has_no_more(self, copy):
        rewrite_job(copy, lambda job: job["inputs"].update({"arm/other": {"sha256": "0" * 64}}))
        told = "audits/one/job.json read arm/other, which the record does not have"
        assert told in sealed_anew(copy)

    def test_an_audit_of_some_parts_is_none_of_the_arm(self, copy):
        some = ["start"]
        rewrite_job(copy, lambda job: job["parameters"]["audit"].update(parts=some))
        rewrite(copy / "audits/one" / REPORT, lambda report: report.update(parts=some))
        rewrite(copy / layout.RECORD, lambda record: record["arms"][0]["audit"].update(parts=some))
        found = sealed_anew(copy)
        assert "arm one is called audited, and its record shows it as read back" in found

    def test_an_audit_that_is_no_longer_on_record(self, copy):
        rewrite(
            copy / layout.RECORD,
            lambda record: record["arms"][0].update(audit=None, level="read back"),
        )
        assert "arm one was to be audited, and no audit is on record" in sealed_anew(copy)

    def test_a_success_in_spite_of_an_audit_that_failed(self, copy):
        rewrite(
            copy / layout.RECORD,
            lambda record: (
                record["arms"][0]["audit"].update(outcome="not_done", differences=["late"]),
                record["arms"][0].update(level="read back"),
            ),
        )
        told = "arm one is called succeeded, and by its audit (not_done) it is audit_failed"
        assert told in sealed_anew(copy)


def rewrite_job(folder, change):
    """Change the job of an arm's audit, and its digest in the record."""
    path = folder / "audits/one/job.json"
    rewrite(path, change)
    rewrite(
        folder / layout.RECORD,
        lambda record: record["arms"][0]["audit"].update(job_sha256=sha256_file(path)),
    )


CHECK = {"name": "x", "verdict": "agrees", "compared": 3}
SOUND = {
    "schema_version": 1, "level": "in part", "parts": ["data"], "differences": [],
    "not_comparable": 0, "checks": [CHECK],
}  # fmt: skip


class TestAReport:
    def test_it_agrees_when_every_check_does(self):
        assert from_table(SOUND, ("data",))["outcome"] == "agrees"

    def test_a_difference_makes_it_differ_whatever_its_level_says(self):
        told = SOUND | {"differences": ["x: no"]}
        assert from_table(told, ("data",))["outcome"] == "differs"

    @pytest.mark.parametrize(
        "change",
        [
            {"checks": []},
            {"checks": [CHECK | {"compared": 0}]},
            {"checks": [CHECK | {"verdict": "differs"}]},
            {"level": "failed"},
        ],
        ids=["no check", "nothing compared", "a check that differs", "failed"],
    )
    def test_one_that_neither_agrees_nor_tells_why_is_refused(self, change):
        with pytest.raises(ValueError, match="tells of no difference"):
            from_table(SOUND | change, ("data",))

    def test_a_part_of_which_nothing_could_be_compared_makes_it_one_in_part(self):
        told = SOUND | {"parts": ["start"], "not_comparable": 2}
        assert from_table(told, ("start", "steps"))["outcome"] == "in_part"

    def test_one_that_is_about_something_else_is_refused(self):
        with pytest.raises(ValueError, match=r"is about data$"):
            from_table(SOUND, ("start", "steps"))
