"""Several datasets in a phase: planned, simulated once each, shown to their arms, verified."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from runner.commands.reproduction.rerun import OTHER_DATA, leave_out, withdraw_other_data
from runner.compare.diff import diff
from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import EngineError
from runner.hub import layout
from runner.hub.checksums import write_checksums
from runner.hub.record import HubRecord
from runner.hub.records.arm import AuditRecord
from runner.hub.records.base import FileRecord
from runner.hub.ro_crate import crate
from runner.hub.slsa import provenance
from runner.jobs.dataset_cache import digests
from runner.manifest.dataset_names import assigned, folder_of, label_of, name_of
from runner.manifest.model import load
from runner.phase.lock_mismatches import dataset_digests, dataset_mismatches
from runner.plan.make import make_plan
from runner.plan.model import Plan, digest, job_document, parse_plan
from runner.plan.preflight import Machine, preflight
from runner.report.comparability import comparability_notes
from runner.report.pages import facts
from runner.report.plan_text import render_plan
from runner.verify import verdict
from runner.verify.consistency import check_parts, inconsistencies
from runner.verify.groups import grouped, summary_of
from runner.verify.hub_checks.audits import check_audits
from runner.verify.parameter_differences import DRAWN_ANEW
from runner.verify.sealed_hub import NamedHub, SealedHub
from tests.runner.conftest import AUDITED, TINY, run_phase

ROOT = Path(__file__).parents[3]
AXES = """
[matrix]
train.learning_rate = { values = [1e-3, 2e-3], labels = ["slow", "fast"] }

