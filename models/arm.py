"""One arm from its input files to its output files.

The order of steps is that of ``train_arm``. What each file is, docs/contract.md tells.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from models.config import SCORE_DEFINITION, SCORED_PARTS, CheckpointEvery, Parameters
from models.data.npz import load_split
from models.diagnostics.capture import CAPTURES, Subject, title, write_gradients
from models.diagnostics.effective import LoadedData, effective_config
from models.diagnostics.environment import environment
from models.diagnostics.history_table import history_table
from models.diagnostics.stats import arm_stats
from models.evaluation.metrics import Scores, score
from models.evaluation.plots import plot_reconstruction
from models.evaluation.reconstruct import Reconstruction, reconstruct, save
from models.job import Events, Job, sha256_file, write_json
from models.log import say, warn
from models.nets.generator import Generator, count_live
from models.seeding import make_deterministic
from models.training.batches import as_tensor
from models.training.checkpoints import FILES, STOPPED, Checkpoint, checkpoints_of, store
from models.training.fit import Fit, prepare
from models.training.fit_checkpoints import Given, given_to
from models.training.history import History
from models.training.inference import infer
from models.training.loss_plot import plot_losses
from models.training.not_finite import NotFiniteError, Stop
from models.training.resumption import Checkpointing
from models.training.weights import State, save_state, state_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What a network made of the first test object."""

    reconstruction: Reconstruction
    scores: Scores


def train_arm(
    job: Job,
    parameters: Parameters,
    out: Path,
    events: Events,
    checkpoint_every: CheckpointEvery | None = None,
) -> None:
    """Fit, evaluate and describe one network; leaves every file of the contract in ``out``.

    With ``checkpoint_every`` it leaves states to go on from, too, and goes on from the one that
    lies beside the job.

    A fit that was ended as its numbers were not finite leaves what there is of it, and no scores.

    Raises:
        JobError: the checkpoint beside the job is not one of this job.
        DatasetError: an input is no dataset.
        ValueError: the dataset does not fit the parameters.
        RuntimeError: the device is missing or cannot compute deterministically.
    """
    started_at = time.perf_counter()
    make_deterministic(job.threads)
    data = load_data(job)
    given = None if checkpoint_every is None else given_to(job)
    fit = prepare(
        parameters,
        job.seed,
        data.train,
        data.test,
        device=job.device,
        events=events,
        evidence_to=out,
    )
    if checkpoint_every is not None:
        keep_going(fit, job, out, checkpoint_every, given)
    say_subject(job, parameters, fit)
    events.stage("fit")
    stop = fit.run()
    if stop is not None:
        write_stopped(fit, stop, data, out)
        write_json(out / "environment.json", environment(job.device))
        write_json(out / "timing.json", timing(fit.history, started_at, job.device, given))
        return
    events.stage("evaluate")
    fit.module.to(job.device)
    last = state_of(fit.net)
    best = fit.best_weights.state or last
    evaluations = {
        name: evaluate(fit.net, state, data, parameters)
        for name, state in (("best_epoch", best), ("last_epoch", last))
    }
    events.stage("write")
    stats = write_results(fit, evaluations, out)
    say_outcome(stats)
    checkpoints = keep_checkpoints(fit, out, collapsed=stats["collapse_epoch"] is not None)
    events.stage("diagnose")
    diagnose_fit(fit, data, parameters, checkpoints, out)
    write_json(out / "effective_config.json", effective_config(fit, data, out))
    write_json(out / "environment.json", environment(job.device))
    write_json(out / "timing.json", timing(fit.history, started_at, job.device, given))


def keep_going(fit: Fit, job: Job, out: Path, every: CheckpointEvery, given: Given | None) -> None:
    """Have a fit leave checkpoints in ``out``, and go on from the one that is ``given``."""
    callback = Checkpointing(fit, out, every=every, job_sha256=job.sha256, given=given)
    fit.trainer.callbacks.append(callback)  # type: ignore[attr-defined]


def say_subject(job: Job, parameters: Parameters, fit: Fit) -> None:
    """Say in the log what is fitted, and how."""
    train, batches = parameters.train, fit.batches
    say(f"arm {job.name}, seed {job.seed}, on {job.device} with {job.threads} threads")
    say(f"network {parameters.model.architecture}, {count_live(fit.net).live:,} live parameters")
    say(
        f"{len(batches.training_patches.diffraction_nCHW):,} patches to train on, "
        f"{len(batches.validation_patches.diffraction_nCHW):,} to validate, in batches of "
        f"{train.batch_size} samples"
    )
    say(
        f"optimizer {train.optimizer.kind}, rate {train.learning_rate:g}, schedule "
        f"{train.scheduler.kind}, clipping {train.clip.kind}, loss {train.loss}"
    )


def say_outcome(stats: dict[str, Any]) -> None:
    """Say in the log what the fit came to."""
    best, epoch = stats["val_loss_best"], stats["val_loss_best_epoch"]
    say(f"best validation loss {best}, of epoch {epoch}; of the last {stats['val_loss_final']}")
    for part in SCORED_PARTS:
        say(f"{part}: SSIM {stats[f'{part}_ssim']}, MAE {stats[f'{part}_mae']}")
    if stats["collapse_reason"]:
        since = stats["collapse_epoch"]
        suffix = "" if since is None else f", from epoch {since} on"
        warn(f"{stats['collapse_reason']}{suffix}")


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
    first = parameters.dataset.samples_per_object(parameters.dataset.test_stride)
    measured_nCHW, batch_size = as_tensor(data.test)[:first], parameters.train.inference_batch_size
    patches_nCHW = infer(net, measured_nCHW, batch_size, data.test.offsets)
    reconstruction = reconstruct(patches_nCHW, data.test, parameters.dataset)
    return Evaluation(reconstruction=reconstruction, scores=score(reconstruction))


