"""``effective_config.json``: the configuration as the live objects show it after the fit.

Nothing here is given the job or its parameters, so nothing can be copied from them. What is read
from where is stated in the modules ``effective_dataset``, ``effective_model``, ``effective_train``
and ``effective_diagnostics``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.data.npz import Split
from models.diagnostics.effective_clip import largest_clipped
from models.diagnostics.effective_dataset import dataset_leaves
from models.diagnostics.effective_diagnostics import diagnostics_leaves
from models.diagnostics.effective_model import model_leaves
from models.diagnostics.effective_train import (
    not_in_one_group,
    read_fixed,
    scheduler_of,
    stopped_leaves,
    train_leaves,
)
from models.diagnostics.readings import agreed
from models.diagnostics.stats import finite
from models.nets.generator import count_live
from models.seeding import determinism, seed_of
from models.training.fit import Fit
from models.training.not_finite import Stop
from models.training.weights import digest

EXECUTION = ("threads", "determinism", "deterministic_algorithms")
"""What of the switches of ``models.seeding`` the plan speaks of."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedData:
    """The dataset as it was loaded, with the digests of the bytes that were read."""

    train: Split
    test: Split
    metadata: Mapping[str, Any]
    sha256: Mapping[str, str]


def effective_config(
    fit: Fit, data: LoadedData, out: Path, stop: Stop | None = None
) -> dict[str, Any]:
    """The content of ``effective_config.json`` after ``fit`` has left its files in ``out``.

    Where the fit was ended on its way, ``stop`` says where; what it was to record at its end can
    then not be read back and is missing, and ``observed.stopped`` is there.
    """
    splits = data.train, data.test
    train = train_leaves(fit, *splits) if stop is None else stopped_leaves(fit, *splits, stop)
    return {
        "schema_version": 2,
        "parameters": {
            "dataset": dataset_leaves(data.train, data.test, data.metadata),
            "model": {
                **model_leaves(fit.net, fit.initial),
                "activation_checkpointing": agreed(fit.recomputations.by_block),
            },
            "train": train,
            **({"diagnostics": diagnostics_leaves(fit, out)} if stop is None else {}),
        },
        "seed": agreed(
            seed_of(stream) for stream in (fit.weights_stream, fit.batches.order.generator)
        ),
        "execution": {
            "device": agreed(sorted(fit.inputs.devices)),
            **{key: determinism()[key] for key in EXECUTION},
        },
        "observed": observed(fit, data) | ({} if stop is None else {"stopped": asdict(stop)}),
    }


def observed(fit: Fit, data: LoadedData) -> dict[str, Any]:
    """What has no knob of its own and follows from several."""
    (optimizer,) = fit.trainer.optimizers
    count = count_live(fit.net)
    return {
        "learning_rate_by_epoch": [agreed(e.learning_rates) for e in fit.history.epochs],
        "val_loss_by_epoch": [finite(epoch.val_loss) for epoch in fit.history.epochs],
        "optimizer_class": _class_name(optimizer),
        "scheduler_class": _class_name(scheduler_of(fit)),
        "nesterov": agreed(group.get("nesterov", False) for group in optimizer.param_groups),
        "optimizer_settings": read_fixed(optimizer),
        "parameters_not_in_one_group": not_in_one_group(fit.net, optimizer),
        "modules_not_called": fit.calls.left_out,
        "layer_widths": list(fit.net.widths),
        "num_parameters": count.live,
        "num_parameters_nominal": count.nominal,
        "steps_by_epoch": [epoch.steps for epoch in fit.history.epochs],
        **largest_clipped(fit.module.clipper, fit.module.gradients.trace),
        "initial_weights_sha256": fit.initial.sha256,
        "final_weights_sha256": digest(fit.net.state_dict()),
        "dataset_sha256": dict(data.sha256),
    }


def _class_name(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"
