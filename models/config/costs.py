"""What an experiment costs: parameters and operations of its network, by formula."""

from __future__ import annotations

from models.config.anatomy import Part, Stage
from models.config.networks import network_stages
from models.config.parameters import Parameters
from models.config.sizes import ParameterCount


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


def _parts(parameters: Parameters) -> list[Part]:
    return [part for stage in stages_of(parameters) for part in stage.parts]