def write_results(fit: Fit, evaluations: dict[str, Evaluation], out: Path) -> dict[str, Any]:
    """Write history, metrics, statistics, gradient norms, reconstruction and plots; the stats."""
    last = evaluations["last_epoch"]
    best = evaluations["best_epoch"]
    stats = arm_stats(fit, last.reconstruction, last.scores, best.scores)
    write_json(out / "stats.json", stats)
    write_json(out / "history.json", history_table(fit.history))
    write_json(out / "metrics.json", metrics_table(evaluations))
    (out / "grad_norms.csv").write_text(fit.module.gradients.csv(), encoding="utf-8")
    save(last.reconstruction, out / "recon.npz")
    plot_reconstruction(last.reconstruction, out / "recon.png")
    unfinished = "unfinished: the loss was still falling" if stats["unfinished"] else None
    fate = stats["collapse_reason"] or unfinished
    plot_losses(fit.history, stats["collapse_epoch"], out / "loss.png", fate)
    return stats


def write_stopped(fit: Fit, stop: Stop, data: LoadedData, out: Path) -> None:
    """Write what there is of a fit that was ended on its way: it is looked at, and not scored.

    The weights are those that it ended with, beside the best of the epochs that were finite.
    """
    warn(f"{NotFiniteError(stop)}; the fit ends here, as train.on_nan asks")
    save_state(state_of(fit.net), out / STOPPED)
    if fit.history.epochs:
        write_json(out / "history.json", history_table(fit.history))
        store([one for one in checkpoints_of(fit) if one.name == "best"], out)
        plot_losses(fit.history, None, out / "loss.png", str(NotFiniteError(stop)))
    (out / "grad_norms.csv").write_text(fit.module.gradients.csv(), encoding="utf-8")
    write_json(out / "effective_config.json", effective_config(fit, data, out, stop))


def keep_checkpoints(fit: Fit, out: Path, *, collapsed: bool) -> list[Checkpoint]:
    """Store the weights that a finished fit has kept; the sides of a collapse only if it did."""
    if fit.collapse_weights is not None and not collapsed:
        fit.collapse_weights.release()
    checkpoints = checkpoints_of(fit)
    store(checkpoints, out)
    return checkpoints


def diagnose_fit(
    fit: Fit, data: LoadedData, parameters: Parameters, checkpoints: list[Checkpoint], out: Path
) -> None:
    """Write the reports that were asked for, and those that a collapse calls for.

    The network, which has the last weights, ends with them.
    """
    last, _, *sides = checkpoints
    asked = parameters.diagnostics.activation_report
    if asked is not None:
        suffix = asked.removeprefix("activation_report").removesuffix(".json")
        CAPTURES["activations"](subject_of(fit, data, parameters, last, out), suffix, out)
    for side in sides:
        fit.net.load_state_dict(side.state)
        for capture in CAPTURES.values():
            capture(subject_of(fit, data, parameters, side, out), f"_{side.name}", out)
    fit.net.load_state_dict(last.state)
    for gradients in fit.gradients_at_epochs.taken:
        heading = title(parameters, "training", gradients.epoch)
        write_gradients(gradients, heading, f"_epoch_{gradients.epoch}", out)


def subject_of(
    fit: Fit, data: LoadedData, parameters: Parameters, checkpoint: Checkpoint, out: Path
) -> Subject:
    """What there is to look at once the fit's network has the weights of ``checkpoint``."""
    return Subject(
        module=fit.module,
        parameters=parameters,
        training_patches=fit.batches.training_patches.diffraction_nCHW,
        test_patches=as_tensor(data.test),
        name=checkpoint.name,
        epoch=checkpoint.epoch,
        checkpoint_sha256=sha256_file(out / FILES[checkpoint.name]),
    )


def metrics_table(evaluations: dict[str, Evaluation]) -> dict[str, Any]:
    """Metrics of both epochs; the reasons stand under the names of the stats."""
    last, best = (evaluations[name].scores for name in ("last_epoch", "best_epoch"))
    aligned = {
        name: {**scores.phase_aligned, "frc": scores.frc_phase_aligned}
        for name, scores in (("last_epoch", last), ("best_epoch", best))
    }
    return {
        "score_definition": SCORE_DEFINITION,
        "last_epoch": last.metrics,
        "best_epoch": best.metrics,
        "frc": {"last_epoch": last.frc, "best_epoch": best.frc},
        "phase_aligned": aligned,
        "null_reasons": {
            **last.null_reasons,
            **{f"best_{name}": reason for name, reason in best.null_reasons.items()},
        },
    }


def timing(
    history: History, started_at: float, device: str, given: Given | None = None
) -> dict[str, float | int | None]:
    """Observational: seconds of this attempt, training steps a second, most memory in use.

    The memory is the device's on a GPU, and otherwise the largest resident set of the process.
    Where it went on from a checkpoint, the epochs that had been done; the steps are all steps.
    """
    resumed = {} if given is None else {"resumed_from_epoch": given.epochs}
    steps = sum(epoch.steps for epoch in history.epochs)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "wall_s": time.perf_counter() - started_at,
        "steps_per_s": steps / history.training_s if history.training_s else None,
        "peak_memory_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else resident,
        **resumed,
    }
