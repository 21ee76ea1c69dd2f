"""``train.on_nan = "stop"``: a fit ends where its numbers do, says where, and shows what it was."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch

import models.training.fit
from models.__main__ import main
from models.training.not_finite import StopAtNotFinite, first_not_finite
from runner.experiment import EXPERIMENT
from runner.verify.effective import compare_effective

CPU = SimpleNamespace(device="cpu", threads=1, determinism="native")
DIVERGING = {"learning_rate": 1e30, "optimizer": {"kind": "sgd"}, "loss": "poisson"}
"""Rates that no fit survives: the first step overflows the weights, or the loss after it."""


def trained(workshop, **train):
    """What a job leaves in its folder."""
    parameters = workshop.parameters(train=DIVERGING | train)
    job, out = workshop.job(parameters), workshop.fresh()
    assert main(["train", "--job", str(job), "--out", str(out)]) == 0
    return parameters.model_dump(mode="json"), out


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def stopped(workshop):
    return trained(workshop, on_nan="stop")


@pytest.fixture(scope="module")
def continued(workshop):
    return trained(workshop)


def test_it_ends_there_and_says_where(stopped):
    planned, out = stopped
    effective = read(out / "effective_config.json")
    stop = effective["observed"]["stopped"]
    assert stop["epoch"] == 0
    assert stop["step"] <= 1
    assert EXPERIMENT.readback.stopped(planned, effective).endswith(f"{stop['what']} not finite")
    assert compare_effective(planned, 20260128, CPU, effective) == ()


def test_it_leaves_its_weights_and_no_scores(stopped):
    _, out = stopped
    listed = {file["path"] for file in read(out / "result.json")["files"]}
    assert {"model_stopped.pt", "grad_norms.csv", "effective_config.json"} <= listed
    assert not listed & {"stats.json", "metrics.json", "recon.npz", "model.pt"}


def test_by_default_it_goes_on_to_its_last_epoch_as_before(continued, workshop):
    planned, out = continued
    assert "on_nan" not in planned["train"]
    history = read(out / "history.json")
    assert len(history["val_loss"]) == planned["train"]["epochs"]
    assert None in history["val_loss"] + history["train_loss"]
    assert read(out / "stats.json")["has_nan"]
    assert compare_effective(planned, 20260128, CPU, read(out / "effective_config.json")) == ()


def test_a_fit_that_stays_finite_is_the_same_bit_for_bit(workshop):
    """All that is deterministic but the reading of the knob itself."""
    names = ("model.pt", "history.json", "stats.json", "grad_norms.csv")
    outs = []
    for on_nan in ("continue", "stop"):
        job = workshop.job(workshop.parameters(train={"epochs": 2, "on_nan": on_nan}))
        outs.append(workshop.fresh())
        assert main(["train", "--job", str(job), "--out", str(outs[-1])]) == 0
    assert all((outs[0] / name).read_bytes() == (outs[1] / name).read_bytes() for name in names)


def test_a_loss_that_is_not_finite_leaves_the_weights_that_gave_it(workshop, monkeypatch):
    fit = workshop.prepared(workshop.parameters(train={"on_nan": "stop"}))
    finite, calls = fit.module.loss, []

    def loss(*given):
        calls.append(None)
        return finite(*given) * (float("nan") if len(calls) == 3 else 1.0)

    monkeypatch.setattr(fit.module, "loss", loss)
    stop = fit.run()
    assert (stop.epoch, stop.step, stop.what) == (0, 2, "training loss")
    assert first_not_finite(fit.net.named_parameters()) is None


def test_the_first_weight_is_named_that_is_not_finite():
    net = torch.nn.Linear(2, 1)
    assert first_not_finite(net.named_parameters()) is None
    with torch.no_grad():
        net.bias[0] = torch.inf
    assert first_not_finite(net.named_parameters()) == "bias"


# --- planted defects: the knob is dropped on its way, or does nothing ----------------------------


def test_the_verdict_names_a_knob_that_is_dropped(workshop, monkeypatch):
    monkeypatch.setattr(models.training.fit, "StopAtNotFinite", lambda: None)
    planned, out = trained(workshop, on_nan="stop")
    effective = read(out / "effective_config.json")
    knobs = [one.knob for one in compare_effective(planned, 20260128, CPU, effective)]
    assert knobs == ["observed.stopped", "train.on_nan"]


def test_the_verdict_names_a_knob_that_is_live_and_does_nothing(workshop, monkeypatch):
    monkeypatch.setattr(StopAtNotFinite, "_end", lambda *_: None)
    planned, out = trained(workshop, on_nan="stop")
    effective = read(out / "effective_config.json")
    assert EXPERIMENT.readback.stopped(planned, effective) is None
    knobs = [one.knob for one in compare_effective(planned, 20260128, CPU, effective)]
    assert knobs == ["observed.stopped"]


def test_an_end_that_nobody_asked_for_is_no_end(stopped):
    planned, out = stopped
    effective = read(out / "effective_config.json")
    asked = {**planned, "train": {k: v for k, v in planned["train"].items() if k != "on_nan"}}
    assert EXPERIMENT.readback.stopped(asked, effective) is None
    knobs = {one.knob for one in compare_effective(asked, 20260128, CPU, effective)}
    assert {"observed.stopped", "train.on_nan", "diagnostics.audit_steps"} <= knobs


@pytest.mark.parametrize(
    "shown",
    [
        None,
        {},
        {"epoch": 0, "step": 1},
        {"epoch": 99, "step": 1, "what": "training loss"},
        {"epoch": True, "step": 1, "what": "training loss"},
        {"epoch": 0, "step": -1, "what": "training loss"},
        {"epoch": 0, "step": 1, "what": "<b>all is well</b>"},
    ],
)
def test_what_is_no_end_is_not_taken_for_one(stopped, shown):
    planned, out = stopped
    effective = read(out / "effective_config.json")
    effective["observed"]["stopped"] = shown
    assert EXPERIMENT.readback.stopped(planned, effective) is None
    assert "observed.stopped" in [
        one.knob for one in compare_effective(planned, 20260128, CPU, effective)
    ]
