"""Weights as values: kept, digested, written."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from typing_extensions import override

from models.training.history import History

State = dict[str, Tensor]


def state_of(net: nn.Module) -> State:
    """A copy of the state dict on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in net.state_dict().items()}


def digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes of all tensors, in the order of their names."""
    whole = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        array = tensor.detach().cpu().contiguous().numpy()
        whole.update(f"{name}\n{array.dtype.str}\n{array.shape}\n".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()


def save_state(state: State, path: Path) -> None:
    """Write a state dict for ``torch.load(weights_only=True)``; equal states give equal bytes.

    It goes through memory because torch writes the name of the file into the file.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(buffer.getvalue())


class BestWeights(Callback):
    """Keeps the weights of the epoch with the smallest validation loss. Listed after ``History``.

    As long as no validation loss was finite there is no best epoch, and ``state`` is ``None``.
    """

    def __init__(self, history: History, net: nn.Module) -> None:
        self.state: State | None = None
        self._history, self._net = history, net

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the weights if this epoch is the best so far."""
        if self._history.best_epoch == len(self._history.epochs) - 1:
            self.state = state_of(self._net)
