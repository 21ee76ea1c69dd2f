"""A fit that was cut short goes on to the very bits that it would have come to."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal

import pytest
import torch
from lightning.pytorch import Callback

from models import arm
from models.config import CheckpointEvery, Parameters
from models.job import RESUME, Events, JobError, is_deterministic, read_job
from models.training import fit_checkpoints, resumption
from models.training.fit import Fit
from models.training.fit_state import parts_of, restore, take
from tests.models.conftest import merged

EPOCHS = 4
EVERY = CheckpointEvery(epochs=1, keep=True)
PLATEAUS = "plateau, cut again and again"
PLATEAU = {"kind": "plateau", "patience": 0, "factor": 0.1}
KINDS = {
    "adamw": {
        "train": {
            "optimizer": {"kind": "adamw", "weight_decay": 0.01},
            "scheduler": {"kind": "warmup_cosine", "warmup_epochs": 2, "min_ratio": 0.1},
            "clip": {"kind": "norm", "max_norm": 0.5},
        },
        "diagnostics": {"audit_steps": 2, "grad_hist_epochs": [0, 3], "activations": True},
    },
    "sgd": {
        "model": {"architecture": "stable_hybrid"},
        "train": {"optimizer": {"kind": "sgd", "momentum": 0.9}, "learning_rate": 0.05},
        "diagnostics": {"audit_steps": 1, "grad_norm_every": 3},
    },
    PLATEAUS: {"train": {"scheduler": PLATEAU, "learning_rate": 0.3, "validation": "test"}},
    "collapsed": {
        "model": {"architecture": "hybrid"},
        "train": {"optimizer": {"kind": "sgd", "momentum": 0.9}, "learning_rate": 3e4},
    },
}


def trained(workshop, job, given=None, every=EVERY):
    """The folder that an arm leaves, from its beginning or from a checkpoint that is ``given``."""
    folder, out = workshop.fresh(), workshop.fresh()
    shutil.copyfile(job, folder / "job.json")
    if given is not None:
        shutil.copytree(given, folder / RESUME)
    known = read_job(folder / "job.json", "train")
    parameters = Parameters.model_validate_json(json.dumps(known.parameters))
    with Events(out / "events.jsonl") as events:
        arm.train_arm(known, parameters, out, events, every)
    return out


def given_after(workshop, out, epochs):
    """What is given of the checkpoint after so many epochs."""
    folder, name = workshop.fresh(), f"fit_checkpoint_{epochs:06d}.json"
    table = json.loads((out / name).read_text())
    for one in (name, *(file["path"] for file in table["files"])):
        shutil.copyfile(out / one, folder / one)
    return folder


def bits(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if is_deterministic(path.name)}


@pytest.fixture(scope="module", params=KINDS)
def straight(request, workshop):
    """A fit that nothing disturbed, with a checkpoint after each of its epochs; and its job."""
    parameters = workshop.parameters(**merged({"train": {"epochs": EPOCHS}}, KINDS[request.param]))
    job = workshop.job(parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_checkpoints, "NUM_KEPT", EPOCHS)
        return request.param, job, trained(workshop, job)


@pytest.mark.parametrize("epochs", [1, 3, EPOCHS])
def test_a_fit_goes_on_to_the_same_bits(straight, epochs, workshop):
    _, job, undisturbed = straight
    again = trained(workshop, job, given_after(workshop, undisturbed, epochs))
    assert bits(again) == bits(undisturbed)
    assert len(json.loads((again / "history.json").read_text())["train_loss"]) == EPOCHS
    assert json.loads((again / "timing.json").read_text())["resumed_from_epoch"] == epochs


def test_the_fits_are_what_they_are_called(straight):
    """A schedule that is never cut, or a fit that never collapses, would show nothing."""
    name, _, out = straight
    history = json.loads((out / "history.json").read_text())
    stats = json.loads((out / "stats.json").read_text())
    assert (len(set(history["learning_rate"])) > 2) == (name in ("adamw", PLATEAUS))
    assert (stats["collapse_epoch"] is not None) == (name == "collapsed")
    assert (out / "model_at_collapse.pt").exists() == (name == "collapsed")


# --- what is kept, and what is refused -----------------------------------------------------------

STATELESS = {"module", "trainer", "batches", "initial", "weights_stream"}
"""What of a fit is made again as it was, or has a state only in what it consists of."""


def test_every_part_of_a_fit_is_kept_or_known_to_be_made_again(workshop):
    """Whoever gives a fit another part has to say here what becomes of it."""
    fit = workshop.prepared(workshop.parameters(diagnostics={"audit_steps": 1}))
    fit.run()
    parts = parts_of(fit)
    inner = {"net", "optimizer", "scheduler", "order", "gradients"}
    assert {field.name for field in dataclasses.fields(Fit)} == STATELESS | parts.keys() - inner


def test_a_state_is_of_plain_values_and_tensors_and_later_steps_do_not_change_it(workshop):
    fit = workshop.prepared(workshop.parameters())
    fit.run()
    state = take(fit)
    before = {name: tensor.clone() for name, tensor in state["parts"]["net"].items()}
    with torch.no_grad():
        for parameter in fit.net.parameters():
            parameter.add_(1)
    assert all(torch.equal(before[name], state["parts"]["net"][name]) for name in before)


def test_the_state_of_another_fit_is_refused(workshop):
    with_evidence, without = (
        workshop.prepared(workshop.parameters(diagnostics={"audit_steps": steps}))
        for steps in (1, 0)
    )
    with_evidence.run()
    without.run()
    with pytest.raises(ValueError, match="evidence"):
        restore(without, take(with_evidence))


@pytest.fixture(scope="module")
def short(workshop):
    """A job of three epochs and what it leaves, its last checkpoints with it."""
    job = workshop.job(workshop.parameters())
    return job, trained(workshop, job)


def test_the_last_two_checkpoints_lie_there(short):
    _, out = short
    assert sorted(path.name for path in out.glob("fit_checkpoint_*")) == [
        f"fit_checkpoint_00000{epochs}.{kind}" for epochs in (2, 3) for kind in ("json", "pt")
    ]


def test_a_torn_checkpoint_is_refused(short, workshop):
    job, out = short
    given = given_after(workshop, out, 2)
    state = given / "fit_checkpoint_000002.pt"
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    with pytest.raises(JobError, match="is not as it was written"):
        trained(workshop, job, given)


@pytest.mark.parametrize(
    ("key", "value"),
    [("job_sha256", "0" * 64), ("schema_version", 2), ("made_with", {}), ("epochs", 3)],
)
def test_a_checkpoint_of_another_job_or_code_is_refused(short, workshop, key, value):
    job, out = short
    given = given_after(workshop, out, 2)
    path = given / "fit_checkpoint_000002.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(JobError):
        trained(workshop, job, given)


def test_without_checkpoints_in_the_job_none_is_written_or_taken_and_nothing_changes(
    short, workshop
):
    job, out = short
    plain = trained(workshop, job, given_after(workshop, out, 2), every=None)
    assert bits(plain) == bits(out)
    assert [*plain.glob("fit_checkpoint_*")] == []
    assert "resumed_from_epoch" not in json.loads((plain / "timing.json").read_text())


@pytest.mark.parametrize(("minutes", "left"), [(1e-9, {2, 3}), (1e6, {3})])
def test_minutes_count_as_well(short, workshop, minutes, left):
    job, _ = short
    out = trained(workshop, job, every=CheckpointEvery(minutes=minutes))
    assert {int(path.stem[-6:]) for path in out.glob("fit_checkpoint_*.json")} == left


class StopsAt(Callback):
    """Asks the job to stop in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_end(self, trainer, *_):
        if (trainer.current_epoch, trainer.fit_loop.batch_idx) == (self.epoch, 1):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("epoch", [0, 2])
