from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from models.config import Model
from models.nets.initial import materialise
from models.nets.registry import outline
from models.seeding import numpy_generator
from models.training.loss_plot import plot_losses
from models.training.weights import CheckpointError, digest, load_state, save_state, state_of


@pytest.fixture
def state():
    return {"a": torch.arange(6.0).reshape(2, 3), "b": torch.tensor([1 + 2j])}


def test_equal_states_give_equal_bytes_wherever_they_are_written(tmp_path, state):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    paths = [tmp_path / "model.pt", tmp_path / "deep" / "er" / "other_name.pt"]
    for path in paths:
        save_state({name: tensor.clone() for name, tensor in state.items()}, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    loaded = torch.load(paths[0], weights_only=True)
    assert all(torch.equal(loaded[name], state[name]) for name in state)


def test_the_digest_is_over_names_types_shapes_and_bytes(state):
    whole = hashlib.sha256()
    for name, kind, shape in (("a", "<f4", "(2, 3)"), ("b", "<c8", "(1,)")):
        whole.update(f"{name}\n{kind}\n{shape}\n".encode())
        whole.update(state[name].numpy().tobytes())
    assert digest(state) == whole.hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        lambda s: {"a": s["a"], "c": s["b"]},
        lambda s: {"a": s["a"].reshape(3, 2), "b": s["b"]},
        lambda s: {"a": s["a"].double(), "b": s["b"]},
        lambda s: {"a": s["a"] + 1e-7, "b": s["b"]},
        lambda s: {"a": s["a"]},
    ],
)
def test_any_change_of_a_state_changes_its_digest(state, change):
    assert digest(change(state)) != digest(state)


def test_the_order_of_the_state_does_not_matter(state):
    assert digest(dict(reversed(state.items()))) == digest(state)


@pytest.fixture
def outlined():
    """Build a small network on the meta device."""

    def outlined(**model):
        table = {"hidden_channels": 2, "modes": 2, "fno_blocks": 2, **model}
        return outline(Model.model_validate(table), side=8)

    return outlined


@pytest.fixture
def stored(outlined, tmp_path):
    """Write the checkpoint of a small network, with tensors changed; its path."""

    def write(change=lambda state: state, **model):
        net = outlined(**model)
        materialise(net, numpy_generator(1, "weights"))
        save_state(change(state_of(net)), tmp_path / "model.pt")
        return tmp_path / "model.pt"

    return write


def without(state, name):
    return {key: tensor for key, tensor in state.items() if key != name}


def test_a_checkpoint_comes_back_tensor_by_tensor(outlined, stored):
    path, net = stored(), outlined()
    load_state(path, net)
    assert digest(net.state_dict()) == digest(torch.load(path, weights_only=True))
    assert {parameter.device.type for parameter in net.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("change", "model", "misfit"),
    [
        (
            lambda s: s,
            {"modes": 4},
            "encoder.0.spectral.weight has shape (4, 4, 2, 2), expected (2, 2, 2, 2) (and 2 more)",
        ),
        (
            lambda s: s,
            {"architecture": "stable_hybrid"},
            "encoder.0.norm.weight is not part of it (and 8 more)",
        ),
        (lambda s: without(s, "head.linear.bias"), {}, "head.linear.bias is missing"),
        (
            lambda s: s | {"lifter.convolution_1.bias": s["lifter.convolution_1.bias"].double()},
            {},
            "lifter.convolution_1.bias is torch.float64, expected torch.float32",
        ),
    ],
)
def test_a_checkpoint_of_another_network_is_refused_with_its_first_misfit(
    outlined, stored, change, model, misfit
):
    path = stored(change, **model)
    with pytest.raises(CheckpointError) as caught:
        load_state(path, outlined())
    assert str(caught.value) == (
        f"{path} does not fit the network: {misfit}; give the job that the checkpoint was trained "
        "with"
    )


@pytest.mark.parametrize("content", [{"weights": 3.0}, [torch.ones(2)], torch.ones(2)])
def test_a_file_of_other_things_is_no_checkpoint(outlined, tmp_path, content):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="is no checkpoint of ours, which holds named tensor"):
        load_state(tmp_path / "other.pt", outlined())


def test_a_file_with_code_or_of_noise_is_no_checkpoint(outlined, tmp_path):
    torch.save({"weights": Path("x")}, tmp_path / "code.pt")
    (tmp_path / "noise.pt").write_bytes(b"not a checkpoint at all")
    for name in ("code.pt", "noise.pt"):
        with pytest.raises(CheckpointError, match=f"{name} is no checkpoint of ours, which holds"):
            load_state(tmp_path / name, outlined())


def epochs(*losses):
    return [
        SimpleNamespace(train_loss=loss, val_loss=loss, learning_rates=(1e-3,)) for loss in losses
    ]


@pytest.mark.parametrize("losses", [(1.0, 0.5), (1.0, float("nan")), (-1.0, 2.0), (1.0,)])
def test_the_loss_plot_is_the_same_picture_each_time(tmp_path, losses):
    history = SimpleNamespace(epochs=epochs(*losses), best_epoch=0)
    for name in ("one.png", "two.png"):
        plot_losses(history, None, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    plot_losses(history, 0, tmp_path / "collapsed.png")
    assert (tmp_path / "collapsed.png").read_bytes() != (tmp_path / "one.png").read_bytes()
