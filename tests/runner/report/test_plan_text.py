"""The plan as it is shown."""

import pytest

from runner.hub.records.registered import as_registered
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.report.plan_text import render_plan

MANIFEST = """\
schema_version = 1
[phase]
name = "shown"
title = "Two arms"
question = "Does it show?"
seed = 7
[resources]
threads = 3
[model]
max_hidden_channels = 64
[train]
epochs = 2
[[arms]]
name = "one"
[[arms]]
name = "two"
model.architecture = "stable_hybrid"
train.optimizer = { kind = "sgd" }
resources.threads = 1
command = ["run me", "{out}"]
"""


@pytest.fixture
def loaded(tmp_path):
    path = tmp_path / "shown.toml"
    path.write_text(MANIFEST)
    return load(path)


@pytest.fixture
def blocks(loaded):
    return render_plan(make_plan(loaded)).split("\n\n")


def block(blocks, heading):
    return next(block for block in blocks if block.startswith(heading)).split("\n")


def test_each_arm_is_shown_with_its_sizes(blocks):
    rows = [row.split() for row in blocks[1].split("\n")]
    assert rows[0] == [
        *("arm", "device", "threads", "seed", "parameters", "nominal"),
        *("memory", "steps", "time"),
    ]
    assert [row[0] for row in rows[1:3]] == ["one", "two"]
    assert rows[1][1:4] == ["cpu", "3", "7"]
    assert 0.5 < float(rows[1][6].removeprefix("~")) < 2
    assert rows[1][7:9] == ["GiB", "820"]
    assert rows[1][9].startswith("~")
    assert rows[2] == ["two", "cpu", "1", "7", *["-"] * 5]
    assert blocks[1].split("\n")[3] == "Own command, no estimate: two."
    assert len(rows) == 4


def test_what_differs_is_shown_apart_from_what_is_shared(blocks):
    differing = {row.split()[0]: row.split()[1:] for row in block(blocks, "Differing")[2:]}
    assert differing["model.architecture"] == ["hybrid", "stable_hybrid"]
    assert differing["model.stable_block"] == ["-", "layerscale"]
    assert differing["train.optimizer.momentum"] == ["-", "0.9"]
    shared = {row.split()[0]: row.split()[1] for row in block(blocks, "Shared")[1:]}
    assert shared["train.epochs"] == "2"
    assert shared["model.max_hidden_channels"] == "64"
    assert not set(shared) & set(differing)


def test_every_parameter_of_every_arm_is_shown_once(loaded, blocks):
    def names(table, prefix=""):
        for key, value in table.items():
            yield from (
                names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
            )

    shown = [row.split()[0] for row in block(blocks, "Differing")[2:] + block(blocks, "Shared")[1:]]
    one, two = make_plan(loaded).arms
    assert sorted(shown) == sorted({*names(one.parameters), *names(two.parameters)})


def test_commands_can_be_pasted(blocks):
    rows = block(blocks, "Commands")
    assert rows[2].split(None, 1) == [
        "one",
        "python -m models train --job {job}/job.json --out {out}",
    ]
    assert rows[3].split(None, 1) == ["two", "'run me' {out}"]


def test_jobs_with_the_same_environment_share_its_table(blocks):
    assert "  OMP_NUM_THREADS           3" in block(blocks, "Environment of dataset, one")
    assert "  OMP_NUM_THREADS           1" in block(blocks, "Environment of two")
    assert "  threads      3" in block(blocks, "Bounds of dataset, one")


def test_folders_are_shown_with_what_may_be_done_to_them(blocks):
    rows = [row.split()[:2] for row in block(blocks, "Folders")[1:]]
    assert rows == [["/job", "read-only"], ["/data", "read-only"], ["/out", "written"]]


def test_a_single_arm_has_nothing_that_differs(loaded):
    text = render_plan(make_plan(loaded, only=["one"]))
    assert "1 arm." in text
    assert "Differing" not in text


def test_optional_arms_that_do_not_run_are_named(tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(
        'schema_version = 1\n[phase]\nname = "tiny"\ntitle = "t"\nquestion = "q?"\nseed = 1\n'
        '[[arms]]\nname = "a"\n[[arms]]\nname = "b"\noptional = true\n'
    )
    assert render_plan(make_plan(load(path))).splitlines()[1] == (
        "Left out, optional arm b: --with-optional runs them, or --only NAME."
    )


# --- what it can answer --------------------------------------------------------------------------

REGISTER = """\
schema_version = 1
[[findings]]
id = "NORM-002"
date = "2026-11-21"
claim = "It helps."
basis = "A hint."
[findings.registration]
phase = "shown"
date = "2026-11-21"
measure = "flat"
seeds = SEEDS
n = NUMBER
[[findings.registration.contrasts]]
arms = { "model.decoder_norm" = "instance" }
against = { "model.decoder_norm" = "none" }
expect = "lower"
"""
MATRIX = """\
schema_version = 1
[phase]
name = "shown"
title = "A matrix"
question = "Does it show?"
findings = ["NORM-002"]
seed = 7
[matrix]
model.decoder_norm = ["none", "instance"]
seed = SEEDS
"""


def answers(folder, seeds, planned=None):
    """What the plan of so many seeds says that it can answer, by lines."""
    study = folder / "docs" / "study"
    study.mkdir(parents=True)
    register = REGISTER.replace("SEEDS", str(seeds)).replace("NUMBER", str(len(seeds)))
    (study / "findings.toml").write_text(register)
    (folder / "shown.toml").write_text(MATRIX.replace("SEEDS", str(planned or seeds)))
    loaded = load(folder / "shown.toml")
    text = render_plan(make_plan(loaded), [as_registered(one) for one in loaded.registered])
    return block(text.split("\n\n"), "What it can answer")[1:]


def test_without_a_registration_a_plan_says_that_it_explores(blocks):
    assert block(blocks, "What it can answer")[1:] == [
        "  No finding is registered for this phase: whatever comes out of it is exploratory."
    ]


def test_a_plan_says_what_it_can_answer_of_what_is_registered(tmp_path):
    assert answers(tmp_path, list(range(16))) == [
        "  NORM-002: rate of flat collapse with decoder_norm instance lower than with decoder_norm "
        "none",
        "    16 and 16 runs; the best attainable adjusted p is 4.66e-10 (Boschloo, Holm over 1 "
        "primary contrast)",
        "    power, if no other primary contrast is found: 0.995 for 0.6 against 0 and 0.833 for "
        "0.4 against 0",
    ]


def test_a_plan_that_cannot_answer_says_so(tmp_path):
    lines = answers(tmp_path, [1, 2])
    assert "the best attainable adjusted p is 0.125" in lines[1]
    assert lines[2] == (
        "    this phase cannot answer: no outcome has an adjusted p of at most 0.05"
    )


def test_a_plan_says_where_it_is_not_what_is_registered(tmp_path):
    lines = answers(tmp_path, list(range(8)), planned=[0, 1, 99])
    assert "2 and 2 runs" in lines[1]
    assert "cannot answer" in lines[2]
    assert lines[-1] == (
        "  this run does not count for NORM-002: the cell model.decoder_norm none is with seeds "
        "that are not registered, 99"
    )
