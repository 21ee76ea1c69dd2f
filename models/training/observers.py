"""What a fit writes down while it runs, from the live objects and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor, nn

from models.training.clipping import total_norm


@dataclass(frozen=True, kw_only=True)
class GradientNorm:
    """Total L2 norm of the gradient of one step, before and after clipping."""

    step: int
    epoch: int
    pre_clip: float
    post_clip: float


@dataclass
class GradientNorms:
    """The trace of gradient norms, every ``every`` steps from step 0 on."""

    every: int
    trace: list[GradientNorm] = field(default_factory=list)

    @contextmanager
    def measuring(
        self, parameters: Sequence[nn.Parameter], step: int, epoch: int
    ) -> Iterator[None]:
        """Measure on entry and on exit; what runs in between is the clipping."""
        if step % self.every:
            yield
            return
        before = total_norm(parameters)
        yield
        after = total_norm(parameters)
        self.trace.append(GradientNorm(step=step, epoch=epoch, pre_clip=before, post_clip=after))

    def csv(self) -> str:
        """The trace as ``step,epoch,pre_clip,post_clip``, nine digits, which float32 needs."""
        rows = (f"{n.step},{n.epoch},{n.pre_clip:.9g},{n.post_clip:.9g}\n" for n in self.trace)
        return "step,epoch,pre_clip,post_clip\n" + "".join(rows)


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
