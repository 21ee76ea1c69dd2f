from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from models.arm import evaluate
from models.config import STATS
from models.diagnostics.stats import (
    arm_stats,
    collapse_stats,
    constant_stats,
    contrast_stats,
    divergence_stats,
    gradient_stats,
    loss_stats,
    norm_stats,
)
from models.evaluation.metrics import score
from models.evaluation.reconstruct import Reconstruction, reconstruct
from models.nets.registry import build
from models.seeding import numpy_generator
from models.training.collapse_monitor import CollapseSample
from models.training.gradient_norms import GradientNorm
from models.training.history import Epoch
from models.training.weights import state_of


@pytest.fixture(scope="module")
def fitted(workshop):
    return workshop.fit(workshop.parameters(model={"architecture": "stable_hybrid"}))


def stats_of(fitted):
    weights = state_of(fitted.fit.net)
    found = evaluate(fitted.fit.net, weights, fitted.data, fitted.parameters)
    best = evaluate(fitted.fit.net, fitted.fit.best_weights.state, fitted.data, fitted.parameters)
    return arm_stats(fitted.fit, found.reconstruction, found.scores, best.scores)


def test_the_scalars_are_those_that_a_rule_may_name(fitted):
    stats = stats_of(fitted)
    scalars = {key for key, value in stats.items() if not isinstance(value, dict)}
    assert scalars - {"collapse_kind", "collapse_reason"} == set(STATS)
    for key, kind in STATS.items():
        wanted = bool if kind == "flag" else (int, float)
        assert stats[key] is None or isinstance(stats[key], wanted), key
        assert kind == "flag" or not isinstance(stats[key], bool), key
    json.dumps(stats, allow_nan=False)


def epoch(val_loss, rel_std=0.2):
    return Epoch(
        train_loss=1.0,
        val_loss=val_loss,
        learning_rates=(1e-3,),
        sample=CollapseSample(recon_amp_rel_std=rel_std, decoder={}),
        steps=5,
    )


def history(*epochs, has_nan=False):
    finite = [(e.val_loss, i) for i, e in enumerate(epochs) if math.isfinite(e.val_loss)]
    return SimpleNamespace(
        epochs=list(epochs), best_epoch=min(finite)[1] if finite else None, has_nan=has_nan
    )


def test_losses_name_the_first_best_epoch():
    stats = loss_stats(history(epoch(0.5), epoch(0.2), epoch(0.2), epoch(0.3)))
    assert (stats["val_loss_best"], stats["val_loss_best_epoch"]) == (0.2, 1)
    assert (stats["val_loss_final"], stats["n_epochs"], stats["has_nan"]) == (0.3, 4, False)


def test_a_fit_that_was_never_finite_has_no_best_epoch():
    stats = loss_stats(history(epoch(math.nan), has_nan=True))
    assert stats["val_loss_best"] is stats["val_loss_best_epoch"] is stats["val_loss_final"] is None
    assert stats["has_nan"] is True


NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("losses", "since"),
    [
        ([0.5, 0.2, 0.3, 0.4], None),  # twice the best is not above twice the best
        ([0.5, 0.2, 0.41, 0.6], 2),
        ([0.5, 0.2, 0.6, 0.3, 0.5], 4),  # it came back once
        ([0.9, 0.2, 0.6, 0.1], None),  # a later best makes the early ones bad, but not for good
        ([0.2, NAN, INF], 1),
        ([0.2, NAN, 0.3], None),
        ([NAN, NAN], 0),
        ([0.3], None),
    ],
)
def test_a_fit_diverges_when_its_loss_leaves_the_best_for_good(losses, since):
    assert divergence_stats(losses) == {"diverged": since is not None, "diverged_epoch": since}


@pytest.mark.parametrize("best", [0.0, -0.5])
def test_no_loss_is_a_multiple_of_a_best_that_is_not_positive(best):
    assert divergence_stats([1.0, best, 3.0]) == {"diverged": None, "diverged_epoch": None}


