"""Reports on a stored checkpoint, made after its arm has ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from models.arm import load_data
from models.config import Diagnose, Parameters
from models.data.npz import load_split
from models.diagnostics.activations import activation_report
from models.diagnostics.capture import CAPTURES, Subject
from models.diagnostics.environment import environment
from models.job import CHECKPOINT, Events, Job, sha256_file, write_json
from models.nets.generator import Generator
from models.nets.registry import outline
from models.physics.diffraction import normalise_probe
from models.seeding import make_deterministic
from models.training.batches import as_tensor, make_division
from models.training.gradient_norms import GradientNorms
from models.training.module import PatchFit
from models.training.weights import load_state


def diagnose_checkpoint(
    job: Job, parameters: Parameters, wanted: Diagnose, out: Path, events: Events
) -> None:
    """Write the reports that are ``wanted`` into ``out``, on the patches of the checkpoint's arm.

    They are those that the arm itself would have written with these weights.

    Raises:
        DatasetError: an input is no dataset.
        CheckpointError: the checkpoint holds anything but the tensors of the parameters' network.
    """
    make_deterministic(job.threads)
    data = load_data(job)
    train_nCHW, test_nCHW = as_tensor(data.train), as_tensor(data.test)
    division = make_division(parameters.train, len(train_nCHW))
    checkpoint = job.inputs[CHECKPOINT].path
    _, channels, side, _ = train_nCHW.shape
    net = stored_network(checkpoint, parameters, side=side, channels=channels)
    module = PatchFit(
        net,
        normalise_probe(torch.from_numpy(data.train.probe_guess)),
        parameters.train,
        GradientNorms(1),
        training_offsets=data.train.offsets,
    )
    subject = Subject(
        module=module.to(job.device),
        parameters=parameters,
        training_patches=division.apply(train_nCHW, test_nCHW)[0],
        test_patches=test_nCHW,
        name=wanted.name,
        epoch=wanted.epoch,
        checkpoint_sha256=sha256_file(checkpoint),
    )
    for report in wanted.reports:
        events.stage(report)
        CAPTURES[report](subject, "", out)
    write_json(out / "environment.json", environment(job.device))


def stored_network(
    checkpoint: Path, parameters: Parameters, *, side: int, channels: int
) -> Generator:
    """The parameters' network with the weights of a checkpoint, on the CPU."""
    net = outline(parameters.model, side=side, channels=channels)
    load_state(checkpoint, net)
    return net


def report_on_checkpoint(
    checkpoint: Path, parameters: Parameters, npz: Path, *, device: str, threads: int
) -> dict[str, Any]:
    """The activation report of a stored checkpoint on the patches of any split.

    Raises as ``diagnose_checkpoint`` does.
    """
    make_deterministic(threads)
    split = load_split(npz)
    _, side, _, channels = split.diffraction.shape
    net = stored_network(checkpoint, parameters, side=side, channels=channels)
    return activation_report(
        net.to(device),
        as_tensor(split),
        architecture=parameters.model.architecture,
        batch_size=parameters.train.inference_batch_size,
        checkpoint_sha256=sha256_file(checkpoint),
    )
