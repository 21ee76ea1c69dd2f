"""``phasehub diff``: two hubs explained in the order of causes, with what may follow from what."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from runner.compare.diff import diff, render
from runner.compare.diff.table import KnobChange
from runner.core.digest import pretty_json, sha256_file
from runner.core.errors import VerificationError
from runner.hub import layout
from runner.hub.checksums import write_checksums

ROOT = Path(__file__).parents[3]


def rewrite(path, change):
    table = json.loads(path.read_bytes())
    change(table)
    path.write_bytes(pretty_json(table))


def sealed_anew(folder, change=lambda record: None):
    """Write every digest again, so that the hub is one that another run could have left."""

    def update(record):
        for file in record["artifacts"]:
            if (folder / file["path"]).is_file():
                file["sha256"] = sha256_file(folder / file["path"])
        change(record)

    rewrite(folder / layout.RECORD, update)
    write_checksums(folder)
    return folder


def phasehub(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "runner", *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def part(found, name):
    return next(part for part in found.artifacts.parts if part.name == name)


def test_two_runs_of_one_manifest_are_identical_and_exit_with_0(tiny_hubs):
    done = phasehub("diff", *tiny_hubs[:2])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[1] == (
        "the same plan; the environments agree; all 74 deterministic files identical"
    )
    sections = [line for line in done.stdout.splitlines() if line and line[0].isupper()]
    assert sections == ["Plan", "Environment", "Artifacts", "Metrics"]


def test_a_changed_knob_is_named_with_both_values_and_exits_with_4(tiny_hubs):
    done = phasehub("diff", tiny_hubs[0], tiny_hubs[2])
    assert done.returncode == 4
    headline = done.stdout.splitlines()[1]
    assert headline.startswith("the plans differ in 1 knob (train.learning_rate); ")
    assert "the environments agree; 47 of 74 deterministic files differ; " in headline
    assert "  train.learning_rate  0.002 → 0.001  arm two\n" in done.stdout
    assert "  arm one: 22 files identical\n" in done.stdout


def test_what_differs_first_is_told_apart_from_what_may_follow(tiny_hubs):
    found = diff(tiny_hubs[0], tiny_hubs[2])
    arm = part(found, "arm two")
    assert arm.stage == "weights"
    assert arm.first == tuple(
        f"arms/two/{name}"
        for name in (
            *("audit_step_000001.pt", "audit_step_000002.pt"),
            *("checkpoints.json", "model.pt", "model_best.pt"),
        )
    )
    assert "arms/two/stats.json" in arm.later
    assert arm.may_follow_from == ("the plan (train.learning_rate)",)
    assert part(found, "all arms together").may_follow_from == ("arm two",)
    assert part(found, "dataset").may_follow_from == ()


def test_metrics_have_both_values_and_their_difference(tiny_hubs):
    one, two = diff(tiny_hubs[0], tiny_hubs[2]).metrics
    assert (one.stats, one.num_equal > 40) == ((), True)
    changed = {stat.name: stat for stat in two.stats}["val_loss_final"]
    assert changed.difference == changed.after - changed.before != 0


def test_machines_get_the_same_as_json(tiny_hubs):
    done = phasehub("diff", "--json", tiny_hubs[0], tiny_hubs[2])
    table = json.loads(done.stdout)
    assert done.returncode == 4
    assert (table["schema_version"], table["identical"]) == (1, False)
    assert table["plan"]["knobs"] == [
        {"knob": "train.learning_rate", "before": 0.002, "after": 0.001, "of": ["two"]}
    ]


def test_a_difference_that_nothing_explains_is_called_a_defect(tiny_hubs, tiny_copy):
    (tiny_copy / "arms/one/history.json").write_text("{}")
    sealed_anew(tiny_copy)
    found = diff(tiny_hubs[0], tiny_copy)
    arm = part(found, "arm one")
    assert (arm.stage, arm.first, arm.may_follow_from) == (
        "history", ("arms/one/history.json",), (),
    )  # fmt: skip
    text = render(found)
    assert "    which nothing explains that is recorded\n" in text
    assert text.endswith("a defect,\nor a cause that is not recorded.")


def test_another_processor_may_explain_it(tiny_hubs, tiny_copy):
    for arm in ("one", "two"):
        path = tiny_copy / f"arms/{arm}/environment.json"
        rewrite(path, lambda table: table["cpu"].update(model="Other"))
    (tiny_copy / "arms/one/model.pt").write_bytes(b"other")
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy))
    assert [fact.name for fact in found.environment.facts] == ["cpu.model"]
    assert part(found, "arm one").may_follow_from == ("the environment (1 fact)",)
    assert "1 fact of the environment differs; 1 of 74 deterministic files differ" in found.headline
    assert "defect" not in render(found)


def test_other_data_are_what_the_arms_may_follow_from(tiny_hubs, tiny_copy):
    (tiny_copy / "arms/one/model.pt").write_bytes(b"other")

    def change(record):
        record["dataset"]["files"][2]["sha256"] = "0" * 64

    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, change))
    assert part(found, "dataset").first == ("dataset/train.npz",)
    assert part(found, "arm one").may_follow_from == ("the dataset",)


def test_what_an_arm_records_cannot_explain_its_weights(tiny_hubs, tiny_copy):
    def change(plan):
        plan["arms"][0]["parameters"]["diagnostics"]["grad_norm_every"] = 2
        plan["arms"][0]["resources"]["memory_gib"] = 9.0

    rewrite(tiny_copy / layout.PLAN, change)
    (tiny_copy / "arms/one/model.pt").write_bytes(b"other")
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy))
    assert {change.knob for change in found.plan.knobs} == {
        "diagnostics.grad_norm_every",
        "resources.memory_gib",
    }
    assert part(found, "arm one").may_follow_from == ()


def test_a_knob_that_differs_for_all_arms_is_said_once(tiny_hubs, tiny_copy):
    def change(plan):
        for job in (plan["dataset"], *plan["arms"]):
            job["seed"] = 8

    rewrite(tiny_copy / layout.PLAN, change)
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy))
    assert found.plan.knobs == (
        KnobChange(knob="seed", before=7, after=8, of=("dataset", "one", "two")),
    )
    assert "  seed  7 → 8  the dataset and all arms\n" in render(found)


def test_threads_that_the_plan_sets_are_no_difference_of_the_environment(tiny_hubs, tiny_copy):
    def plan(table):
        table["arms"][0]["execution"]["threads"] = 2

    def record(table):
        table["arms"][0]["execution"]["threads"] = 2

    rewrite(tiny_copy / layout.PLAN, plan)
    rewrite(tiny_copy / "arms/one/environment.json", lambda table: table.update(threads=2))
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, record))
    assert found.environment.facts == ()
    assert found.environment.set_by_plan == ("arms.one.threads",)


def test_other_source_is_named_by_its_files(tiny_hubs, tiny_copy):
    with (tiny_copy / "code/models/seeding.py").open("a") as file:
        file.write("# one more line\n")

    def change(record):
        record["code"]["models_sha256"] = "0" * 64

    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, change))
    assert found.headline.startswith("the same plan, other source of models/; ")
    assert "→ 000000000000: seeding.py\n" in render(found)
    assert found.environment.facts == ()
    assert not found.identical


def test_an_arm_that_one_hub_does_not_have(tiny_hubs, tiny_copy):
    def shorten(plan):
        del plan["arms"][1]

    def change(record):
        del record["arms"][1]
        record["artifacts"] = [f for f in record["artifacts"] if "/two/" not in f["path"]]

    rewrite(tiny_copy / layout.PLAN, shorten)
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, change))
    assert found.plan.only_before == ("two",)
    assert found.artifacts.num_only_before == 22
    assert part(found, "arm two").may_follow_from == ("the plan (only one has this arm)",)
    assert [metrics.arm for metrics in found.metrics] == ["one"]


def test_hubs_of_different_phases_are_compared_and_said_to_be(tiny_hubs, tiny_copy):
    rewrite(tiny_copy / layout.PLAN, lambda plan: plan.update(phase="other"))
    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, lambda record: record.update(phase="other")))
    assert found.notes[0].startswith("the hubs are of different phases, tiny and other; ")


def test_a_hub_that_contradicts_itself_is_said_to(tiny_hubs, tiny_copy):
    def change(record):
        record["arms"][0]["stats"]["amp_ssim"] = 0.99

    found = diff(tiny_hubs[0], sealed_anew(tiny_copy, change))
    assert "contradicts itself, although its checksums hold: " in found.notes[0]


def test_a_damaged_hub_is_refused_by_name(tiny_hubs, tiny_copy):
    (tiny_copy / "arms/one/model.pt").write_bytes(b"damaged")
    with pytest.raises(VerificationError, match=r"(?s)not as it was sealed.*arms/one/model\.pt"):
        diff(tiny_hubs[0], tiny_copy)


def test_a_folder_that_is_no_hub_is_refused(tiny_hubs, tmp_path):
    done = phasehub("diff", tiny_hubs[0], tmp_path)
    assert done.returncode == 4
    assert "SHA256SUMS" in done.stderr