def test_scores_of_the_best_epoch_stand_beside_those_of_the_last(fitted):
    """Zeros stand for the weights of another epoch, whatever the processor made of this fit."""
    last = state_of(fitted.fit.net)
    other = {name: torch.zeros_like(tensor) for name, tensor in last.items()}
    found, best = (
        evaluate(fitted.fit.net, state, fitted.data, fitted.parameters) for state in (last, other)
    )
    stats = arm_stats(fitted.fit, found.reconstruction, found.scores, best.scores)
    assert stats["best_amp_mae"] == best.scores.metrics["mae"][0]
    assert stats["amp_mae"] == found.scores.metrics["mae"][0] != stats["best_amp_mae"]
    metrics = {name.removeprefix("best_") for name in stats if name.startswith("best_")}
    assert metrics <= stats.keys()
    assert len(metrics) == 21


def trace(*norms):
    return [GradientNorm(step=i, epoch=0, pre_clip=n, post_clip=1.0) for i, n in enumerate(norms)]


def test_gradient_norms_are_summed_up_before_clipping():
    assert gradient_stats(trace(1.0, 2.0, 6.0)) == {
        "grad_norm_mean": 3.0,
        "grad_norm_median": 2.0,
        "grad_norm_p99": pytest.approx(5.92),
        "grad_norm_max": 6.0,
        "grad_norm_min": 1.0,
    }


def test_gradient_norms_that_are_not_finite_are_left_out():
    assert gradient_stats(trace(1.0, math.nan, math.inf))["grad_norm_max"] == 1.0
    assert set(gradient_stats(trace(math.nan)).values()) == {None}


def net_of(workshop, **model):
    return build(
        workshop.parameters(model=model).model, side=16, generator=numpy_generator(1, "weights")
    )


def test_norm_weights_and_layerscales_are_told_by_layer(workshop):
    stats = norm_stats(net_of(workshop, architecture="stable_hybrid"))
    assert set(stats["norm_weights"]) == {f"encoder.{i}.norm" for i in range(3)} | {
        "bottleneck.norm"
    }
    assert stats["norm_weights"]["encoder.0.norm"] == {"mean": 1.0, "std": 0.0, "abs_max": 1.0}
    assert stats["norm_weight_near_zero"] is False
    assert stats["layerscale"]["bottleneck.scale"]["max"] == pytest.approx(1e-3)


def test_norm_weights_near_zero_are_seen(workshop):
    net = net_of(workshop, architecture="stable_hybrid", stable_block="zero_gamma")
    assert norm_stats(net)["norm_weight_near_zero"] is True
    torch.nn.init.constant_(net.bottleneck.norm.weight, 0.2)
    assert norm_stats(net)["norm_weight_near_zero"] is False


def test_without_weighted_norms_nothing_is_near_zero_or_not(workshop):
    stats = norm_stats(net_of(workshop, decoder_norm="instance"))
    assert stats == {"norm_weights": {}, "norm_weight_near_zero": None, "layerscale": {}}


def reconstructed(fitted, patches):
    patches_nCHW = patches.astype(np.complex64)[:, None]
    found = reconstruct(patches_nCHW, fitted.data.test, fitted.parameters.dataset)
    return found, score(found)


def test_a_constant_reconstruction_has_collapsed_since_its_watch_went_flat(fitted):
    found, scores = reconstructed(fitted, np.ones((169, 16, 16)))
    past = history(
        epoch(0.1), epoch(0.1, rel_std=1e-4), epoch(0.1), epoch(0.1, 1e-4), epoch(0.1, 1e-5)
    )
    stats = collapse_stats(past, found, scores)
    assert (stats["collapsed"], stats["collapse_epoch"]) == (True, 3)
    assert stats["collapse_reason"].startswith("flat")
    assert stats["collapse_kind"] == "flat"
    assert stats["not_finite"] is stats["unlike_object"] is stats["unfinished"] is False
    contrast = contrast_stats(found)
    assert contrast["amp_contrast"] == pytest.approx(0, abs=1e-9)
    assert contrast["low_contrast"] is contrast["phase_flat"] is False, "flat says it all"


def test_a_loss_that_was_not_finite_for_a_while_has_its_epochs_and_is_no_outcome(fitted):
    found, scores = exact(fitted)
    past = history(epoch(0.5), epoch(math.nan), epoch(0.3), epoch(0.2), has_nan=True)
    told = loss_stats(past)
    assert (told["has_nan"], told["nonfinite_epoch"], told["recovered_epoch"]) == (True, 1, 2)
    assert collapse_stats(past, found, scores)["collapse_kind"] is None


