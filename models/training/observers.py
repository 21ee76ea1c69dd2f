"""What a fit writes down while it runs, from the live objects and nowhere else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from models.nets.generator import Generator
from models.physics.overlap import consistent
from models.training.module import PatchFit


class Inputs:
    """What a network has really been given: sizes of batches, in and out of training; devices."""

    def __init__(self, net: nn.Module) -> None:
        self.training: set[int] = set()
        self.inference: set[int] = set()
        self.devices: set[str] = set()
        net.register_forward_pre_hook(self._note)

    def _note(self, net: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (self.training if net.training else self.inference).add(len(inputs[0]))
        self.devices.add(inputs[0].device.type)

    def state_dict(self) -> dict[str, Any]:
        """What was noted so far."""
        return {name: sorted(getattr(self, name)) for name in ("training", "inference", "devices")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Have noted what another fit has; the devices of this one count as well."""
        self.training, self.inference = set(state["training"]), set(state["inference"])
        self.devices |= set(state["devices"])


class Recomputations:
    """Whether the backward pass computed a network's blocks again.

    With gradients, a block whose activations are kept is called once for each call of the network,
    and one that is computed again twice.
    """

    def __init__(self, net: Generator) -> None:
        self._net_calls = 0
        self._calls = [0] * len(net.checkpointed())
        net.register_forward_pre_hook(self._note_net)
        for index, block in enumerate(net.checkpointed()):
            block.register_forward_pre_hook(partial(self._note, index))

    def _note_net(self, _net: nn.Module, _inputs: object) -> None:
        self._net_calls += torch.is_grad_enabled()

    def _note(self, index: int, _block: nn.Module, _inputs: object) -> None:
        self._calls[index] += torch.is_grad_enabled()

    def state_dict(self) -> dict[str, Any]:
        """The calls so far."""
        return {"net_calls": self._net_calls, "calls": [*self._calls]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the calls of another fit."""
        self._net_calls, self._calls = state["net_calls"], [*state["calls"]]

    @property
    def by_block(self) -> list[bool | None]:
        """For each block whether it was computed again, ``None`` if neither always nor never."""
        readings = {self._net_calls: False, 2 * self._net_calls: True}
        return [readings.get(calls) for calls in self._calls]


class Calls:
    """Which modules of a network took part in its training: those that are made of no others.

    An empty list of modules is none: a network without halvings has such ones.
    """

    def __init__(self, net: nn.Module) -> None:
        self._net_calls = 0
        self._calls = {
            name: 0
            for name, module in net.named_modules()
            if not [*module.children()] and not isinstance(module, nn.ModuleList)
        }
        net.register_forward_pre_hook(self._note_net)
        for name in self._calls:
            net.get_submodule(name).register_forward_hook(partial(self._note, name))

    def _note_net(self, _net: nn.Module, _inputs: object) -> None:
        self._net_calls += torch.is_grad_enabled()

    def _note(self, name: str, _module: nn.Module, _inputs: object, _output: object) -> None:
        self._calls[name] += torch.is_grad_enabled()

    def state_dict(self) -> dict[str, Any]:
        """The calls so far."""
        return {"net_calls": self._net_calls, "calls": dict(self._calls)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the calls of another fit."""
        self._net_calls, self._calls = state["net_calls"], dict(state["calls"])

    @property
    def left_out(self) -> list[str]:
        """Names of modules that were called less often than the network."""
        return [name for name, calls in self._calls.items() if calls < self._net_calls]


class Gains:
    """The gain with which the first training batch was propagated, as the loss was given it.

    F is unitary: ‖X̂‖ = g·‖Ô·P‖, whatever the network makes of the batch.
    """

    def __init__(self, module: PatchFit) -> None:
        self.first: float | None = None
        """``None`` as long as there was none, NaN where it has no finite gain."""
        self.loss, self._module = module.loss, module
        self._patches_BCHW: Tensor | None = None
        module.net.register_forward_hook(self._note_patches)
        module.loss = self._noting

    def _note_patches(self, _net: nn.Module, _inputs: object, patches_BCHW: Tensor) -> None:
        if self.first is None and torch.is_grad_enabled():
            self._patches_BCHW = patches_BCHW.detach()

    def _noting(self, predicted_BCHW: Tensor, measured_BCHW: Tensor) -> Tensor:
        if self._patches_BCHW is not None:
            module = self._module
            patches_BCHW = consistent(self._patches_BCHW, module.training_offsets)
            sent = patches_BCHW * module.get_buffer("probe_HW")
            self.first = _norm(predicted_BCHW.detach()) / (_norm(sent) or math.nan)
            self._patches_BCHW = None
        return self.loss(predicted_BCHW, measured_BCHW)

    def state_dict(self) -> dict[str, float | None]:
        """The gain of the first batch, if there was one."""
        return {"first": self.first}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Have the gain that another fit had first."""
        self.first = state["first"]


def _norm(values: Tensor) -> float:
    return float(torch.linalg.vector_norm(values.abs().double()))


@dataclass
class MeanLoss:
    """Mean of a loss over the patches of an epoch; a batch counts by its size."""

    total: float = 0.0
    patches: int = 0

    def add(self, loss: float, patches: int) -> None:
        """Add the loss of a batch of ``patches``."""
        self.total += loss * patches
        self.patches += patches

    @property
    def value(self) -> float:
        """The mean so far; NaN before the first batch."""
        return self.total / self.patches if self.patches else math.nan