[[matrix.together]]
seed = [11, 12]
dataset.seed = [11, 12]
dataset.train_object_seed = [21, 22]
dataset.test_object_seed = [31, 32]
"""
TWICE_TWO = AUDITED.partition("[[arms]]")[0] + AXES
"""Two learning rates, each with two seeds that have data of their own."""
ARMS = ["slow-s11", "slow-s12", "fast-s11", "fast-s12"]


@pytest.fixture
def planned(tmp_path):
    def plan(text, **options):
        (tmp_path / "tiny.toml").write_text(text)
        return make_plan(load(tmp_path / "tiny.toml"), **options)

    return plan


def shown(plan):
    return {arm: job.name for arm, job in assigned(plan.datasets, plan.arms).items()}


# --- the plan ------------------------------------------------------------------------------------


def test_every_distinct_dataset_is_planned_once_and_shared(planned):
    plan = planned(TWICE_TWO)
    first, second = plan.datasets
    assert [arm.name for arm in plan.arms] == ARMS
    assert shown(plan) == dict(zip(ARMS, [first.name, second.name] * 2, strict=True))
    assert [job.seed for job in plan.datasets] == [11, 12]
    drawn = [job.parameters["dataset"] for job in plan.datasets]
    assert [(d["train_object_seed"], d["test_object_seed"]) for d in drawn] == [(21, 31), (22, 32)]


def test_arms_of_the_file_may_have_a_dataset_of_their_own(planned):
    text = TINY + "dataset.photons = 1e4\n[[arms]]\nname = 'three'\ndataset.photons = 1e4\n"
    plan = planned(text)
    first, second = plan.datasets
    assert shown(plan) == {"one": first.name, "two": second.name, "three": second.name}
    assert [job.parameters["dataset"]["photons"] for job in plan.datasets] == [1e9, 1e4]
    assert [job.seed for job in plan.datasets] == [7, 7], "the phase's seed, where none is named"


def test_a_phase_with_one_dataset_is_written_as_it_always_was(planned):
    plan = planned(TINY)
    table = plan.model_dump(mode="json")
    assert table["dataset"]["name"] == "dataset"
    assert "datasets" not in table
    assert "seed" not in table["dataset"]["parameters"]["dataset"]
    assert digest(plan) == "4772f4cfd04e7c462b01ca5fcb5887e9069e9b2ccb8ba4b5fae50d60b5139037"
    assert parse_plan(pretty_json(table)) == plan


def test_a_plan_with_several_comes_back_from_its_file(planned):
    plan = planned(TWICE_TWO)
    assert "dataset" not in plan.model_dump(mode="json")
    assert parse_plan(pretty_json(plan.model_dump(mode="json"))) == plan


def test_a_dataset_is_called_the_same_whatever_else_runs(planned):
    whole, part = planned(TWICE_TWO), planned(TWICE_TWO, only=["fast-s12"])
    assert part.datasets == whole.datasets[1:]
    (job,) = part.datasets
    assert job.name == name_of(job.parameters, 12)
    assert folder_of(job.name) == f"dataset/{label_of(job.name)}"
    assert (folder_of("dataset"), label_of("dataset")) == ("dataset", "")


def test_one_simulation_is_one_job_whatever_the_phase_calls_its_data(planned):
    alone = TINY.replace(
        "train_stride", "train_object_seed = 21\ntest_object_seed = 31\nseed = 11\ntrain_stride"
    )
    (one,), several = planned(alone).datasets, planned(TWICE_TWO).datasets
    assert one.name != several[0].name
    assert job_document(one, {}) == job_document(several[0], {})


def change_plan(plan, change):
    table = plan.model_dump(mode="json")
    change(table)
    return table


IMPOSSIBLE = {
    "a dataset twice": (
        lambda t: t["datasets"].append(t["datasets"][0]),
        "datasets names one twice",
    ),
    "one of two that is called as the only one": (
        lambda t: t["datasets"][0].update(name="dataset"),
        "one of several is called dataset",
    ),
    "an arm without a dataset": (
        lambda t: t["arms"][0]["parameters"]["dataset"].update(photons=5.0),
        "no dataset is that of slow-s11",
    ),
    "another seed than the parameters": (
        lambda t: t["datasets"][0].update(seed=5),
        "another seed than its parameters",
    ),
    "a name that leads out": (lambda t: t["datasets"][0].update(name="x"), "is no simulation"),
    "no dataset": (lambda t: t.update(datasets=[]), "at least 1 item"),
    "both keys": (lambda t: t.update(dataset=t["datasets"][0]), "not permitted"),
}


@pytest.mark.parametrize(("change", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_plan_is_refused_that_has(planned, change, told):
    with pytest.raises(ValidationError, match=told):
        Plan.model_validate_json(pretty_json(change_plan(planned(TWICE_TWO), change)))


def test_the_plan_s_page_says_how_many_there_are_and_whose(planned):
    plan = planned(TWICE_TWO)
    page = render_plan(plan)
    assert "Phase tiny: 2 datasets, 4 arms." in page
    (row,) = (
        line
        for line in page.splitlines()
        if line.split()[:1] == [plan.datasets[1].name] and "fast" in line
    )
    assert row.split()[1:] == ["12", "32", "22", "slow-s12,", "fast-s12"]
    assert "Phase tiny: one dataset, 2 arms." in render_plan(planned(TINY))


def test_the_disk_must_have_room_for_all_of_them(planned):
    def needed(text):
        machine = Machine(free_disk_bytes=0, memory_bytes=2**34, processors=2)
        with pytest.raises(EngineError, match="the run writes about") as error:
            preflight(planned(text), machine)
        return str(error.value)

    large = TWICE_TWO.replace("object_size = 48", "object_size = 480")
    one = (
        large.replace("train_object_seed = [21, 22]", "train_object_seed = [21, 21]")
        .replace("test_object_seed = [31, 32]", "test_object_seed = [31, 31]")
        .replace("dataset.seed = [11, 12]", "dataset.seed = [11, 11]")
    )
    assert needed(large) != needed(one)


def test_arms_may_have_measured_probes_of_their_own(tmp_path):
    import numpy as np

    for name, size in (("a.npz", 16), ("b.npz", 20)):
        np.savez(tmp_path / name, probeGuess=np.ones((size, size), np.complex64))
    text = TINY + "".join(
        f"[[arms]]\nname = '{name}'\ndataset.probe = 'file'\ndataset.probe_file = '{name}.npz'\n"
        for name in "ab"
    )
    (tmp_path / "tiny.toml").write_text(text)
    loaded = load(tmp_path / "tiny.toml")
    probes = [job.parameters["dataset"]["probe_sha256"] for job in make_plan(loaded).datasets]
    assert probes == [None, sha256_file(tmp_path / "a.npz"), sha256_file(tmp_path / "b.npz")]
    assert loaded.given.keys() == set(probes[1:])


# --- the record and what is read off it ----------------------------------------------------------


@pytest.fixture
def two(record):
    """The record of the small hub with half of its arms on another dataset."""
    data = record.datasets[0]
    other = {**data.parameters["dataset"], "photons": 5.0}
    files = tuple(
        f.model_copy(update={"sha256": f.sha256[::-1].replace("d", "5")}) for f in data.files
    )
    names = [
        name_of({"dataset": table}, data.seed) for table in (data.parameters["dataset"], other)
    ]
    datasets = (
        data.model_copy(update={"name": names[0]}),
        data.model_copy(
            update={"name": names[1], "parameters": {"dataset": other}, "files": files}
        ),
    )
    arms = tuple(
        arm.model_copy(update={"parameters": {**arm.parameters, "dataset": other}})
        if n % 2
        else arm
        for n, arm in enumerate(record.arms)
    )
    return record.model_copy(update={"datasets": datasets, "arms": arms})


def test_a_record_comes_back_from_its_file_and_an_older_one_too(record, two):
    for each, key in ((record, "dataset"), (two, "datasets")):
        table = each.model_dump(mode="json")
        assert table.keys() & {"dataset", "datasets"} == {key}
        assert HubRecord.model_validate(table) == each
    assert "name" not in record.model_dump(mode="json")["dataset"], "as hubs were always written"


def test_each_arm_has_the_dataset_with_its_parameters(two):
    wanted = [two.datasets[n % 2].name for n, _ in enumerate(two.arms)]
    assert [one.name for one in two.datasets_of_arms.values()] == wanted


def test_pages_name_every_dataset_and_its_arms(two):
    told = dict(facts(two))
    assert told["datasets"].startswith("2, ")
    assert two.arms[1].name in told[two.datasets[1].name]
    assert two.arms[1].name not in told[two.datasets[0].name]


def test_metadata_for_others_names_every_dataset(two, tmp_path):
    labels = [label_of(one.name) for one in two.datasets]
    for label in labels:
        (tmp_path / "dataset" / label).mkdir(parents=True)
        (tmp_path / "dataset" / label / "metadata.json").write_text("{}")
    graph = crate(two, layout.list_files(tmp_path, two), "x")["@graph"]
    by_id = {entity["@id"]: entity for entity in graph}
    assert {f"#simulation-{label}" for label in labels} < by_id.keys()
    arm = next(
        arm for arm in two.arms if arm.started and two.datasets_of_arms[arm.name] is two.datasets[1]
    )
    assert by_id[f"#arm-{arm.name}"]["object"] == {"@id": f"dataset/{labels[1]}/metadata.json"}
    text = json.dumps(provenance(two, "x/y", ()).table())
    assert all(f"dataset/{label}/train.npz" in text for label in labels)


def test_a_dataset_that_failed_is_a_failure_of_the_run(two):
    arms = tuple(arm.model_copy(update={"status": "succeeded"}) for arm in two.arms)
    sound = two.model_copy(update={"arms": arms, "rules_required": False, "interrupted": False})
    assert verdict.exit_code(sound) == 0
    broken = sound.datasets[1].model_copy(update={"status": "failed"})
    assert verdict.exit_code(sound.model_copy(update={"datasets": (two.datasets[0], broken)})) == 1


def test_other_data_in_a_compared_hub_are_counted(record, two):
    names = [("here", two), ("there", record)]
    (told,) = (line for line in comparability_notes(names, (), {}) if "other data" in line)
    assert "2 datasets here, 1 there, 1 of them the same" in told
    assert not any(
        "other data" in line for line in comparability_notes([("a", two), ("b", two)], (), {})
    )


class Entry:
    def __init__(self, dataset):
        self.dataset = dataset


def test_a_lock_holds_every_dataset_to_its_own_bytes(two):
    locked = dataset_digests(two.datasets)
    label = label_of(two.datasets[1].name)
    assert f"{label}/train.npz" in locked
    assert not [d for one in two.datasets for d in dataset_mismatches(Entry(locked), one)]
    swapped = two.datasets[1].model_copy(update={"files": two.datasets[0].files})
    (first, *_) = dataset_mismatches(Entry(locked), swapped)
    assert first.what == f"dataset {label}/train.npz"


# --- replicates ----------------------------------------------------------------------------------


def hub_of(record, plan):
    first = record.arms[0]
    arms = tuple(
        first.model_copy(update={"name": job.name, "seed": job.seed, "parameters": job.parameters})
        for job in plan.arms
    )
    return NamedHub(name="tiny", record=record.model_copy(update={"arms": arms}))


def test_data_drawn_anew_with_each_seed_belong_to_the_replicate(record, planned):
    groups = grouped(0, hub_of(record, planned(TWICE_TWO)))
    assert [(group.name, len(group.arms)) for group in groups] == [("slow", 2), ("fast", 2)]
    assert groups[0].knobs["dataset"]["train_object_seed"] == DRAWN_ANEW
    (pair,) = summary_of([hub_of(record, planned(TWICE_TWO))], own=True).pairs
    assert pair.knobs == ("train.learning_rate",)


def test_seeds_crossed_with_objects_are_a_knob(record, planned):
    crossed = TINY.partition("[[arms]]")[0] + (
        "[matrix]\nseed = [1, 2]\ndataset.train_object_seed = [5, 6]\n"
    )
    groups = grouped(0, hub_of(record, planned(crossed)))
    assert [len(group.arms) for group in groups] == [2, 2]
    (pair,) = summary_of([hub_of(record, planned(crossed))], own=True).pairs
    assert pair.knobs == ("dataset.train_object_seed",)


def test_an_object_that_several_seeds_share_is_a_knob(record, planned):
    shared = TINY.partition("[[arms]]")[0] + (
        "[[matrix.together]]\nseed = [1, 2, 3, 4]\ndataset.train_object_seed = [5, 5, 6, 6]\n"
    )
    groups = grouped(0, hub_of(record, planned(shared)))
    assert [len(group.arms) for group in groups] == [2, 2]


def test_drawn_data_beside_a_fixed_object_are_another_treatment(record, planned):
    fixed = hub_of(record, planned(TINY))
    drawn = hub_of(record, planned(TWICE_TWO))
    pairs = summary_of([drawn, NamedHub(name="fixed", record=fixed.record)], own=True).pairs
    assert any("dataset.train_object_seed" in pair.knobs for pair in pairs)


# --- a real phase --------------------------------------------------------------------------------


def phasehub(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def state(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PHASEHUB_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module")
def ran(tmp_path_factory, state):
    done = run_phase(tmp_path_factory.mktemp("twice_two"), TWICE_TWO)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.splitlines()[-1])


@pytest.fixture
def copy(ran, tmp_path):
    folder = tmp_path / "tiny" / ran.name
    shutil.copytree(ran, folder)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def test_each_dataset_is_simulated_once_and_each_arm_reads_its_own(ran):
    record = layout.read(ran)
    assert [one.status for one in record.datasets] == ["succeeded"] * 2
    assert not any(one.cached for one in record.datasets)
    assert digests(record.datasets[0].files) != digests(record.datasets[1].files)
    for arm in record.arms:
        job = json.loads((ran / layout.arm_dir(arm.name) / layout.JOB).read_bytes())
        given = {name: one["sha256"] for name, one in job["inputs"].items()}
        assert given == digests(record.datasets_of_arms[arm.name].files)
        effective = json.loads(
            (ran / layout.arm_dir(arm.name) / "effective_config.json").read_bytes()
        )
        assert effective["parameters"]["dataset"]["seed"] == arm.seed
    for one in record.datasets:
        assert json.loads((ran / one.folder / "metadata.json").read_bytes())["seed"] == one.seed
    assert inconsistencies(SealedHub(folder=ran)) == ()
    page = (ran / "README.md").read_text()
    assert all(one.name in page for one in record.datasets)


def test_it_comes_out_again_as_a_whole_and_arm_by_arm(copy, tmp_path):
    done = phasehub("reproduce", copy, "--out", tmp_path / "again", "--python", sys.executable)
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.splitlines()[-1])
    told = json.loads((made / layout.RECORD).read_bytes())["reproduction"]
    folders = {file["path"].rpartition("/")[0] for file in told["files"]}
    assert {one.folder for one in layout.read(copy).datasets} <= folders
    assert inconsistencies(SealedHub(folder=made)) == ()
    done = phasehub(
        "reproduce",
        copy,
        "--arm",
        "fast-s12",
        "--out",
        tmp_path / "one",
        "--python",
        sys.executable,
    )
    assert done.returncode == 0, done.stderr
    (only,) = layout.read(Path(done.stdout.splitlines()[-1])).datasets
    assert only.name == layout.read(copy).datasets[1].name


def test_an_archive_takes_all_datasets_and_gives_them_back(copy, tmp_path):
    from runner.archive.contents import archive_hub
    from runner.archive.restoration import restore
    from runner.core.installation import state_dir
    from runner.jobs.datasets import find

    path, _ = archive_hub(
        copy, target=tmp_path / "a.tar.zst", with_image=False, with_dataset=True,
        state=state_dir(), say=print,
    )  # fmt: skip
    fresh = tmp_path / "fresh"
    found = restore(path, artifacts=tmp_path / "out", state=fresh, limit_bytes=2**30)
    assert found.dataset
    for one in layout.read(found.hub).datasets:
        assert find(one, fresh / "datasets") is not None


def test_two_hubs_of_it_are_the_same_and_a_changed_object_is_told_of_its_arms(ran, tmp_path):
    other = TWICE_TWO.replace("[31, 32]", "[31, 99]").replace("1e-3, 2e-3", "1e-3")
    other = other.replace('["slow", "fast"]', '["slow"]')
    done = run_phase(tmp_path, other)
    assert done.returncode == 0, done.stderr
    found = diff(ran, Path(done.stdout.splitlines()[-1]))
    knobs = {change.knob: change.of for change in found.plan.knobs}
    assert knobs == {"dataset.test_object_seed": ("slow-s12",)}
    parts = {part.name: part for part in found.artifacts.parts}
    same = layout.read(ran).datasets[0].name
    assert not parts[same].differing
    assert not parts["arm slow-s11"].differing
    causes = parts["arm slow-s12"].may_follow_from
    assert any(cause.startswith("the dataset-") for cause in causes)
    assert not any(same in cause for cause in causes)


# --- what a sceptic tries ------------------------------------------------------------------------


def reseal(folder):
    """New checksums and a new list of files, as whoever changes a hub would write them."""
    table = json.loads((folder / layout.RECORD).read_bytes())
    for file in table["artifacts"]:
        path = folder / file["path"]
        file |= {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    (folder / layout.RECORD).write_bytes(pretty_json(table))
    (folder / "SHA256SUMS").unlink()
    write_checksums(folder)
    return "\n".join(inconsistencies(SealedHub(folder=folder)))


def swap(one, other):
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


def rewrite(path, change):
    table = json.loads(path.read_bytes())
    change(table)
    path.write_bytes(pretty_json(table))


@pytest.mark.parametrize("name", ["metadata.json", "job.json"])
def test_files_of_two_datasets_that_are_swapped_are_told(copy, name):
    first, second = (copy / one.folder / name for one in layout.read(copy).datasets)
    swap(first, second)
    told = reseal(copy)
    assert f"{first.relative_to(copy)} is not" in told
    assert f"{second.relative_to(copy)} is not" in told


def test_an_arm_that_claims_another_dataset_s_digests_is_told(copy):
    one, other = (copy / layout.arm_dir(name) / layout.JOB for name in ("slow-s11", "slow-s12"))
    inputs = json.loads(other.read_bytes())["inputs"]
    rewrite(one, lambda job: job.update(inputs=inputs))
    (name, _) = (each.name for each in layout.read(copy).datasets)
    assert f"arms/slow-s11/job.json reads another train.npz than the hub's {name} has" in reseal(
        copy
    )


def test_digests_that_are_swapped_between_datasets_are_told(copy):
    def exchange(table):
        first, second = table["datasets"]
        first["files"], second["files"] = second["files"], first["files"]

    rewrite(copy / layout.RECORD, exchange)
    told = reseal(copy)
    assert "metadata.json is not of the dataset-" in told
    assert "reads another train.npz" in told


def test_an_arm_of_no_dataset_is_told(copy):
    def change(table):
        table["datasets"].pop()

    rewrite(copy / layout.RECORD, change)
    told = reseal(copy)
    assert "arm slow-s12: no dataset in hub.json has its parameters" in told
    assert "is not in both plan.json and hub.json" in told


def test_a_seed_that_the_plan_does_not_have_is_told(copy):
    rewrite(copy / layout.RECORD, lambda table: table["datasets"][1].update(seed=5))
    told = reseal(copy)
    assert "its parameters or its seed are not those of plan.json" in told


# --- one that cannot be made ---------------------------------------------------------------------

FAILING = TINY + "dataset.photons = 1e30\ntitle = 'Too bright'\n"
"""More photons in a pixel than NumPy can draw: the second arm's data cannot be simulated."""


