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
from models.seeding import make_deterministic
from models.training import fit_checkpoints, resumption
from models.training.fit import Fit, prepare
from models.training.fit_state import parts_of, restore, take
from tests.models.conftest import SEED, merged

EPOCHS = 4
EVERY = CheckpointEvery(epochs=1, keep=True)
JOB_SHA256 = "0" * 64
PLATEAU = {"kind": "plateau", "patience": 1, "factor": 0.5, "threshold": 0.9}
"""No epoch is that much better: between two cuts it counts one that was not."""
KINDS = {
    "adamw": {
        "train": {
            "optimizer": {"kind": "adamw", "weight_decay": 0.01},
            "scheduler": {"kind": "warmup_cosine", "warmup_epochs": 2, "min_ratio": 0.1},
            "clip": {"kind": "norm", "max_norm": 0.5},
        },
        "diagnostics": {"audit_steps": 2, "grad_hist_epochs": [0, 3]},
    },
    "sgd": {
        "model": {"architecture": "stable_hybrid"},
        "train": {"optimizer": {"kind": "sgd", "momentum": 0.9}, "learning_rate": 1e-4},
        "diagnostics": {"audit_steps": 1, "grad_norm_every": 3},
    },
    "plateau": {"train": {"scheduler": PLATEAU}},
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
    files = {str(path.relative_to(out)): path for path in out.rglob("*.*")}
    return {name: path.read_bytes() for name, path in files.items() if is_deterministic(name)}


def fitted(workshop, parameters, given=None):
    """A fit alone, from its beginning or from a checkpoint, and the folder that it leaves."""
    out, data = workshop.fresh(), workshop.data(parameters)
    make_deterministic(1)
    with Events(workshop.fresh() / "events.jsonl") as events:
        fit = prepare(
            parameters, SEED, data.train, data.test, device="cpu", events=events, evidence_to=out
        )
        given = given and fit_checkpoints._read(*given.glob("*.json"), JOB_SHA256)
        fit.trainer.callbacks.append(
            resumption.Checkpointing(fit, out, every=EVERY, job_sha256=JOB_SHA256, given=given)
        )
        fit.run()
    return fit, out


def spelled(value):
    """A state with its tensors as bytes and its numbers to the last digit, NaN among them."""
    match value:
        case torch.Tensor():
            array = value.detach().contiguous().numpy()
            return array.dtype.str, array.shape, array.tobytes()
        case dict():
            return {key: spelled(one) for key, one in value.items() if key != "training_s"}
        case list() | tuple():
            return [spelled(one) for one in value]
    return repr(value)


def evidence(out):
    return {path.name: path.read_bytes() for path in out.glob("audit_*")}


@pytest.fixture(scope="module", params=KINDS)
def straight(request, workshop):
    """A fit that nothing disturbed, with a checkpoint after each of its epochs."""
    parameters = workshop.parameters(**merged({"train": {"epochs": EPOCHS}}, KINDS[request.param]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit_checkpoints, "NUM_KEPT", EPOCHS)
        return request.param, parameters, *fitted(workshop, parameters)


@pytest.mark.parametrize("epochs", [1, 2, EPOCHS])
def test_a_fit_goes_on_to_the_same_bits(straight, epochs, workshop):
    """All that it comes to: weights, what is kept of them, history, traces, evidence."""
    _, parameters, undisturbed, left = straight
    again, out = fitted(workshop, parameters, given_after(workshop, left, epochs))
    assert len(again.history.epochs) == EPOCHS
    assert spelled(take(again)) == spelled(take(undisturbed))
    assert evidence(out) == evidence(left)


def test_the_fits_are_what_they_are_called(straight):
    """A schedule that is never cut, or a fit that never collapses, would show nothing."""
    name, _, fit, out = straight
    rates = {rate for epoch in fit.history.epochs for rate in epoch.learning_rates}
    assert (len(rates) > 1) == (name in ("adamw", "plateau"))
    assert fit.history.has_nan == (name == "collapsed")
    assert (fit.collapse_weights.kept is not None) == (name == "collapsed")
    assert bool(evidence(out)) == (name in ("adamw", "sgd"))


def test_an_arm_that_goes_on_leaves_the_same_files(short, workshop):
    job, undisturbed = short
    again = trained(workshop, job, given_after(workshop, undisturbed, 2))
    assert bits(again) == bits(undisturbed)
    assert json.loads((again / "timing.json").read_text())["resumed_from_epoch"] == 2


# --- what is kept, and what is refused -----------------------------------------------------------

STATELESS = {
    "module",
    "trainer",
    "batches",
    "initial",
    "weights_stream",
    "stop_at_not_finite",
}
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
    job = workshop.job(workshop.parameters(diagnostics={"audit_steps": 1}))
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
    """Asks the job to stop within an epoch, once, at some moment of it."""

    def __init__(self, epoch, hook):
        self.epoch, self.asked = epoch, False
        setattr(self, hook, self.ask)

    def ask(self, trainer, *_, **__):
        if trainer.current_epoch == self.epoch and not self.asked:
            self.asked = True
            os.kill(os.getpid(), signal.SIGTERM)


MOMENTS = {
    "on_train_epoch_start": 2,
    "on_train_batch_start": 2,
    "on_train_batch_end": 2,
    "on_validation_start": 2,
    "on_validation_batch_end": 2,
    "on_validation_end": 3,
    "on_train_epoch_end": 3,
}
"""Hooks of the third epoch, and how many epochs the state has that is left then or soon after."""


@pytest.mark.parametrize(
    ("epoch", "hook", "left"),
    [
        (0, "on_train_batch_end", None),
        *((2, hook, left) for hook, left in MOMENTS.items()),
        (1, "on_validation_end", 2),
        (1, "on_train_epoch_end", 2),
    ],
)
def test_a_job_that_is_asked_to_stop_leaves_a_state(
    short, workshop, monkeypatch, epoch, hook, left
):
    job, undisturbed = short
    prepared = arm.prepare

    def prepare(*given, **named):
        fit = prepared(*given, **named)
        fit.trainer.callbacks.append(StopsAt(epoch, hook))
        return fit

    monkeypatch.setattr(arm, "prepare", prepare)
    seldom = CheckpointEvery(epochs=1000)
    with pytest.raises(SystemExit) as stopped:
        trained(workshop, job, every=seldom)
    assert stopped.value.code == 128 + signal.SIGTERM
    monkeypatch.undo()
    out = workshop.folder / str(workshop.count)
    expected = [] if left is None else [f"fit_checkpoint_{left:06d}.json"]
    assert [path.name for path in out.glob("*.json")] == expected
    if left is not None:
        again = trained(workshop, job, given_after(workshop, out, left), every=seldom)
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
