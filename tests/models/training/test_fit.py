"""Asserted on the live objects after real fits, not on what they were configured with."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from models.physics.diffraction import predict_amplitude
from models.physics.losses import LOSSES
from models.training.batches import as_tensor
from models.training.weights import digest, state_of

WARMUP = {"scheduler": {"kind": "warmup_cosine", "warmup_epochs": 2, "min_ratio": 0.1}, "epochs": 4}


@pytest.fixture(scope="module")
def plain(workshop):
    return workshop.fit(workshop.parameters())


def test_the_learning_rate_of_each_epoch_is_the_one_that_was_asked_for(workshop):
    fit = workshop.fit(workshop.parameters(train=WARMUP | {"learning_rate": 0.004})).fit
    used = [epoch.learning_rates for epoch in fit.history.epochs]
    wanted = [0.0004, 0.0022, 0.004, 0.1 * 0.004 + 0.9 * 0.004 / 2]
    assert [len(rates) for rates in used] == [1, 1, 1, 1]
    assert [rate for (rate,) in used] == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("architecture", ["hybrid_resnet", "stable_hybrid"])
def test_a_fit_with_checkpointed_activations_ends_with_the_same_bits(workshop, architecture):
    model = {"architecture": architecture}
    plain, again = (
        workshop.fit(workshop.parameters(model=model | {"activation_checkpointing": on}))
        for on in (False, True)
    )
    assert digest(plain.fit.net.state_dict()) == digest(again.fit.net.state_dict())
    shown = [
        f.effective()["parameters"]["model"]["activation_checkpointing"] for f in (plain, again)
    ]
    assert shown == [False, True]


def test_without_warmup_the_rates_are_those_of_a_plain_cosine(workshop):
    scheduler = {"kind": "warmup_cosine", "warmup_epochs": 0, "min_ratio": 0.1}
    train = {"scheduler": scheduler, "learning_rate": 0.004, "epochs": 4}
    fit = workshop.fit(workshop.parameters(train=train)).fit
    used = [rate for epoch in fit.history.epochs for rate in epoch.learning_rates]
    middle = [0.55 + 0.45 * math.cos(math.pi * epoch / 4) for epoch in range(4)]
    assert used == pytest.approx([0.004 * share for share in middle], rel=1e-12)


def test_exponential_rates_are_used_epoch_by_epoch(workshop):
    train = {"scheduler": {"kind": "exponential", "gamma": 0.5}, "learning_rate": 0.004}
    fit = workshop.fit(workshop.parameters(train=train)).fit
    assert [epoch.learning_rates for epoch in fit.history.epochs] == [(0.004,), (0.002,), (0.001,)]


def test_a_plateau_is_stepped_with_the_losses_of_the_history(workshop):
    """At a rate that is far too large some epochs are worse than the best one."""
    plateau = {"kind": "plateau", "patience": 0, "factor": 0.1}
    train = {"scheduler": plateau, "learning_rate": 0.3, "epochs": 6, "validation": "test"}
    parameters = workshop.parameters(train=train)
    fit = workshop.fit(parameters).fit
    losses = [epoch.val_loss for epoch in fit.history.epochs]
    used = [rate for epoch in fit.history.epochs for rate in epoch.learning_rates]
    assert used == [parameters.train.learning_rate_after(losses[:epoch]) for epoch in range(6)]
    assert used[-1] < used[0]
    (config,) = fit.trainer.lr_scheduler_configs
    assert config.scheduler.best == min(losses), "the last digit was lost on the way"
    assert fit.trainer.callback_metrics["val_loss"].item() == losses[-1]


def test_a_plateau_cuts_on_losses_that_are_not_finite(workshop):
    plateau = {"kind": "plateau", "patience": 0}
    train = {"scheduler": plateau, "learning_rate": 1e30, "epochs": 4}
    fit = workshop.fit(workshop.parameters(train=train)).fit
    assert not any(math.isfinite(epoch.val_loss) for epoch in fit.history.epochs)
    used = [rate for epoch in fit.history.epochs for rate in epoch.learning_rates]
    assert used == [1e30, 0.5e30, 0.25e30, 0.125e30]


@pytest.mark.parametrize(
    ("settings", "kind", "group"),
    [
        ({"kind": "adam"}, torch.optim.Adam, {"betas": (0.9, 0.999)}),
        ({"kind": "adamw", "weight_decay": 0.3}, torch.optim.AdamW, {"weight_decay": 0.3}),
        ({"kind": "sgd", "momentum": 0.6}, torch.optim.SGD, {"momentum": 0.6, "nesterov": True}),
    ],
)
def test_the_optimizer_that_stepped_is_the_one_that_was_asked_for(workshop, settings, kind, group):
    fitted = workshop.fit(workshop.parameters(train={"optimizer": settings, "epochs": 1}))
    (optimizer,) = fitted.fit.trainer.optimizers
    assert type(optimizer) is kind
    (params,) = optimizer.param_groups
    assert {key: params[key] for key in group} == group
    assert {id(p) for p in params["params"]} == {id(p) for p in fitted.fit.net.parameters()}
    assert all(optimizer.state[p] for p in params["params"]), "some weights never stepped"


def test_clipping_bounds_what_exceeded_the_bound(workshop):
    clip = {"clip": {"kind": "norm", "max_norm": 0.05}}
    fit = workshop.fit(workshop.parameters(train=clip)).fit
    trace = fit.module.gradients.trace
    assert min(norm.pre_clip for norm in trace) > 0.05
    assert [norm.post_clip for norm in trace] == pytest.approx([0.05] * 15, rel=1e-5)


def test_clipping_by_value_bounds_every_entry_that_reaches_the_optimizer(workshop):
    """One step of plain SGD moves no part of a weight by more than rate × bound."""
    train = {
        "epochs": 1,
        "batch_size": 47,
        "learning_rate": 0.5,
        "optimizer": {"kind": "sgd", "momentum": 0.0},
        "clip": {"kind": "value", "max_value": 1e-3},
    }
    fitted = workshop.fit(workshop.parameters(train=train))
    moved = largest_moves(workshop, fitted)
    assert max(moved) == pytest.approx(0.5e-3, rel=1e-2)
    assert min(moved) < 0.5e-3


def largest_moves(workshop, fitted):
    """The largest move of a real part of any entry, tensor by tensor."""
    start = workshop.prepared(fitted.parameters)
    moved = []
    for before, after in zip(start.net.parameters(), fitted.fit.net.parameters(), strict=True):
        change = (after - before).detach()
        parts = torch.view_as_real(change) if change.is_complex() else change
        moved.append(float(parts.abs().max()))
    return moved


@pytest.mark.parametrize("kind", ["agc", "agc_per_tensor"])
def test_adaptive_clipping_bounds_the_move_of_each_tensor_by_its_size(workshop, kind):
    """One step of plain SGD: ‖Δw‖ ≤ rate·λ·‖w‖ for tensors, and so for the units they hold."""
    train = {
        "epochs": 1,
        "batch_size": 47,
        "learning_rate": 0.5,
        "optimizer": {"kind": "sgd", "momentum": 0.0},
        "clip": {"kind": kind, "clip_factor": 1e-3, "eps": 1e-6},
    }
    fitted = workshop.fit(workshop.parameters(train=train))
    start = workshop.prepared(fitted.parameters)
    shares = {}
    for (name, before), after in zip(
        start.net.named_parameters(), fitted.fit.net.parameters(), strict=True
    ):
        size = float(torch.linalg.vector_norm(before.detach()))
        shares[name] = float(torch.linalg.vector_norm((after - before).detach())) / size
    head = {f"head.{name}" for name, _ in start.net.head.named_parameters()}
    bounded = {name: share for name, share in shares.items() if name not in head}
    assert max(bounded.values()) == pytest.approx(0.5e-3, rel=1e-2)
    assert (max(shares[name] for name in head) > 0.5e-3 * 1.01) == (kind == "agc")


def test_without_clipping_the_gradient_stays_as_it_is(plain):
    trace = plain.fit.module.gradients.trace
    assert [(norm.step, norm.epoch) for norm in trace] == [(s, s // 5) for s in range(15)]
    assert all(norm.pre_clip == norm.post_clip > 0 for norm in trace)


def test_the_optimizer_steps_with_the_clipped_gradient(workshop):
    """One step of plain SGD moves the weights by rate × clipped norm."""
    train = {
        "epochs": 1,
        "batch_size": 47,
        "learning_rate": 0.5,
        "optimizer": {"kind": "sgd", "momentum": 0.0},
        "clip": {"kind": "norm", "max_norm": 0.05},
    }
    fitted = workshop.fit(workshop.parameters(train=train))
    start = workshop.prepared(fitted.parameters)
    moved = sum(
        float((after - before).detach().abs().double().square().sum())
        for before, after in zip(start.net.parameters(), fitted.fit.net.parameters(), strict=True)
    )
    assert math.sqrt(moved) == pytest.approx(0.5 * 0.05, rel=1e-4)


def predicted(workshop, parameters, sizes):
    """Amplitudes of the same patches, handed in by batches of several sizes."""
    fit = workshop.prepared(parameters)
    patches = torch.polar(torch.rand(20, 1, 16, 16), torch.rand(20, 1, 16, 16))
    return [
        torch.cat([fit.module.predict_amplitude(batch) for batch in patches.split(size)])
        for size in sizes
    ]


def test_the_prediction_of_a_patch_does_not_depend_on_its_batch(workshop):
    alone, few, all_of_them = predicted(workshop, workshop.parameters(), (1, 7, 20))
    assert torch.equal(alone, few)
    assert torch.equal(alone, all_of_them)


def test_with_the_gain_per_batch_it_does_and_a_full_batch_has_the_gain_as_declared(workshop):
    """Batches of 10 are full; a patch alone has a tenth of the gain."""
    accident = workshop.parameters(train={"gain_per_batch": True})
    with torch.random.fork_rng():
        torch.manual_seed(1)
        (constant,) = predicted(workshop, workshop.parameters(), (10,))
        torch.manual_seed(1)
        alone, full, doubled = predicted(workshop, accident, (1, 10, 20))
    assert torch.equal(full, constant)
    assert torch.allclose(alone, constant / 10)
    assert torch.allclose(doubled, 2 * constant)


def test_the_gain_per_batch_reaches_the_losses(workshop):
    """The last batch of an epoch has 7 patches of 10, and 7/10 of the gain."""
    fit = workshop.prepared(workshop.parameters(train={"gain_per_batch": True}))
    measured = fit.batches.training.dataset.diffraction_nCHW[:7]
    with torch.no_grad():
        loss = fit.module.training_step(measured, 0)
        amplitude = predict_amplitude(fit.net(measured), fit.module.probe_HW, 17.4 * 7 / 10)
        assert torch.equal(fit.module.validation_step(measured, 0), loss)
    assert torch.equal(loss, LOSSES["mae"](amplitude, measured))


def test_every_training_patch_is_seen_once_an_epoch_and_the_last_batch_is_partial(workshop):
    parameters = workshop.parameters()
    fit = workshop.prepared(parameters)
    batches = []
    fit.net.register_forward_pre_hook(
        lambda net, inputs: batches.append(inputs[0].clone()) if net.training else None
    )
    fit.run()
    assert [len(batch) for batch in batches] == [10, 10, 10, 10, 7] * 3
    everything = fit.batches.training.dataset.diffraction_nCHW
    epochs = [torch.cat(batches[start : start + 5]) for start in (0, 5, 10)]
    for epoch in epochs:
        assert torch.equal(
            epoch.flatten(1).sum(1).sort().values, everything.flatten(1).sum(1).sort().values
        )
    assert not torch.equal(epochs[0], epochs[1])
    assert [epoch.steps for epoch in fit.history.epochs] == [5, 5, 5]


def test_the_fit_is_bit_for_bit_a_plain_loop_of_torch(workshop):
    """The same training written without Lightning: what it adds around the steps adds nothing."""
    train = {"clip": {"kind": "norm", "max_norm": 0.05}, "optimizer": {"kind": "sgd"}}
    parameters = workshop.parameters(train=train)
    fit = workshop.prepared(parameters)
    net, probe = fit.net, fit.module.probe_HW
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
    for _ in range(3):
        for measured in fit.batches.training:
            predicted = predict_amplitude(net(measured), probe, 17.4)
            loss = (predicted - measured).abs().mean() / (measured.mean() + 1e-8)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 0.05)
            optimizer.step()
    assert digest(net.state_dict()) == digest(workshop.fit(parameters).fit.net.state_dict())


def test_losses_are_means_over_patches_with_the_weights_of_the_moment(plain):
    """The last validation loss again, by hand, with the final weights."""
    fit, data = plain.fit, plain.data
    held_out = as_tensor(data.train)[47:]
    with torch.no_grad():
        predicted = fit.module.predict_amplitude(fit.net.eval()(held_out))
    assert len(held_out) == 2
    assert fit.history.epochs[-1].val_loss == pytest.approx(
        float(LOSSES["mae"](predicted, held_out)), rel=1e-5
    )


def test_the_loss_falls(plain):
    losses = [epoch.train_loss for epoch in plain.fit.history.epochs]
    assert losses[2] < losses[1] < losses[0]


def test_the_best_weights_are_those_of_the_smallest_validation_loss(workshop):
    """At a rate that is far too large the best epoch is not the last."""
    fitted = workshop.fit(
        workshop.parameters(train={"learning_rate": 0.3, "epochs": 5, "validation": "test"})
    )
    fit, losses = fitted.fit, [epoch.val_loss for epoch in fitted.fit.history.epochs]
    assert fit.history.best_epoch == int(np.argmin(losses)) != 4
    fit.net.load_state_dict(fit.best_weights.state)
    measured = as_tensor(fitted.data.test)
    with torch.no_grad():
        batches = [fit.module.predict_amplitude(fit.net.eval()(x)) for x in measured.split(4)]
    loss = sum(
        float(LOSSES["mae"](predicted, x)) * len(x)
        for predicted, x in zip(batches, measured.split(4), strict=True)
    ) / len(measured)
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_a_loss_that_is_not_finite_is_recorded_and_the_run_stays_the_declared_one(workshop):
    fitted = workshop.fit(workshop.parameters(train={"learning_rate": 1e30}))
    history = fitted.fit.history
    assert history.has_nan
    assert [epoch.steps for epoch in history.epochs] == [5, 5, 5]
    assert not any(math.isfinite(epoch.train_loss) for epoch in history.epochs)
    assert history.best_epoch is None
    assert fitted.fit.best_weights.state is None
    effective = fitted.effective()
    assert effective["parameters"]["train"]["epochs"] == 3
    assert effective["parameters"]["train"]["clip"] == {"kind": "none"}


def test_weights_and_order_come_from_streams_of_their_own(workshop, monkeypatch):
    """Another order leaves the initial weights, another network leaves the order."""
    first_batches = []

    def start(**model):
        fit = workshop.prepared(workshop.parameters(model=model))
        first_batches.append(next(iter(fit.batches.training)))
        return fit

    small, large = start(), start(hidden_channels=4)
    assert torch.equal(*first_batches)
    assert digest(small.net.state_dict()) != digest(large.net.state_dict())
    assert digest(small.net.state_dict()) == digest(start().net.state_dict())


def test_another_seed_gives_other_weights_and_another_order(workshop):
    parameters = workshop.parameters()
    first, other = workshop.prepared(parameters), workshop.prepared(parameters, seed=1)
    assert first.initial.sha256 != other.initial.sha256
    assert not torch.equal(*(next(iter(fit.batches.training)) for fit in (first, other)))


def test_a_fit_leaves_torchs_and_numpys_global_generators_alone(workshop):
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = workshop.fit(workshop.parameters())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    torch.manual_seed(6)
    assert digest(state_of(workshop.fit(workshop.parameters()).fit.net)) == digest(
        state_of(first.fit.net)
    )


def test_two_processes_give_bit_identical_weights_and_another_seed_does_not(workshop, tmp_path):
    job = workshop.job(workshop.parameters(train=WARMUP), seed=3)
    outs = [tmp_path / "first", tmp_path / "a" / "deeper" / "second"]
    command = [sys.executable, "-m", "models", "train", "--job", str(job), "--out"]
    for process in [subprocess.Popen([*command, str(out)]) for out in outs]:
        assert process.wait() == 0
    first, second = ((out / "model.pt").read_bytes() for out in outs)
    assert first == second
    observed = json.loads((outs[0] / "effective_config.json").read_text())["observed"]
    others = [workshop.fit(workshop.parameters(train=WARMUP), seed=seed).fit.net for seed in (3, 4)]
    same, other = (digest(net.state_dict()) for net in others)
    assert observed["final_weights_sha256"] == same != other
