"""All that decides the bits to come of a fit between two epochs, as plain values and tensors.

The network, the optimizer and its schedule, the order's stream, everything that was observed so
far, the counters of Lightning's loop, and the generators of the libraries, though nothing here
draws from those. What a fit is made with, and what follows from it, is made again and not kept.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from models.training.fit import Fit


class Remembering(Protocol):
    """Something of a fit that has a state of its own."""

    def state_dict(self) -> Any:  # noqa: ANN401  tables of plain values and tensors
        """The state as plain values and tensors."""

    def load_state_dict(self, state: Any, /) -> Any:  # noqa: ANN401
        """Go on from such a state."""


def parts_of(fit: Fit) -> dict[str, Remembering]:
    """What of a fit has a state, once Lightning has made its optimizer; the optimizer goes first.

    A schedule that is loaded does not set the rates of the optimizer, whose state has them.
    """
    (optimizer,), (config,) = fit.trainer.optimizers, fit.trainer.lr_scheduler_configs
    found: dict[str, Remembering | None] = {
        "net": fit.net,
        "optimizer": optimizer,
        "scheduler": config.scheduler,
        "order": fit.batches.order,
        "gradients": fit.module.gradients,
        "history": fit.history,
        "best_weights": fit.best_weights,
        "collapse_weights": fit.collapse_weights,
        "gradients_at_epochs": fit.gradients_at_epochs,
        "evidence": fit.evidence,
        "inputs": fit.inputs,
        "recomputations": fit.recomputations,
        "calls": fit.calls,
        "gains": fit.gains,
    }
    return {name: part for name, part in found.items() if part is not None}


LIVE = ("net", "optimizer")
"""Parts whose tensors the next step changes; those of the others are kept as they are."""


def take(fit: Fit) -> dict[str, Any]:
    """The state of a fit, which later steps do not change. To be called between two epochs."""
    states = {name: part.state_dict() for name, part in parts_of(fit).items()}
    states |= {name: copied(states[name]) for name in LIVE}
    return {
        "epochs": fit.trainer.current_epoch,
        "steps": fit.trainer.global_step,
        "parts": states,
        "generators": _generators(),
    }


def restore(fit: Fit, state: Mapping[str, Any]) -> None:
    """Have a fit that has not begun go on from a state of the same one; ``on_fit_start`` at best.

    Raises:
        ValueError: it is the state of another fit.
    """
    parts = parts_of(fit)
    if parts.keys() != state["parts"].keys():
        raise ValueError(f"it has {sorted(state['parts'])}, and the fit {sorted(parts)}")
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    _set_progress(fit.trainer, state["epochs"], state["steps"])
    _set_generators(state["generators"])


def _set_progress(trainer: Trainer, epochs: int, steps: int) -> None:
    """Have Lightning count on from there: it stands before an epoch, and restarts nothing."""
    loop = trainer.fit_loop
    done = dict.fromkeys(("ready", "started", "processed", "completed"), epochs)
    loop.epoch_progress.load_state_dict({"total": done, "current": done})
    stepped = loop.epoch_loop.automatic_optimization.optim_progress.optimizer.step.total
    stepped.ready = stepped.completed = steps


def _generators() -> dict[str, Any]:
    name, words, *rest = np.random.get_state()
    on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if on_gpu else [],
        "numpy": (name, torch.from_numpy(np.asarray(words).astype(np.int64)), *rest),
        "python": random.getstate(),
    }


def _set_generators(state: Mapping[str, Any]) -> None:
    name, words, *rest = state["numpy"]
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])


def copied(value: object) -> object:
    """The same tables and lists with copies of their tensors in main memory."""
    match value:
        case Tensor():
            return value.detach().cpu().clone()
        case Mapping():
            return {key: copied(one) for key, one in value.items()}
        case list() | tuple():
            return type(value)(copied(one) for one in value)
    return value
