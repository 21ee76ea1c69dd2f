"""Tiny arms for the audit: declared, simulated, trained, audited, and judged by their labels.

``carry_out`` runs in a process of its own (see ``forks``), which imports ``models`` from wherever
the source under test lies.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

SEED = 20260128
DATA = ("train.npz", "test.npz", "metadata.json")

TINY: dict[str, Any] = {
    "dataset": {"object_size": 64, "patch_size": 16, "train_stride": 8, "test_stride": 8},
    "model": {"hidden_channels": 2, "modes": 4, "fno_blocks": 3},
    "train": {"epochs": 2, "batch_size": 10, "inference_batch_size": 4},
    "diagnostics": {"audit_steps": 3},
}
"""49 training patches, of which 2 are held out: five batches an epoch, the last one of 7."""


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with tables changed; a table that names its ``kind`` replaces the former one."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested and "kind" not in value else value
    return result


def declared(changes: dict[str, Any]) -> dict[str, Any]:
    """All parameters of a tiny arm with changes, defaults spelled out."""
    from models.config import Parameters

    text = json.dumps(merged(TINY, changes))
    return Parameters.model_validate_json(text).model_dump(mode="json")


def write_job(
    folder: Path, experiment: str, parameters: dict[str, Any], inputs: dict[str, Path], seed: int
) -> Path:
    """A ``job.json`` of the contract."""
    folder.mkdir(parents=True)
    table = {
        "schema_version": 1,
        "experiment": experiment,
        "name": "tiny",
        "parameters": parameters,
        "seed": seed,
        "execution": {"device": "cpu", "threads": 1, "determinism": "native"},
        "inputs": {
            name: {
                "path": os.path.relpath(path, folder),
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for name, path in inputs.items()
        },
    }
    path = folder / "job.json"
    path.write_text(json.dumps(table, sort_keys=True, indent=2) + "\n")
    return path


def carry_out(root: Path, changes: dict[str, Any], seed: int = SEED) -> dict[str, Any]:
    """Simulate, train and audit an arm; what labels and audit say of it.

    ``crashed`` names the job that did not end well, which no runner would take for a result.
    """
    parameters = declared(changes)
    said: dict[str, Any] = {"crashed": None, "labels": [], "audit": [], "level": None}
    for verb in ("simulate", "train"):
        if not run(root, verb, parameters, seed):
            return said | {"crashed": verb}
    if not run(root, "audit", parameters, seed):
        raise RuntimeError("the audit itself broke")
    report = json.loads((root / "audit" / "audit.json").read_text())
    return said | {
        "labels": labels(root, parameters, seed),
        "audit": report["differences"],
        "level": report["level"],
        "checks": report["checks"],
    }


def run(root: Path, verb: str, parameters: dict[str, Any], seed: int) -> bool:
    """One job of the contract in this process; whether it ended well."""
    from models import arm
    from models.__main__ import main

    arm.plot_reconstruction = arm.plot_losses = lambda *_: None  # type: ignore[assignment]
    arm.environment = lambda _device: {}  # type: ignore[assignment]
    inputs = {name: root / "simulate" / name for name in DATA} if verb != "simulate" else {}
    if verb == "simulate":
        parameters = {"dataset": parameters["dataset"]}
    if verb == "audit":
        inputs |= {f"arm/{path.name}": path for path in sorted((root / "train").iterdir())}
    job = write_job(root / f"job_{verb}", verb, parameters, inputs, seed)
    return main([verb, "--job", str(job), "--out", str(root / verb)]) == 0


def labels(root: Path, parameters: dict[str, Any], seed: int) -> list[str]:
    """Knobs whose labels differ from the plan, as the runner compares them."""
    from runner.verify.effective import compare_effective, compare_history

    effective, history = (
        json.loads((root / "train" / f"{name}.json").read_text())
        for name in ("effective_config", "history")
    )
    execution = SimpleNamespace(device="cpu", threads=1, determinism="native")
    differences = (
        *compare_effective(parameters, seed, execution, effective),
        *compare_history(effective, history),
    )
    return [difference.knob for difference in differences]


# --- sound arms of all kinds ---------------------------------------------------------------------


def drawn(number: int) -> tuple[dict[str, Any], int]:
    """Changes and seed of sound arm ``number``: any architecture, loss, clip, schedule, …"""
    rng = np.random.default_rng([20260128, number])
    while True:
        changes, seed = _draw(rng), int(rng.integers(0, 2**31))
        try:
            declared(changes)
        except ValueError:
            continue
        return changes, seed


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    def one(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    architecture = one("hybrid", "stable_hybrid", "hybrid_resnet", "fno", "cnn")
    model: dict[str, Any] = {
        "architecture": architecture,
        "hidden_channels": one(1, 2, 3, 4),
        "output_mode": one("real_imag", "real_imag", "amp_phase", "amp_phase_logits"),
        "input_transform": one("none", "none", "sqrt", "log1p", "instance_norm"),
        "activation_checkpointing": one(True, False, False),
        "fno_blocks": one(1, 2, 3),
        "modes": one(2, 4, 5, 7, 8),
    }
    if architecture != "cnn":
        model["corners"] = one(1, 2)
    else:
        model |= {"cnn_blocks": one(1, 2, 3), "fno_blocks": None, "modes": None}
    if architecture in ("hybrid", "stable_hybrid"):
        model["decoder_norm"] = one("none", "instance")
    if architecture == "stable_hybrid":
        model["stable_block"] = one("layerscale", "zero_gamma")
    if architecture in ("hybrid", "stable_hybrid", "cnn"):
        model["max_levels"] = one(None, None, 1, 2)
    if architecture not in ("fno",):
        model["max_hidden_channels"] = one(None, None, 4, 6)
    if architecture == "fno":
        model["cnn_blocks"] = one(1, 2)
    if architecture == "hybrid_resnet":
        model["fno_blocks"] = one(2, 3)
    optimizer = one(
        {"kind": "adam", "betas": [0.9, 0.999], "weight_decay": one(0.0, 0.0, 1e-3)},
        {"kind": "adam", "betas": [0.8, 0.99], "weight_decay": 0.0},
        {"kind": "adamw", "weight_decay": one(0.01, 0.1)},
        {"kind": "sgd", "momentum": one(0.0, 0.9), "weight_decay": one(0.0, 1e-3)},
    )
    scheduler = one(
        {"kind": "constant"},
        {"kind": "exponential", "gamma": 0.7},
        {"kind": "warmup_cosine", "warmup_epochs": one(0, 1), "min_ratio": 0.1},
        {"kind": "plateau", "patience": 0, "min_lr": 1e-7, "threshold": one(0.0, 0.5)},
    )
    clip = one(
        {"kind": "none"},
        {"kind": "norm", "max_norm": one(0.01, 1.0, 100.0)},
        {"kind": "value", "max_value": one(1e-3, 0.1)},
        {"kind": "agc", "clip_factor": one(0.01, 0.1)},
        {"kind": "agc_per_tensor", "clip_factor": one(0.01, 0.1)},
    )
    gridsize, stride = one(1, 1, 2), one(4, 8)
    probe = one({"probe": "ideal_disk"}, {"probe_defocus": 0.2}, {})
    return {
        "dataset": {
            "object_size": one(56, 64, 70),
            "patch_size": one(16, 16, 24, 32),
            "gridsize": gridsize,
            "train_stride": stride,
            "test_stride": stride if gridsize == 2 else one(4, 7, 8),
            "num_train_objects": one(1, 1, 2),
            "num_test_objects": one(1, 1, 2),
            "train_object_seed": int(rng.integers(1000)),
            "photons": one(1e9, 1e9, 1e5, 300.0),
            "set_phi": one(True, True, False),
            **probe,
        },
        "model": model,
        "train": {
            "epochs": one(1, 2, 3),
            "batch_size": one(3, 7, 10, 16),
            "inference_batch_size": one(3, 4, 8),
            "learning_rate": one(1e-4, 1e-3, 1e-2, 3e-2),
            "optimizer": optimizer,
            "scheduler": scheduler,
            "clip": clip,
            "loss": one("mae", "mae", "poisson"),
            "physics_gain": one(1.0, 17.4),
            "gain_per_batch": one(False, False, True),
            "validation": one("held_out", "held_out", "test"),
        },
        "diagnostics": {"audit_steps": one(2, 3), "grad_norm_every": one(1, 3)},
    }