def test_a_dataset_that_fails_takes_only_its_arms_with_it(tmp_path):
    done = run_phase(tmp_path, FAILING)
    assert done.returncode == 1, done.stderr
    folder = Path(done.stdout.splitlines()[-1])
    record = layout.read(folder)
    assert [one.status for one in record.datasets] == ["succeeded", "failed"]
    assert [arm.status for arm in record.arms] == ["succeeded", "not_run"]
    told = record.arm("two").message
    assert told.startswith(f"its dataset, {record.datasets[1].name}, could not be made: failed: ")
    assert record.arm("two").title == "Too bright"
    assert "Too bright" in (folder / "report.html").read_text()
    assert inconsistencies(SealedHub(folder=folder)) == ()
    again = phasehub("reproduce", folder, "--out", tmp_path / "again", "--python", sys.executable)
    assert again.returncode == 0, again.stderr
    assert "two was not run again" in again.stderr
    assert layout.read(Path(again.stdout.splitlines()[-1])).arm("two").title == "Too bright"


# --- a reproduction whose data are others --------------------------------------------------------


def rerun_of(record, made, arms=()):
    """A reproduction that has come to its data, as far as it is asked about them."""
    data = {one.name: one for one in made if one.status == "succeeded"}
    run = SimpleNamespace(datasets={one.name: one for one in made}, data=data)
    original = SimpleNamespace(record=record)
    request = SimpleNamespace(arms=arms)
    return SimpleNamespace(run=run, original=original, request=request, reasons=[], data={})


