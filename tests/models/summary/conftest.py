"""Arms as small files, and the job that is shown them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.summary.comparisons import Group
from models.summary.runs import Run

SOUND = {"amp_ssim": 0.9, "amp_mae": 0.07, "phase_ssim": 0.95, "phase_mae": 0.05,
         "val_loss_best": 0.03, "val_loss_final": 0.031, "collapsed": False,
         "collapse_epoch": None}  # fmt: skip
FLAT = SOUND | {"amp_ssim": 0.28, "amp_mae": 0.51, "phase_ssim": None, "val_loss_final": 0.18,
                "collapsed": True, "collapse_epoch": 1}  # fmt: skip


def run(**changed: Any) -> Run:
    """An arm in memory; statistics by name."""
    facts = {"group": 0, "name": "arm", "seed": 1, "history": {}, "frc": (), "activations": {}}
    facts |= {"gradients": dict.fromkeys(("step", "pre_clip", "post_clip"), np.array([]))}
    facts |= {key: changed.pop(key) for key in list(changed) if key in facts}
    return Run(stats=(FLAT if changed.get("collapsed") else SOUND) | changed, **facts)


def group(label: str, num_sound: int, num_flat: int = 0, **stats: Any) -> Group:
    """A group of so many arms, each score a little larger than that of the arm before."""
    runs = [run(seed=seed, amp_ssim=0.9 + 0.001 * seed, **stats) for seed in range(num_sound)]
    runs += [run(seed=seed, collapsed=True) for seed in range(num_sound, num_sound + num_flat)]
    return Group(label=label, runs=tuple(runs))


def files(
    stats: dict[str, Any], *, activations: dict[str, Any] | None = None, num_epochs: int = 3
) -> dict[str, str]:
    """The small files of an arm."""
    losses = [0.2 / (epoch + 1) for epoch in range(num_epochs)]
    history = {
        "train_loss": losses,
        "val_loss": [*losses[:-1], None],
        "learning_rate": [1e-3] * num_epochs,
        "decoder_share_not_positive": None,
        "decoder_share_not_positive_by_layer": {"decoder.0.activation": [0.5] * num_epochs},
    }
    curve = [None, *np.linspace(1, 0, 20).tolist()]
    rows = [f"{step},0,{1.5 - 0.1 * step},{min(1.0, 1.5 - 0.1 * step)}" for step in range(9)]
    found = {
        "stats.json": json.dumps(stats),
        "history.json": json.dumps(history),
        "metrics.json": json.dumps({"frc": {"last_epoch": [curve, None]}}),
        "grad_norms.csv": "\n".join(["step,epoch,pre_clip,post_clip", *rows, "9,0,nan,inf"]),
    }
    if activations:
        found["activation_report.json"] = json.dumps({"layers": activations})
    return found


class Phase:
    """Groups of arms as a job folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.groups: list[dict[str, Any]] = []
        self.inputs: dict[str, dict[str, str]] = {}
        self.pairs: list[dict[str, Any]] = []
        self.factors: list[dict[str, Any]] = []

    def add(self, name: str, arms: list[dict[str, str] | str], **knobs: Any) -> None:
        """A group; an arm is its files, or the status that kept it from leaving any."""
        listed = []
        for seed, left in enumerate(arms):
            key = f"0/{name}_{seed}"
            status = left if isinstance(left, str) else "succeeded"
            for file, text in ({} if isinstance(left, str) else left).items():
                path = self.folder / "data" / key / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                digest = hashlib.sha256(text.encode()).hexdigest()
                self.inputs[f"{key}/{file}"] = {"path": f"../data/{key}/{file}", "sha256": digest}
            listed.append({"key": key, "name": f"{name}_{seed}", "seed": seed, "status": status})
        facts = {"name": name, "label": name, "phase": "p", "hub": "p/1", "knobs": knobs}
        self.groups.append({**facts, "arms": listed})

    def pair(self, a: int, b: int, *knobs: str) -> None:
        """Compare two groups."""
        self.pairs.append({"groups": [a, b], "knobs": list(knobs)})

    def factor(self, knob: str, values: list[Any], strata: list[list[int]]) -> None:
        """Look at one knob of a matrix."""
        place = {"phase": "p", "hub": "p/1"}
        self.factors.append(
            {"knob": knob, "values": values, "strata": strata, "others": [], **place}
        )

    def write(self) -> Path:
        """``job.json``."""
        table = {
            "schema_version": 1,
            "experiment": "summarise",
            "name": "summarise",
            "parameters": {"groups": self.groups, "pairs": self.pairs, "factors": self.factors},
            "seed": 20260128,
            "execution": {"device": "cpu", "threads": 1, "determinism": "native"},
            "inputs": self.inputs,
        }
        path = self.folder / "job" / "job.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(table))
        return path


@pytest.fixture
def phase(tmp_path):
    return Phase(tmp_path)
