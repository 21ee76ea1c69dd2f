"""What is looked into after the arms, and what is shown on the way, how files are called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from runner.experiment.interface import Advice, Captures, GivenFile, Progress, Stages

TWIN = (
    "the probe looks the same after a half turn, so that an object and its twin conj O(-r) have "
    "the same diffraction pattern: no single pattern can tell which of the two it shows"
)


def notes(metadata: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know of a dataset, by its ``metadata.json``."""
    if metadata.get("twin_ambiguity"):
        yield TWIN


CAPTURES = Captures(
    reports=("gradient_histograms", "activations"),
    checkpoints=("before_collapse", "at_collapse", "best", "last"),
    usual="at_collapse",
    last="last",
    listing="checkpoints.json",
    initial="initial weights",
    fields={
        "epoch": (
            int | None,
            Field(
                description="Epoch at whose end the weights were these, from 0; ``null`` for the "
                "initial ones."
            ),
        )
    },
)
PROGRESS = Progress(
    unit="epoch",
    resumed="resumed_from_epoch",
    fitting="fit",
    shown=(("train loss", "train_loss"), ("val loss", "val_loss"), ("lr", "learning_rate")),
)
PROBE = GivenFile(
    section="dataset",
    declared="probe_file",
    planned="probe_sha256",
    description="Measured probe: the path of an NPZ file, relative to the manifest's folder, that "
    "holds it under the key `probeGuess`. For probe `file` only.",
    array="probeGuess",
    noun="probe",
    name="probe.npz",
    notes=notes,
)
STAGE_A, STAGE_B = "stage_a", "stage_b"


def log_name(stage: str, arm: str) -> str:
    """Name of an arm's console log; the study names those of stage B without ``arm``."""
    return f"{stage}_{arm}.log" if stage == STAGE_B else f"{stage}_arm_{arm}.log"


def metrics_name(stage: str, phase: str) -> str:
    """Name of the table with one row per arm."""
    return f"{stage}_metrics_{phase}.json"


STAGES = Stages(names=(STAGE_A, STAGE_B), log=log_name, metrics=metrics_name)
ADVICE = Advice(time="lower train.epochs", memory="lower train.batch_size")
