"""The norms of a fit's gradients, before and after they are clipped."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from models.training.clipping import Clipper, total_norm


@dataclass(frozen=True, kw_only=True)
class GradientNorm:
    """Total L2 norm of the gradient of one step, before and after clipping."""

    step: int
    epoch: int
    pre_clip: float
    post_clip: float
    bounded: float = math.nan
    """What the clipper bounds, as it was after clipping."""


@dataclass
class GradientNorms:
    """The trace of gradient norms, every ``every`` steps from step 0 on."""

    every: int
    trace: list[GradientNorm] = field(default_factory=list)

    @contextmanager
    def measuring(
        self, parameters: Sequence[nn.Parameter], clipper: Clipper, step: int, epoch: int
    ) -> Iterator[None]:
        """Measure on entry and on exit; what runs in between is the clipping of ``clipper``."""
        if step % self.every:
            yield
            return
        before = total_norm(parameters)
        yield
        after, bounded = total_norm(parameters), clipper.measure()
        self.trace.append(
            GradientNorm(step=step, epoch=epoch, pre_clip=before, post_clip=after, bounded=bounded)
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The trace so far."""
        norms = [(n.pre_clip, n.post_clip, n.bounded) for n in self.trace]
        return {
            "places": torch.tensor([(n.step, n.epoch) for n in self.trace], dtype=torch.int64),
            "norms": torch.tensor(norms, dtype=torch.float64),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Have the trace of another fit so far."""
        rows = zip(state["places"].tolist(), state["norms"].tolist(), strict=True)
        self.trace = [
            GradientNorm(step=step, epoch=epoch, pre_clip=before, post_clip=after, bounded=bounded)
            for (step, epoch), (before, after, bounded) in rows
        ]

    def csv(self) -> str:
        """The trace as ``step,epoch,pre_clip,post_clip``, nine digits, which float32 needs."""
        rows = (f"{n.step},{n.epoch},{n.pre_clip:.9g},{n.post_clip:.9g}\n" for n in self.trace)
        return "step,epoch,pre_clip,post_clip\n" + "".join(rows)
