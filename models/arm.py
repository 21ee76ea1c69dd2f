"""One arm from its input files to its output files; and a report on a checkpoint.

The order of steps is that of ``train_arm``. What each file is, docs/contract.md tells.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.config import Parameters
from models.data.npz import load_split
from models.diagnostics.activations import activation_report
from models.diagnostics.effective import LoadedData, effective_config
from models.diagnostics.environment import environment
from models.diagnostics.stats import arm_stats, finite
from models.evaluation.metrics import Scores, score
from models.evaluation.plots import plot_reconstruction
from models.evaluation.reconstruct import Reconstruction, reconstruct, save
from models.job import Events, Job, sha256_file, write_json
from models.nets.generator import Generator
from models.nets.registry import outline
from models.seeding import make_deterministic
from models.training.batches import as_tensor
from models.training.fit import Fit, prepare
from models.training.history import History
from models.training.inference import infer
from models.training.loss_plot import plot_losses
from models.training.weights import State, save_state, state_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a network made of the first test object."""

    reconstruction: Reconstruction
    scores: Scores


def train_arm(job: Job, parameters: Parameters, out: Path, events: Events) -> None:
    """Fit, evaluate and describe one network; leaves every file of the contract in ``out``.

    Raises:
        DatasetError: an input is no dataset.
        ValueError: the dataset does not fit the parameters.
        RuntimeError: the device is missing or cannot compute deterministically.
    """
    started_at = time.perf_counter()
    make_deterministic(job.threads)
    data = load_data(job)
    fit = prepare(parameters, job.seed, data.train, data.test, device=job.device, events=events)
    events.stage("fit")
    fit.run()
    events.stage("evaluate")
    fit.net.to(job.device)
    last = state_of(fit.net)
    best = fit.best_weights.state or last
    evaluations = {
        name: evaluate(fit.net, state, data, parameters)
        for name, state in (("best_epoch", best), ("last_epoch", last))
    }
    events.stage("write")
    save_state(last, out / "model.pt")
    save_state(best, out / "model_best.pt")
    write_results(fit, evaluations, out)
    if parameters.diagnostics.activation_report is not None:
        events.stage("activations")
        report = report_on(fit.net, parameters, data, out / "model.pt")
        write_json(out / parameters.diagnostics.activation_report, report)
    write_json(out / "effective_config.json", effective_config(fit, data, out))
    write_json(out / "environment.json", environment(job.device))
    write_json(out / "timing.json", timing(fit.history, started_at, job.device))


def load_data(job: Job) -> LoadedData:
    """Read the dataset; its digests are taken again from the bytes on disk."""
    paths = {name: given.path for name, given in job.inputs.items()}
    return LoadedData(
        train=load_split(paths["train.npz"]),
        test=load_split(paths["test.npz"]),
        metadata=json.loads(paths["metadata.json"].read_text(encoding="utf-8")),
        sha256={name: sha256_file(path) for name, path in paths.items()},
    )


def evaluate(net: Generator, state: State, data: LoadedData, parameters: Parameters) -> Evaluation:
    """Reconstruct the first test object with the weights ``state``, which the network keeps."""
    net.load_state_dict(state)
    first = parameters.dataset.patches_per_object(parameters.dataset.test_stride)
    measured_nCHW = as_tensor(data.test)[:first]
    patches_nCHW = infer(net, measured_nCHW, parameters.train.inference_batch_size)
    reconstruction = reconstruct(patches_nCHW[:, 0], data.test, parameters.dataset)
    return Evaluation(reconstruction=reconstruction, scores=score(reconstruction))


def write_results(fit: Fit, evaluations: dict[str, Evaluation], out: Path) -> None:
    """Write history, metrics, statistics, gradient norms, reconstruction and plots."""
    last = evaluations["last_epoch"]
    stats = arm_stats(fit, last.reconstruction, last.scores)
    write_json(out / "stats.json", stats)
    write_json(out / "history.json", history_table(fit.history))
    write_json(out / "metrics.json", metrics_table(evaluations))
    (out / "grad_norms.csv").write_text(fit.module.gradients.csv(), encoding="utf-8")
    save(last.reconstruction, out / "recon.npz")
    plot_reconstruction(last.reconstruction, out / "recon.png")
    plot_losses(fit.history, stats["collapse_epoch"], out / "loss.png")


def history_table(history: History) -> dict[str, list[float | None]]:
    """One entry an epoch; null for what was not finite."""

    def column(values: Sequence[float]) -> list[float | None]:
        return [finite(value) for value in values]

    return {
        "train_loss": column([epoch.train_loss for epoch in history.epochs]),
        "val_loss": column([epoch.val_loss for epoch in history.epochs]),
        "learning_rate": column([epoch.learning_rates[0] for epoch in history.epochs]),
        "recon_amp_rel_std": column([epoch.recon_amp_rel_std for epoch in history.epochs]),
    }


def metrics_table(evaluations: dict[str, Evaluation]) -> dict[str, Any]:
    """Metrics of both epochs; the reasons of the last one under the plain names of the stats."""
    last, best = (evaluations[name].scores for name in ("last_epoch", "best_epoch"))
    return {
        "last_epoch": last.metrics,
        "best_epoch": best.metrics,
        "frc": {"last_epoch": last.frc, "best_epoch": best.frc},
        "null_reasons": {
            **last.null_reasons,
            **{f"best_epoch.{name}": reason for name, reason in best.null_reasons.items()},
        },
    }


def timing(history: History, started_at: float, device: str) -> dict[str, float | int | None]:
    """Observational: seconds of the whole job, training steps a second, most memory in use.

    The memory is the device's on a GPU, and otherwise the largest resident set of the process.
    """
    steps = sum(epoch.steps for epoch in history.epochs)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "wall_s": time.perf_counter() - started_at,
        "steps_per_s": steps / history.training_s,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else resident,
    }


def report_on(
    net: Generator, parameters: Parameters, data: LoadedData, checkpoint: Path
) -> dict[str, Any]:
    """The activation report of a network on test patches."""
    return activation_report(
        net,
        as_tensor(data.test),
        architecture=parameters.model.architecture,
        batch_size=parameters.train.inference_batch_size,
        checkpoint_sha256=sha256_file(checkpoint),
    )


def report_on_checkpoint(
    checkpoint: Path, parameters: Parameters, npz: Path, *, device: str, threads: int
) -> dict[str, Any]:
    """The activation report of a stored checkpoint on the patches of any split.

    Raises:
        DatasetError: ``npz`` is no dataset.
        RuntimeError: the checkpoint does not belong to the parameters' network.
        pickle.UnpicklingError: the checkpoint holds anything but tensors.
    """
    make_deterministic(threads)
    split = load_split(npz)
    _, side, _, channels = split.diffraction.shape
    net = outline(parameters.model, side=side, channels=channels)
    state = torch.load(checkpoint, map_location=device, weights_only=True)
    net.load_state_dict(state, assign=True)
    return activation_report(
        net,
        as_tensor(split),
        architecture=parameters.model.architecture,
        batch_size=parameters.train.inference_batch_size,
        checkpoint_sha256=sha256_file(checkpoint),
    )
