"""A network applied without learning. Shapes: n samples, C channels, H = W = N pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.physics.overlap import Offsets, consistent
from models.training.batches import inference_batches


def infer(
    net: nn.Module, diffraction_nCHW: Tensor, batch_size: int, offsets: Offsets | None = None
) -> NDArray[np.complex64]:
    """Complex patches of all measured amplitudes, (n, C, N, N), in their order.

    With ``offsets`` those of a sample are made to agree where they overlap, as the forward model
    has them; without, they are what the network says. The network is left in the mode, training or
    not, in which it was.
    """
    device = next(net.parameters()).device
    was_training = net.training
    net.eval()
    with torch.no_grad():
        batches = [
            net(batch.to(device)).cpu() for batch in inference_batches(diffraction_nCHW, batch_size)
        ]
        if offsets is not None:
            batches = [consistent(batch, offsets) for batch in batches]
    net.train(was_training)
    patches: NDArray[np.complex64] = torch.cat(batches).numpy()
    return patches


def spread(patches_nCHW: Tensor, count: int) -> Tensor:
    """Up to ``count`` patches, evenly spaced from the first to the last."""
    chosen = np.unique(np.linspace(0, len(patches_nCHW) - 1, count).round().astype(int))
    return patches_nCHW[torch.as_tensor(chosen)]
