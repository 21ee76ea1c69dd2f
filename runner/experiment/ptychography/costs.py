"""How much memory and time an arm will take, by formula: the host has no torch to try it with.

The figures of memory are compared with measured ones in docs/estimates.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from models.config import (
    Adam,
    AdamW,
    Dataset,
    Parameters,
    Sgd,
    count_parameters,
    level_widths,
    report_numbers,
    stages_of,
    step_numbers,
    step_operations,
    steps_per_epoch,
)
from runner.experiment.interface import Costs, Memory, Size

PROGRAM_BYTES = 570 * 2**20
"""Resident memory of the job's program with torch, Lightning and the plots' library, without data
and network; measured on CPU builds. CUDA's own libraries take more of the host's memory."""

STEP_OVERHEAD_S = 0.015
OPERATIONS_PER_THREAD_S = 80e9
"""With the overhead, these give the time of a step on CPU cores of the 2020s within a factor of two
or so: 0.4 s at N = 64, h = 32, n = 4 on two threads, 0.025 s at N = 32, h = 8, n = 3 on one."""


def arm_size(parameters: Parameters) -> Size:
    """Parameters of the network."""
    counted = count_parameters(parameters)
    return Size(live=counted.live, nominal=counted.nominal)


def num_steps(parameters: Parameters) -> int:
    """Optimisation steps of the whole fit."""
    return parameters.train.epochs * steps_per_epoch(parameters.dataset, parameters.train)


@lru_cache(maxsize=256)
def arm_memory(parameters: Parameters, device: str) -> Memory:
    """The largest of what training, the end of an epoch, writing and the reports take.

    Copies of the weights: training has them, their gradients and the optimizer's averages; beside
    them are kept the best epoch's and, for a collapse, the latest epoch's. At the end of an epoch
    one more is made, at the end of the fit the last epoch's and, for writing, one in a file's
    format.
    """
    states = _optimizer_states(parameters)
    weights = 4 * sum(stage.weights for stage in stages_of(parameters))
    beside = 1 + parameters.diagnostics.on_collapse
    step = 4 * step_numbers(parameters)
    report = 4 * report_numbers(parameters) * parameters.diagnostics.activations
    held = PROGRAM_BYTES + loaded_bytes(parameters.dataset)
    if device == "cuda":
        return Memory(
            host_bytes=held + (beside + 2) * weights + report,
            gpu_bytes=(1 + states) * weights + step,
        )
    phases = {
        "training": (1 + states + beside) * weights + step,
        "end of an epoch": (3 + states + beside) * weights,
        "evaluation": (3 + states + beside) * weights + _patches_bytes(parameters),
        "writing": (4 + states + beside) * weights,
        "reports": (3 + states + beside) * weights + report,
    }
    return Memory(host_bytes=held + max(phases.values()))


def _optimizer_states(parameters: Parameters) -> int:
    """Copies of the weights' size that the optimizer keeps."""
    optimizer = parameters.train.optimizer
    if isinstance(optimizer, Sgd):
        return int(optimizer.momentum > 0)
    assert isinstance(optimizer, Adam | AdamW)
    return 2


def _patches_bytes(parameters: Parameters) -> int:
    """Complex patches of the first test object, in batches and then in one array."""
    dataset = parameters.dataset
    samples = dataset.samples_per_object(dataset.test_stride)
    return 2 * 8 * samples * dataset.gridsize**2 * dataset.patch_size**2


def loaded_bytes(dataset: Dataset) -> int:
    """The dataset in an arm's memory: several channels are copied into the order of the network."""
    copied = 4 * _num_pixels(dataset) if dataset.gridsize > 1 else 0
    return dataset_bytes(dataset) + copied


def dataset_bytes(dataset: Dataset) -> int:
    """Size of the stored dataset: three float32 maps a patch, objects in complex64."""
    objects = dataset.num_train_objects + dataset.num_test_objects
    return 12 * _num_pixels(dataset) + 8 * objects * dataset.object_size**2


def _num_pixels(dataset: Dataset) -> int:
    """Pixels of all patches of both splits; a sample has a patch in each of its channels."""
    samples = sum(
        objects * dataset.samples_per_object(stride)
        for objects, stride in (
            (dataset.num_train_objects, dataset.train_stride),
            (dataset.num_test_objects, dataset.test_stride),
        )
    )
    return samples * dataset.gridsize**2 * dataset.patch_size**2


def stored_bytes(num_parameters: int) -> int:
    """Size of the weights that an arm stores at its end: the last and the best, in float32."""
    return 8 * num_parameters


def audit_bytes(parameters: Parameters, num_parameters: int) -> int:
    """Most that the states take which an arm leaves for its audit: weights and two averages."""
    steps = parameters.diagnostics.audit_steps
    return 3 * (steps + 1) * 12 * num_parameters if steps else 0


def fit_state_bytes(parameters: Parameters, num_parameters: int) -> int:
    """Size of a state to go on from: weights and averages, the best, both sides of a collapse."""
    copies = 2 + _optimizer_states(parameters) + 2 * parameters.diagnostics.on_collapse
    return 4 * copies * num_parameters


def cpu_seconds(parameters: Parameters, steps: int, threads: int) -> float:
    """Rough time of an arm's training on a CPU; see ``OPERATIONS_PER_THREAD_S``."""
    operations = step_operations(parameters)
    return steps * (STEP_OVERHEAD_S + operations / (OPERATIONS_PER_THREAD_S * threads))


def savings(parameters: Parameters, device: str) -> list[tuple[str, Memory]]:
    """Changes of single knobs that would take less memory, with what they would take."""
    found = []
    before = arm_memory(parameters, device)
    for table, knob, value in _smaller(parameters):
        changed = parameters.model_dump(mode="json")
        changed[table][knob] = value
        after = arm_memory(Parameters.model_validate(changed, strict=False), device)
        size = after.gpu_bytes if device == "cuda" else after.host_bytes
        if size < (before.gpu_bytes if device == "cuda" else before.host_bytes):
            shown = "true" if value is True else str(value)
            found.append((f"{table}.{knob} = {shown}", after))
    return found


def _smaller(parameters: Parameters) -> Iterator[tuple[str, str, Any]]:
    """Knobs that make memory, each with a smaller value than it has."""
    model, batch = parameters.model, parameters.train.batch_size
    if not model.activation_checkpointing:
        yield "model", "activation_checkpointing", True
    if batch > 1:
        yield "train", "batch_size", batch // 2
    widest = max(level_widths(model))
    if widest > model.hidden_channels:
        yield "model", "max_hidden_channels", max(widest // 2, model.hidden_channels)
    if model.num_halvings > 1 and model.architecture != "hybrid_resnet":
        yield "model", "max_levels", model.num_halvings - 1


COSTS = Costs(
    size=arm_size,
    steps=num_steps,
    memory=arm_memory,
    cpu_seconds=cpu_seconds,
    savings=savings,
    dataset_bytes=dataset_bytes,
    stored_bytes=stored_bytes,
    audit_bytes=audit_bytes,
    fit_state_bytes=fit_state_bytes,
)