def test_only_the_arms_of_data_that_came_out_otherwise_are_not_run_again(two):
    first, second = two.datasets
    other = second.model_copy(update={"files": first.files})
    rerun = rerun_of(two, [first, other])
    withdraw_other_data(rerun)
    assert list(rerun.run.data) == [first.name]
    assert rerun.reasons == [f"{second.name}: {OTHER_DATA}"]
    assert list(rerun.data) == [first.name, second.name], "both are there to be compared"


def test_data_that_could_not_be_made_again_are_a_reason(two):
    first, second = two.datasets
    failed = second.model_copy(update={"status": "failed", "message": "no room", "files": ()})
    rerun = rerun_of(two, [first, failed])
    withdraw_other_data(rerun)
    assert rerun.reasons == [f"the data of {second.name} could not be simulated: failed: no room"]


def test_data_of_arms_without_results_are_taken_over_without_their_audit(two):
    """The new hub has no file of it: neither report nor job of an audit that it could tell of."""
    report = FileRecord(path="audit.json", sha256="a" * 64, bytes=2, deterministic=True)
    audit = AuditRecord(
        outcome="agrees", parts=("data",), job_sha256="b" * 64, wall_s=1.0, files=(report,)
    )
    first, second = (one.model_copy(update={"audit": audit}) for one in two.datasets)
    ended = {first.name: "succeeded", second.name: "failed"}
    arms = tuple(
        arm.model_copy(update={"status": ended[two.datasets_of_arms[arm.name].name]})
        for arm in two.arms
    )
    original = two.model_copy(update={"datasets": (first, second), "arms": arms})
    rerun = rerun_of(original, [])
    rerun.run.arms, rerun.run.note = {}, lambda told: None
    rerun.run.plan = SimpleNamespace(arms=arms)
    leave_out(rerun)
    assert list(rerun.run.datasets) == [second.name]
    made = original.model_copy(
        update={name: tuple(getattr(rerun.run, name).values()) for name in ("datasets", "arms")}
    )
    sealed = SimpleNamespace(record=made, artifacts={})
    assert [*check_parts(sealed), *check_audits(sealed)] == []


def test_data_that_are_the_same_are_used_and_nothing_is_said(two):
    rerun = rerun_of(two, two.datasets)
    withdraw_other_data(rerun)
    assert len(rerun.run.data) == 2
    assert rerun.reasons == []
