"""Weights as values: kept, digested, written."""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

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
    path.write_bytes(buffer.getbuffer())


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the first misfit."""


def load_state(path: Path, net: nn.Module) -> None:
    """Give a network on the meta device the weights of a checkpoint, on the CPU.

    Nothing that the file holds is executed.

    Raises ``CheckpointError`` for a file that holds anything but named tensors, and for tensors
    that are not those of the network; ``FileNotFoundError`` when there is no file.
    """
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise CheckpointError(
            f"{path} is no checkpoint of ours, which holds tensors alone: {error}"
        ) from error
    if not isinstance(stored, dict) or not all(isinstance(t, Tensor) for t in stored.values()):
        raise CheckpointError(f"{path} is no checkpoint of ours, which holds named tensors alone")
    if misfits := list(_misfits(stored, net.state_dict())):
        more = f" (and {len(misfits) - 1} more)" if len(misfits) > 1 else ""
        raise CheckpointError(
            f"{path} does not fit the network: {misfits[0]}{more}; give the job that the "
            "checkpoint was trained with"
        )
    net.load_state_dict(stored, assign=True)


def _misfits(stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    """What does not fit, in the order of the network's tensors, then what it has no place for."""
    for name, tensor in wanted.items():
        if name not in stored:
            yield f"{name} is missing"
        elif stored[name].shape != tensor.shape:
            yield f"{name} has shape {(*stored[name].shape,)}, expected {(*tensor.shape,)}"
        elif stored[name].dtype != tensor.dtype:
            yield f"{name} is {stored[name].dtype}, expected {tensor.dtype}"
    yield from (f"{name} is not part of it" for name in stored if name not in wanted)


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

    @override
    def state_dict(self) -> dict[str, Any]:
        """The weights that are kept, if there are any."""
        return {"state": self.state}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what another fit has kept."""
        self.state = state_dict["state"]
