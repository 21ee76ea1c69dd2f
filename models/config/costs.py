"""What an experiment costs: parameters and operations of its network, by formula."""

from __future__ import annotations

from models.config.anatomy import Part, Stage
from models.config.networks import network_stages
from models.config.parameters import Parameters
from models.config.sizes import ParameterCount

REPORT_SAMPLES = 32
"""Patches that an activation report looks at."""


def stages_of(parameters: Parameters) -> tuple[Stage, ...]:
    """Stages of the network that ``parameters`` describe, for patches of their dataset."""
    dataset = parameters.dataset
    return network_stages(parameters.model, side=dataset.patch_size, channels=dataset.gridsize**2)


def count_parameters(parameters: Parameters) -> ParameterCount:
    """Number of parameters that the network of ``parameters`` will have, without building it."""
    parts = _parts(parameters)
    return ParameterCount(
        live=sum(part.live for part in parts), nominal=sum(part.nominal for part in parts)
    )


def step_operations(parameters: Parameters) -> float:
    """Operations of one training step; the backward pass counts twice."""
    forward = sum(part.operations for part in _parts(parameters))
    return 3.0 * parameters.train.batch_size * forward


def step_numbers(parameters: Parameters) -> int:
    """Most numbers that activations and gradients take at once during a training step.

    The backward pass goes through the parts from the last to the first. At each, what is kept of
    the parts up to it is still there, and so are the weights' gradients from there on. With
    checkpointing only its inputs are kept of a stage, until the backward pass has come to it.
    """
    stages, batch = stages_of(parameters), parameters.train.batch_size
    again = parameters.model.activation_checkpointing
    gradients = most = 0
    kept = sum(_kept(stage, again=again) for stage in stages)
    for stage in reversed(stages):
        kept -= _kept(stage, again=again)
        inside = stage.kept + (stage.given if again and stage.recomputable else 0)
        for part in reversed(stage.parts):
            gradients += part.weights
            most = max(most, gradients + batch * (kept + inside + part.passing))
            inside -= part.kept
    return most


def report_numbers(parameters: Parameters) -> int:
    """Numbers that an activation report holds at once: the outputs of all layers for its samples.

    A block's own output and the place of a decoder's norm count beside the outputs of their parts.
    """
    stages = stages_of(parameters)
    made = sum(part.made for part in _parts(parameters)) + sum(stage.given for stage in stages)
    return REPORT_SAMPLES * made


def _kept(stage: Stage, *, again: bool) -> int:
    return stage.given if again and stage.recomputable else stage.kept


def _parts(parameters: Parameters) -> list[Part]:
    return [part for stage in stages_of(parameters) for part in stage.parts]
