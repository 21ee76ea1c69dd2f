"""Instance norm with the right gradient for a batch of one as well."""

from __future__ import annotations

from torch import Tensor, nn


class InstanceNorm(nn.InstanceNorm2d):
    """``nn.InstanceNorm2d``, for which a gradient is laid out as the values are.

    Torch's own takes N samples of C maps for one sample of N·C maps. With N = 1 that is a view, in
    which a gradient with its channels last stays so, and torch's backward pass on the CPU (2.13)
    then reads it in the wrong order: the result is wrong, without a word. Convolutions of one
    sample do give such gradients. Bits change in that case only.
    """

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Normalise each map by itself; the shape stays."""
        out = super().forward(x_BCHW)
        if out.requires_grad:
            out.register_hook(Tensor.contiguous)  # type: ignore[no-untyped-call]
        return out
