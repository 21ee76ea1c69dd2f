"""The second implementation against the first, piece by piece, where neither is run as an arm."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[3]
SOURCES = sorted((ROOT / "models" / "audit").glob("*.py"))

NETWORKS = [
    {"architecture": "hybrid", "decoder_norm": "instance", "corners": 2},
    {"architecture": "hybrid", "fno_blocks": 4, "max_levels": 2, "modes": 5},
    {"architecture": "stable_hybrid", "stable_block": "layerscale"},
    {"architecture": "stable_hybrid", "stable_block": "zero_gamma", "output_mode": "amp_phase"},
    {"architecture": "hybrid_resnet", "input_transform": "instance_norm"},
    {"architecture": "fno", "output_mode": "amp_phase_logits", "input_transform": "log1p"},
    {"architecture": "cnn", "modes": None, "fno_blocks": None, "cnn_blocks": 3,
     "max_hidden_channels": 3, "input_transform": "sqrt"},
]  # fmt: skip


def plain(parameters):
    from models.audit.streams import declared

    return declared(parameters.model_dump(mode="json"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_imported_of_what_is_audited(path):
    """Of this project the audit itself and the file contract; of torch no layers, no optimizers."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            found |= {f"torch.{node.attr}"} if getattr(node.value, "id", "") == "torch" else set()
    ours = {name for name in found if name.startswith(("models", "runner", "tests"))}
    assert all(name.startswith(("models.audit.", "models.job.")) for name in ours)
    assert not [name for name in found if name.startswith(("torch.optim", "lightning"))]


@pytest.mark.parametrize("model", NETWORKS, ids=lambda model: model["architecture"])
def test_networks_start_and_answer_alike(workshop, model):
    from models.audit.network import forward
    from models.audit.start import initial
    from models.nets.registry import build
    from models.seeding import numpy_generator

    parameters = workshop.parameters(model=model)
    net = build(parameters.model, side=16, generator=numpy_generator(3, "weights"))
    drawn = initial(plain(parameters), 3)
    assert list(drawn) == list(net.state_dict())
    for name, tensor in net.state_dict().items():
        assert torch.equal(drawn[name], tensor), name
        torch.testing.assert_close(drawn[name], tensor, rtol=0, atol=0)
    x = torch.rand(2, 1, 16, 16)
    again = forward(drawn, x, plain(parameters).model)
    torch.testing.assert_close(again, net(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("epochs", [1, 2, 7])
@pytest.mark.parametrize("seed", range(5))
def test_both_sides_choose_the_same_moments(workshop, epochs, seed):
    from models.audit.streams import windows
    from models.training.moments import moments_of

    parameters = workshop.parameters(
        train={"epochs": epochs}, diagnostics={"audit_steps": 1 + seed % 3}
    )
    found, offset = windows(parameters.model_dump(mode="json"), seed)
    moments = moments_of(parameters, seed)
    assert {step + more for window in found for step in window for more in (0, 1)} == moments.steps
    assert offset == moments.offset


def test_lines_are_those_of_scikit_image():
    from skimage.draw import line

    from models.audit.data import line as own

    rng = np.random.default_rng(0)
    for ends in rng.integers(0, 30, (200, 4)).tolist():
        rows, columns = line(*ends)
        assert own(*ends) == list(zip(rows.tolist(), columns.tolist(), strict=True))


def test_scores_are_those_of_the_evaluation():
    from models.audit.scores import ms_ssim, ssim_maps
    from models.evaluation.similarity import ms_ssim as other_ms_ssim
    from models.evaluation.similarity import ssim

    rng = np.random.default_rng(0)
    a = rng.normal(size=(119, 130)).cumsum(0)
    b = a + rng.normal(size=a.shape)
    assert ssim_maps(a, b, 3.0)[0] == pytest.approx(ssim(a, b, 3.0), abs=1e-9)
    assert ms_ssim(a, b, 3.0) == pytest.approx(other_ms_ssim(a, b, 3.0), abs=1e-9)


SCHEDULES = [
    {"kind": "constant"},
    {"kind": "exponential", "gamma": 0.8},
    {"kind": "warmup_cosine", "warmup_epochs": 2, "min_ratio": 0.1},
    {"kind": "warmup_cosine", "warmup_epochs": 0},
    {"kind": "plateau", "patience": 1, "min_lr": 2e-4, "threshold": 0.1},
]


@pytest.mark.parametrize("scheduler", SCHEDULES, ids=lambda table: table["kind"])
def test_rates_are_those_of_the_schedules(workshop, scheduler):
    from models.audit.step import rate_of_epoch

    parameters = workshop.parameters(train={"epochs": 9, "scheduler": scheduler})
    losses = [1.0, 0.9, None, 0.89, 0.88, 0.4, 0.5, 0.6, 0.7]
    for epoch in range(9):
        expected = parameters.train.learning_rate_after(losses[:epoch])
        assert rate_of_epoch(plain(parameters).train, losses[:epoch]) == pytest.approx(expected)


def test_a_bound_on_values_leaves_the_rounding_of_what_lies_below_it():
    from models.audit.steps import share_kept

    gradient = torch.tensor([5.0, 1e-4, 0.0, 0.0])
    clip = SimpleNamespace(kind="value", max_value=1e-3)
    left = share_kept(gradient.clamp(-1e-3, 1e-3), gradient, 0.0, clip)
    assert left == pytest.approx(math.sqrt(3 / 4))
    clip = SimpleNamespace(kind="norm", max_norm=0.5)
    assert share_kept(0.1 * gradient, gradient, 0.0, clip) == pytest.approx(0.1)


def test_the_phase_of_nothing_is_not_compared_and_its_amplitude_is():
    from models.audit.end import audit_images
    from models.audit.scores import Images

    zero, one = np.zeros((4, 4)), np.ones((4, 4))
    images = Images(
        amplitude=zero, phase=zero, target_amplitude=one, target_phase=zero, scale=math.nan,
        near_cut=0.0, aligned=zero + math.nan, offset=math.nan, common=0.0, near_turn=1.0,
    )  # fmt: skip
    stored = {
        "amplitude": zero, "phase": one, "phase_aligned": zero + math.nan,
        "target_amplitude": one, "target_phase": zero, "amplitude_scale": np.array(math.nan),
    }  # fmt: skip
    check, _ = audit_images(images, stored)
    assert (check.verdict, check.not_comparable) == ("agrees", 2)
    check, _ = audit_images(images, stored | {"amplitude": one})
    assert check.verdict == "differs"
    check, _ = audit_images(images._replace(scale=1.0), stored | {"amplitude_scale": np.array(1.0)})
    assert check.verdict == "differs"