def test_a_loss_that_ends_without_a_number_is_not_finite_and_no_collapse(fitted):
    found, scores = exact(fitted)
    past = history(epoch(0.5), epoch(math.nan, rel_std=math.nan), has_nan=True)
    stats = collapse_stats(past, found, scores)
    assert (stats["collapse_kind"], stats["collapsed"]) == ("not_finite", False)
    assert (stats["not_finite"], stats["collapse_epoch"]) == (True, 1)
    assert (loss_stats(past)["nonfinite_epoch"], loss_stats(past)["recovered_epoch"]) == (1, None)


def test_another_object_is_unlike_or_unfinished_by_its_losses_and_never_collapsed(fitted):
    found, scores = exact(fitted, turned_round=True)
    assert scores.metrics["ssim"][0] < 0.5
    still, falling = history(epoch(0.2), epoch(0.2)), history(epoch(0.4), epoch(0.2))
    for past, kind, unfinished in ((still, "unlike_object", False), (falling, None, True)):
        stats = collapse_stats(past, found, scores)
        assert (stats["collapse_kind"], stats["unfinished"]) == (kind, unfinished)
        assert stats["unlike_object"] is (kind is not None)
        assert (stats["collapsed"], stats["collapse_epoch"]) == (False, None)


def test_a_constant_phase_and_little_contrast_are_told(fitted):
    patches = exact_patches(fitted)
    size = np.abs(patches)
    found, _ = reconstructed(fitted, size.astype(complex))
    stats = contrast_stats(found)
    assert (stats["phase_flat"], stats["low_contrast"]) == (True, False)
    faint = (size.mean() + 0.25 * (size - size.mean())) * np.exp(1j * np.angle(patches))
    stats = contrast_stats(reconstructed(fitted, faint)[0])
    assert (stats["phase_flat"], stats["low_contrast"]) == (False, True)
    assert 0.2 < stats["amp_contrast"] < 0.35


def exact_patches(fitted):
    measured, truth = fitted.data.test, fitted.data.test.yy_full[0, :, :, 0]
    rows, columns = (measured.coords_nominal[:, 0, axis, 0] - 7.5 for axis in (0, 1))
    return np.stack([
        truth[int(r) : int(r) + 16, int(c) : int(c) + 16]
        for r, c in zip(rows, columns, strict=True)
    ])  # fmt: skip


def exact(fitted, *, turned_round=False):
    return reconstructed(fitted, exact_patches(fitted)[:: -1 if turned_round else 1])


def test_a_good_reconstruction_has_not_collapsed(fitted):
    found, scores = exact(fitted)
    assert scores.metrics["ssim"][0] == pytest.approx(1.0, abs=1e-5)
    stats = collapse_stats(history(epoch(0.1), epoch(0.1)), found, scores)
    assert stats == {
        "collapsed": False,
        "collapse_epoch": None,
        "collapse_kind": None,
        "collapse_reason": None,
        "not_finite": False,
        "unlike_object": False,
        "unfinished": False,
    }


def test_a_constant_image_scores_what_the_mean_alone_is_worth():
    rng = np.random.default_rng(4)
    target, phase = rng.random((40, 40)) + 1, rng.random((40, 40)) - 0.5
    made = Reconstruction(
        amplitude=target,
        phase=phase,
        target_amplitude=target,
        target_phase=phase,
        amplitude_scale=1.0,
    )
    scores = constant_stats(made)
    assert scores["constant_amp_mae"] == pytest.approx(np.abs(target - target.mean()).mean())
    assert scores["constant_phase_mae"] == pytest.approx(np.abs(phase).mean())
    assert scores["constant_amp_ssim"] < 0.5


def test_a_flat_target_has_no_constant_score_either():
    flat = np.ones((40, 40))
    made = Reconstruction(
        amplitude=flat,
        phase=0 * flat,
        target_amplitude=flat,
        target_phase=0 * flat,
        amplitude_scale=1.0,
    )
    assert set(constant_stats(made).values()) == {None}
