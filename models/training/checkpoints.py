"""The weights that an arm leaves, each with its name, its file and its epoch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.job import sha256_file, write_json
from models.training.fit import Fit
from models.training.weights import State, digest, save_state, state_of

CHECKPOINTS = "checkpoints.json"

FILES = {
    "last": "model.pt",
    "best": "model_best.pt",
    "before_collapse": "model_before_collapse.pt",
    "at_collapse": "model_at_collapse.pt",
}
"""Name of a checkpoint → file."""


STOPPED = "model_stopped.pt"
"""Weights of a fit that was ended on its way; of no epoch's end, so no checkpoint to look into."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """Weights of one moment of a fit."""

    name: str
    epoch: int | None
    """Epoch at whose end they were these, counted from 0; ``None`` for the initial ones."""
    state: State


def checkpoints_of(fit: Fit) -> list[Checkpoint]:
    """The weights that a finished fit has kept: last and best, and both sides of a collapse.

    Without a finite validation loss there is no best epoch, and the last takes its place.
    """
    last_epoch, best = len(fit.history.epochs) - 1, fit.best_weights.state
    last = Checkpoint(name="last", epoch=last_epoch, state=state_of(fit.net))
    found = [
        last,
        Checkpoint(name="best", epoch=fit.history.best_epoch, state=best)
        if best
        else Checkpoint(name="best", epoch=last_epoch, state=last.state),
    ]
    sides = fit.collapse_weights.kept if fit.collapse_weights else None
    if sides is not None:
        before = sides.epoch - 1 if sides.epoch else None
        found += [
            Checkpoint(name="before_collapse", epoch=before, state=sides.before),
            Checkpoint(name="at_collapse", epoch=sides.epoch, state=sides.at),
        ]
    return found


def store(checkpoints: Iterable[Checkpoint], out: Path) -> None:
    """Write each into its file, and ``checkpoints.json``, which tells them apart.

    ``weights_sha256`` is the digest of names and values: equal weights have it in common.
    """
    listed: dict[str, dict[str, Any]] = {}
    for checkpoint in checkpoints:
        file = FILES[checkpoint.name]
        save_state(checkpoint.state, out / file)
        listed[checkpoint.name] = {
            "file": file,
            "epoch": checkpoint.epoch,
            "sha256": sha256_file(out / file),
            "weights_sha256": digest(checkpoint.state),
        }
    write_json(out / CHECKPOINTS, {"schema_version": 1, "checkpoints": listed})
