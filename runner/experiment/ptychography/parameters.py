"""The parameters of an arm: their sections, their draws, what is refused of them."""

from __future__ import annotations

from typing import Any

from models.config import Dataset, Diagnostics, Model, Parameters, Train, refusals, remarks
from runner.experiment.interface import ParameterSpace, Section, Tables

RECORDING = "diagnostics"

DATASET = Section(
    name="dataset",
    table=Dataset,
    of_phase="The simulated data, one set for all arms that change nothing in it.",
    of_profile="The simulated data; see `dataset`.",
    of_arm="The simulated data; see `dataset`. Arms with the same dataset share one simulation.",
    of_axes="Axes over knobs of the dataset; each dataset is simulated once.",
    of_together="Knobs of the dataset.",
    of_included="Knobs of its dataset.",
)
MODEL = Section(
    name="model",
    table=Model,
    of_phase="The network.",
    of_profile="The network; see `model`.",
    of_arm="The network; see `model`.",
    of_axes="Axes over knobs of the network.",
    of_together="Knobs of the network.",
    of_included="Knobs of the network.",
)
TRAIN = Section(
    name="train",
    table=Train,
    of_phase="How the network is fitted.",
    of_profile="How it is fitted; see `train`.",
    of_arm="How it is fitted; see `train`.",
    of_axes="Axes over knobs of the fit.",
    of_together="Knobs of the fit.",
    of_included="Knobs of the fit.",
)
DIAGNOSTICS = Section(
    name=RECORDING,
    table=Diagnostics,
    of_phase="What an arm records beside its results.",
    of_profile="What an arm records beside its results; see `diagnostics`.",
    of_arm="What an arm records beside its results; see `diagnostics`.",
    of_axes="Axes over what an arm records.",
    of_together="What an arm records.",
    of_included="What it records.",
)


def recorded_for_audit(steps: int) -> dict[str, dict[str, Any]]:
    """The tables that have an arm leave states for an audit of so many steps in a row."""
    return {RECORDING: {"audit_steps": steps}}


def audited_steps(tables: Tables) -> int:
    """For how many steps in a row an arm leaves states; 0 for one that leaves none."""
    recording = tables.get(RECORDING)
    return int(recording.get("audit_steps") or 0) if isinstance(recording, dict) else 0


def architecture(tables: Tables) -> str:
    """Name of the network, ``"?"`` for an experiment that has none."""
    model = tables.get("model")
    return str(model.get("architecture", "?")) if isinstance(model, dict) else "?"


PARAMETERS = ParameterSpace(
    table=Parameters,
    sections=(DATASET, MODEL, TRAIN, DIAGNOSTICS),
    recording=RECORDING,
    noise=("seed",),
    objects=("train_object_seed", "test_object_seed"),
    refusals=refusals,
    remarks=remarks,
    recorded_for_audit=recorded_for_audit,
    audited_steps=audited_steps,
    subject=architecture,
    subject_word="network",
    subject_key="architecture",
    data_words="The objects, the scan and the photon noise",
)
