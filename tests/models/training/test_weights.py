from __future__ import annotations

import hashlib
from types import SimpleNamespace

import pytest
import torch

from models.training.loss_plot import plot_losses
from models.training.weights import digest, save_state


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