def test_a_job_that_is_asked_to_stop_leaves_the_state_before_its_epoch(
    short, workshop, monkeypatch, epoch
):
    job, undisturbed = short
    prepared = arm.prepare

    def prepare(*given, **named):
        fit = prepared(*given, **named)
        fit.trainer.callbacks.append(StopsAt(epoch))
        return fit

    monkeypatch.setattr(arm, "prepare", prepare)
    seldom = CheckpointEvery(epochs=1000)
    with pytest.raises(SystemExit) as stopped:
        trained(workshop, job, every=seldom)
    assert stopped.value.code == 128 + signal.SIGTERM
    monkeypatch.undo()
    out = workshop.folder / str(workshop.count)
    assert [path.name for path in out.glob("*.json")] == (
        ["fit_checkpoint_000002.json"] if epoch else []
    )
    if epoch:
        again = trained(workshop, job, given_after(workshop, out, epoch), every=seldom)
        assert bits(again) == bits(undisturbed)


def test_a_fit_goes_on_where_no_checkpoint_can_be_written(workshop, capsys):
    fit = workshop.prepared(workshop.parameters())
    nowhere = workshop.fresh() / "gone"
    every = CheckpointEvery(epochs=1)
    fit.trainer.callbacks.append(
        resumption.Checkpointing(fit, nowhere, every=every, job_sha256="0" * 64)
    )
    fit.run()
    assert len(fit.history.epochs) == 3
    assert "no checkpoint after 1 epochs: No such file or directory" in capsys.readouterr().out
