"""Collapses are planted: the last decoder convolution's bias is pushed far below zero."""

from __future__ import annotations

import json

import pytest
import torch
from lightning.pytorch import Callback

from models.arm import diagnose_fit, keep_checkpoints
from models.training.checkpoints import checkpoints_of
from models.training.weights import digest, state_of
from tests.models.collapse import LEFT_BY_A_COLLAPSE

DEEP = -1e4
"""A bias at which GELU and its derivative are exactly zero."""


class Bias(Callback):
    """Sets the bias of the last decoder convolution before an epoch, and says what it was."""

    def __init__(self, net, values):
        self.bias, self.values = net.decoder[-1].convolution_1.bias, values

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch in self.values:
            with torch.no_grad():
                self.bias.fill_(self.values[trainer.current_epoch])


class Snapshots(Callback):
    """The digest of the weights at the end of every epoch."""

    def __init__(self, net):
        self.net, self.digests = net, [digest(state_of(net))]

    def on_train_epoch_end(self, trainer, pl_module):
        self.digests.append(digest(state_of(self.net)))


def planted(workshop, values, **changes):
    """A finished fit whose bias was set before some epochs; and the weights' digest by epoch."""
    parameters = workshop.parameters(**{"train": {"epochs": 4}} | changes)
    fit = workshop.prepared(parameters)
    snapshots = Snapshots(fit.net)
    fit.trainer.callbacks[:] = [Bias(fit.net, values), *fit.trainer.callbacks, snapshots]
    fit.run()
    return parameters, fit, snapshots.digests


def test_the_weights_on_both_sides_of_a_collapse_are_kept(workshop):
    _, fit, digests = planted(workshop, {2: DEEP})
    stds = [epoch.recon_amp_rel_std for epoch in fit.history.epochs]
    assert [std < 1e-3 for std in stds] == [False, False, True, True]
    assert fit.collapse_weights.kept.epoch == 2
    kept = {c.name: c for c in checkpoints_of(fit)}
    assert {name: (c.epoch, digest(c.state)) for name, c in kept.items() if name != "best"} == {
        "last": (3, digests[4]),
        "before_collapse": (1, digests[2]),
        "at_collapse": (2, digests[3]),
    }


def test_a_collapse_in_the_first_epoch_has_the_initial_weights_before_it(workshop):
    _, fit, digests = planted(workshop, {0: DEEP})
    before, at = checkpoints_of(fit)[2:]
    assert (before.name, before.epoch, at.epoch) == ("before_collapse", None, 0)
    assert digest(before.state) == digests[0] == fit.initial.sha256
    assert digest(at.state) == digests[1]


def test_a_network_that_recovers_leaves_nothing(workshop):
    _, fit, _ = planted(workshop, {1: DEEP, 2: 0.0})
    stds = [epoch.recon_amp_rel_std for epoch in fit.history.epochs]
    assert [std < 1e-3 for std in stds] == [False, True, False, False]
    assert fit.collapse_weights.kept is None
    assert [c.name for c in checkpoints_of(fit)] == ["last", "best"]


def test_after_a_recovery_the_last_collapse_counts(workshop):
    _, fit, digests = planted(workshop, {0: DEEP, 1: 0.0, 3: DEEP})
    before, at = checkpoints_of(fit)[2:]
    assert (before.epoch, at.epoch) == (2, 3)
    assert (digest(before.state), digest(at.state)) == (digests[3], digests[4])


def test_weights_that_are_no_longer_finite_are_a_collapse(workshop):
    _, fit, digests = planted(workshop, {1: float("nan")})
    before, at = checkpoints_of(fit)[2:]
    assert (before.epoch, digest(before.state)) == (0, digests[1])
    assert at.epoch == 1


def test_watching_for_a_collapse_does_not_change_the_fit(workshop):
    off = {"diagnostics": {"on_collapse": False, "grad_hist_epochs": []}}
    on = {"diagnostics": {"on_collapse": True, "grad_hist_epochs": [0, 2]}}
    weights = [planted(workshop, {2: DEEP}, **changes)[2] for changes in (off, on)]
    assert weights[0] == weights[1]


@pytest.fixture(scope="module")
def collapsed(workshop):
    """What an arm with a planted collapse leaves: (folder, effective diagnostics)."""
    from models.diagnostics.effective_diagnostics import diagnostics_leaves

    parameters, fit, _ = planted(workshop, {2: DEEP}, diagnostics={"grad_hist_epochs": [1]})
    out, data = workshop.fresh(), workshop.data(parameters)
    before = digest(state_of(fit.net))
    checkpoints = keep_checkpoints(fit, out, collapsed=True)
    diagnose_fit(fit, data, parameters, checkpoints, out)
    assert digest(state_of(fit.net)) == before
    return out, fit, diagnostics_leaves(fit, out)


def test_both_reports_of_both_sides_are_made(collapsed):
    out, _, _ = collapsed
    assert {path.name for path in out.iterdir() if path.is_file()} == {
        "checkpoints.json",
        "model.pt",
        "model_best.pt",
        *LEFT_BY_A_COLLAPSE,
        "grad_hist_epoch_1.npz",
        "grad_hist_epoch_1.png",
    }


def test_the_reports_show_the_dead_decoder_and_only_on_its_side(collapsed):
    out, _, _ = collapsed
    before, at = (
        json.loads((out / f"activation_report_{side}_collapse.json").read_text())["layers"]
        for side in ("before", "at")
    )
    assert at["decoder.1.convolution_1"]["share_not_positive"] == 1.0
    assert at["decoder.1.activation"]["mean"] == 0.0
    assert before["decoder.1.convolution_1"]["share_not_positive"] < 1.0
    assert before["decoder.1.activation"]["mean"] > 0.0


def test_checkpoints_are_listed_with_their_epochs_and_digests(collapsed):
    import hashlib

    out, fit, _ = collapsed
    listed = json.loads((out / "checkpoints.json").read_text())["checkpoints"]
    assert {name: (entry["file"], entry["epoch"]) for name, entry in listed.items()} == {
        "last": ("model.pt", 3),
        "best": ("model_best.pt", fit.history.best_epoch),
        "before_collapse": ("model_before_collapse.pt", 1),
        "at_collapse": ("model_at_collapse.pt", 2),
    }
    for entry in listed.values():
        content = (out / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        state = torch.load(out / entry["file"], weights_only=True)
        assert entry["weights_sha256"] == digest(state)


def test_the_knobs_are_read_back_from_the_files(collapsed):
    out, fit, leaves = collapsed
    from models.diagnostics.effective_diagnostics import diagnostics_leaves

    assert leaves["on_collapse"] is True
    assert leaves["grad_hist_epochs"] == [1]
    assert (leaves["activations"], leaves["activation_report"]) == (False, None)
    moved = out / "grad_hist_at_collapse.npz"
    content = moved.read_bytes()
    moved.unlink()
    try:
        assert diagnostics_leaves(fit, out)["on_collapse"] is False
    finally:
        moved.write_bytes(content)


def test_an_arm_that_is_not_declared_collapsed_stores_no_sides(workshop):
    _, fit, _ = planted(workshop, {3: DEEP})
    out = workshop.fresh()
    assert fit.collapse_weights.kept is not None
    names = [c.name for c in keep_checkpoints(fit, out, collapsed=False)]
    assert names == ["last", "best"]
    assert not list(out.glob("*collapse*"))
