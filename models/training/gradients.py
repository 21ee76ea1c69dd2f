"""Histograms of the gradient, one for each tensor of weights, on a fixed set of training patches.

Shapes: n patches, C channels, H = W = N pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from torch import Tensor
from typing_extensions import override

from models.training.batches import inference_batches
from models.training.inference import spread
from models.training.module import PatchFit
from models.training.weights import digest

NUM_PATCHES: Final = 64
"""Training patches that a gradient is taken on, spread evenly over them."""

LOG10_EDGES: Final[NDArray[np.float64]] = np.arange(-80, 17) / 4
"""Edges of the bins of log10|g|, a quarter of a decade each, from 1e-20 to 1e4."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TensorGradient:
    """The gradient with respect to one tensor of weights; of a complex one the modulus counts."""

    counts: NDArray[np.int64]
    """Elements in each bin of ``LOG10_EDGES``."""
    zero: int
    below: int
    """Elements below the first edge that are not zero."""
    above: int
    not_finite: int
    norm: float
    """L2 norm; NaN or infinite when an element is."""
    largest: float

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(self.counts.sum()) + self.zero + self.below + self.above + self.not_finite


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """The gradient of the mean loss over the patches, tensor by tensor, with one set of weights."""

    epoch: int | None
    """Epoch at whose end the weights were these, counted from 0; ``None`` for the initial ones."""
    weights_sha256: str
    num_patches: int
    loss: float
    tensors: dict[str, TensorGradient]
    """By the name of the parameter, in the order of the network's modules."""


def measure_gradients(
    module: PatchFit, train_nCHW: Tensor, batch_size: int, epoch: int | None
) -> Gradients:
    """Take the gradient of the training loss, as a step takes it and before any clipping.

    It is the mean over ``NUM_PATCHES`` patches, in batches of ``batch_size``, each counting by its
    size. What the optimizer knows, the ``grad`` of the weights among it, is left untouched.
    """
    net = module.net
    named = dict(net.named_parameters())
    device = next(net.parameters()).device
    patches_nCHW = spread(train_nCHW, NUM_PATCHES)
    total, loss = [torch.zeros_like(weight) for weight in named.values()], 0.0
    was_training = net.training
    net.train()
    with torch.enable_grad():
        for batch in inference_batches(patches_nCHW, batch_size):
            share = len(batch) / len(patches_nCHW)
            value = module.training_step(batch.to(device), 0)
            found = torch.autograd.grad(value, list(named.values()), materialize_grads=True)
            for sum_of, gradient in zip(total, found, strict=True):
                sum_of.detach().add_(gradient, alpha=share)
            loss += share * float(value.detach())
    net.train(was_training)
    return Gradients(
        epoch=epoch,
        weights_sha256=digest(net.state_dict()),
        num_patches=len(patches_nCHW),
        loss=loss,
        tensors={name: describe(gradient) for name, gradient in zip(named, total, strict=True)},
    )


def describe(gradient: Tensor) -> TensorGradient:
    """Histogram, norm and largest element of a gradient of any shape."""
    sizes = gradient.detach().abs().double().cpu().numpy().ravel()
    finite = sizes[np.isfinite(sizes)]
    logs = np.log10(finite[finite > 0])
    low, high = LOG10_EDGES[0], LOG10_EDGES[-1]
    return TensorGradient(
        counts=np.histogram(logs, LOG10_EDGES)[0].astype(np.int64),
        zero=int((finite == 0).sum()),
        below=int((logs < low).sum()),
        above=int((logs > high).sum()),
        not_finite=sizes.size - finite.size,
        norm=float(np.sqrt(np.square(sizes).sum())),
        largest=float(sizes.max()),
    )


class GradientsAtEpochs(Callback):
    """Takes the gradients at the end of named epochs, with the weights of the moment."""

    def __init__(
        self, epochs: Sequence[int], module: PatchFit, train_nCHW: Tensor, batch_size: int
    ) -> None:
        self.taken: list[Gradients] = []
        self._epochs, self._batch_size = frozenset(epochs), batch_size
        self._module, self._train_nCHW = module, train_nCHW

    @override
    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take them if this epoch is one of those that were named."""
        epoch = trainer.current_epoch
        if epoch in self._epochs:
            self.taken.append(
                measure_gradients(self._module, self._train_nCHW, self._batch_size, epoch)
            )

    @override
    def state_dict(self) -> dict[str, Any]:
        """Those that were taken so far."""
        return {
            "taken": [
                {
                    **vars(one),
                    "tensors": {
                        name: {**vars(gradient), "counts": torch.from_numpy(gradient.counts)}
                        for name, gradient in one.tensors.items()
                    },
                }
                for one in self.taken
            ]
        }

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Have those that another fit has taken."""
        self.taken = [
            Gradients(
                **{
                    **plain,
                    "tensors": {
                        name: TensorGradient(**{**gradient, "counts": gradient["counts"].numpy()})
                        for name, gradient in plain["tensors"].items()
                    },
                }
            )
            for plain in state_dict["taken"]
        ]
