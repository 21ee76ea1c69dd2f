"""What is refused, or remarked on, of a manifest whose every table is in itself right."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from models.config import Parameters, remarks
from runner.cli import app
from runner.core.errors import ManifestError
from runner.manifest.model import load
from runner.phase.run_notes import mismatches
from runner.plan.make import make_plan
from runner.report.plan_text import render_plan

PHASE = """\
schema_version = 1
[phase]
name = "one"
title = "One arm"
question = "Is it refused?"
seed = 7
[dataset]
{dataset}
[train]
{train}
[[arms]]
name = "first"
[[arms]]
name = "second"
train.epochs = 9
[profiles.quick]
{quick}
"""


@pytest.fixture
def write(tmp_path):
    def write(dataset="", train="", quick=""):
        path = tmp_path / "one.toml"
        path.write_text(PHASE.format(dataset=dataset, train=train, quick=quick))
        return path

    return write


def test_samples_of_four_with_two_strides_are_refused_at_the_check(write):
    path = write("gridsize = 2\ntest_stride = 8")
    with pytest.raises(ManifestError) as refused:
        load(path)
    told = str(refused.value)
    place = f"{path}:9: dataset.test_stride: "
    assert f"{place}test_stride 8 is not train_stride 4: with gridsize 2 a sample" in told
    assert "make both equal, or use gridsize 1" in told
    assert told.count("is not train_stride") == 1, "said once for both arms and the profile"


def test_where_neither_stride_is_given_it_is_the_gridsize_that_is_wrong(write):
    with pytest.raises(ManifestError, match=r"dataset\.gridsize: test_stride 10 is not"):
        load(write("gridsize = 2"))


def test_a_profile_may_not_part_the_strides_either(write):
    path = write("gridsize = 2\ntest_stride = 4", quick="dataset.train_stride = 5")
    with pytest.raises(ManifestError, match="test_stride 4 is not train_stride 5"):
        load(path)


@pytest.mark.parametrize("dataset", ["gridsize = 2\ntest_stride = 4", "test_stride = 8"])
def test_one_stride_or_single_patches_pass(write, dataset):
    load(write(dataset))


def test_a_sealed_hub_that_has_two_strides_is_still_read():
    """It is refused before a run, not where parameters are read."""
    table = {"dataset": {"gridsize": 2, "train_stride": 4, "test_stride": 10}}
    assert Parameters.model_validate_json(json.dumps(table)).dataset.gridsize == 2


# --- what does nothing where it stands ------------------------------------------------------------

WARMUP = 'epochs = 6\nscheduler = { kind = "warmup_cosine", warmup_epochs = 5, min_ratio = 0.2 }'
TOLD = (
    "first: train.scheduler.min_ratio 0.2 does nothing: with warmup_epochs 5 of epochs 6 the "
    "cosine has one epoch, and begins it at the full rate; give it two epochs or more"
)


def test_a_cosine_of_one_epoch_is_remarked_on_by_check_and_plan(write):
    path = write(train=WARMUP)
    done = CliRunner().invoke(app, ["check", str(path)])
    assert done.exit_code == 0
    assert f"note: {TOLD.replace('first:', 'first, first of profile quick:')}\n" in done.output
    assert f"Note: {TOLD}." in render_plan(make_plan(load(path)))


def test_the_hub_has_the_remark_among_its_notes(write):
    class Run:
        plan = make_plan(load(write(train=WARMUP)))

        class engine:
            facts: dict[str, object] = {}  # noqa: RUF012

    assert TOLD in mismatches(Run())


def test_what_is_remarked_on_is_true_and_nothing_else_is(write):
    """The rates are the same whatever the ratio; with one epoch more they are not."""

    def rates(epochs, ratio):
        schedule = {"kind": "warmup_cosine", "warmup_epochs": 5, "min_ratio": ratio}
        table = {"train": {"epochs": epochs, "scheduler": schedule}}
        found = Parameters.model_validate_json(json.dumps(table))
        return [found.train.learning_rate_after([0.1] * e) for e in range(epochs)], found

    assert rates(6, 0.0)[0] == rates(6, 0.9)[0]
    assert rates(7, 0.0)[0] != rates(7, 0.9)[0]
    assert remarks([("a", rates(6, 0.2)[1])])
    assert not remarks([("a", rates(7, 0.2)[1])])


def test_many_arms_share_one_remark():
    table = {"train": {"epochs": 1, "scheduler": {"kind": "warmup_cosine", "warmup_epochs": 0}}}
    one = Parameters.model_validate_json(json.dumps(table))
    (told,) = remarks((f"a{number}", one) for number in range(9))
    assert told.startswith("a0, a1, a2, a3, a4, a5 and 3 more: train.scheduler.min_ratio 0.05 does")
