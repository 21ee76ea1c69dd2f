"""The weights on both sides of a collapse, kept while the fit runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn
from typing_extensions import override

from models.training.collapse_monitor import is_flat
from models.training.history import History
from models.training.weights import State, state_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Sides:
    """The weights before and after the epoch in which the watched patches went flat."""

    epoch: int
    """The first flat epoch, counted from 0."""
    before: State
    """Weights at the end of the epoch before it; for epoch 0 the initial ones."""
    at: State
    """Weights at its end."""


class CollapseWeights(Callback):
    """Keeps both sides as long as the amplitude stays flat. Listed after ``History``.

    Nobody knows during an epoch whether it is the last good one, so the weights of the latest are
    copied each time. A network that recovers has not collapsed: what was kept is dropped. At no
    time are there more than two copies.
    """

    def __init__(self, history: History, net: nn.Module) -> None:
        self.kept: Sides | None = None
        self._latest: State = {}
        self._history, self._net = history, net

    @override
    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the initial weights: the first epoch may be the one that collapses."""
        self._latest = state_of(self._net)

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep or drop, by what the monitor saw at the end of this epoch."""
        index = len(self._history.epochs) - 1
        if not is_flat(self._history.epochs[index].recon_amp_rel_std):
            self.kept, self._latest = None, {}
            self._latest = state_of(self._net)
        elif self.kept is None:
            self.kept = Sides(epoch=index, before=self._latest, at=state_of(self._net))
            self._latest = {}

    @override
    def state_dict(self) -> dict[str, Any]:
        """The weights that are kept, and those of the latest epoch that was none to keep."""
        return {"kept": None if self.kept is None else vars(self.kept), "latest": self._latest}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep what another fit has kept."""
        kept = state_dict["kept"]
        self.kept = None if kept is None else Sides(**kept)
        self._latest = state_dict["latest"]

    def release(self) -> None:
        """Drop what was kept: the arm was not declared collapsed."""
        self.kept = None
