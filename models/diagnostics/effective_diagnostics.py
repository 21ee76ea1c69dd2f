"""The ``diagnostics`` knobs as the trace shows them and the files that were written."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from models.config import COLLAPSE_REPORTS
from models.diagnostics.readings import agreed
from models.training.checkpoints import FILES
from models.training.fit import Fit

REPORTS = "activation_report*.json"
"""Pattern of the names of activation reports."""

HISTOGRAMS = "grad_hist_epoch_*.npz"
"""Pattern of the names of gradient histograms of named epochs."""


def diagnostics_leaves(fit: Fit, out: Path) -> dict[str, Any]:
    """Every knob of ``Diagnostics``, after ``fit`` has left its files in ``out``.

    Of ``grad_norm_every`` the trace tells as soon as it has two entries; with one, any number from
    the number of steps on has the same effect, and the recorder's own is reported.
    """
    gradients = fit.module.gradients
    steps = [norm.step for norm in gradients.trace]
    reports = sorted(path.name for path in out.glob(REPORTS))
    asked_for = [name for name in reports if name not in COLLAPSE_REPORTS]
    return {
        "grad_norm_every": (
            gradients.every if len(steps) == 1 else agreed(b - a for a, b in pairwise(steps))
        ),
        "activations": bool(asked_for),
        "activation_report": agreed(asked_for),
        "on_collapse": _on_collapse(fit, out),
        "audit_steps": 0 if fit.evidence is None else fit.evidence.length,
        "grad_hist_epochs": sorted(_epoch(path) for path in out.glob(HISTOGRAMS)),
    }


def _on_collapse(fit: Fit, out: Path) -> bool:
    """Whether weights were kept in case of a collapse, and all files are there if there was one."""
    expected = {
        *(FILES[name] for name in ("before_collapse", "at_collapse")),
        *COLLAPSE_REPORTS,
        *(f"grad_hist_{name}.npz" for name in ("before_collapse", "at_collapse")),
    }
    present = {name for name in expected if (out / name).is_file()}
    callbacks = fit.trainer.callbacks  # type: ignore[attr-defined]
    if fit.collapse_weights is None or fit.collapse_weights not in callbacks:
        return bool(present)
    return present == (expected if fit.collapse_weights.kept else set())


def _epoch(path_npz: Path) -> int:
    """The epoch that the file itself tells."""
    with np.load(path_npz, allow_pickle=False) as arrays:
        return int(arrays["epoch"])
