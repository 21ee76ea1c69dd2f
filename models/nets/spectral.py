"""Spectral convolution: a learned linear map of the lowest Fourier modes.

Shape suffixes: B batch, I input channels, O output channels, H rows, W columns, K kept rows,
L kept columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.config import kept_modes


class SpectralConvolution(nn.Module):
    """Multiply the low modes of a map by a matrix over channels, and drop all others.

    Ŷ[b,o,k,l] = Σ_i X̂[b,i,k,l]·R[i,o,k,l] for the kept modes and 0 elsewhere, with X̂ = rfft2(x) and
    y = irfft2(Ŷ) (Li et al. 2021, "Fourier Neural Operator"). With ``corners`` 1 the kept rows are
    0 ≤ k < M, with 2 also the rows −M ≤ k < 0; the kept columns are 0 ≤ l < M. Only modes that a
    ``side``×``side`` map has are allocated.

    ``weight`` is R with the modes in front, (K, L, I, O): each mode is then one contiguous matrix,
    which saves a transposition of all weights in every step.
    """

    def __init__(self, inputs: int, outputs: int, *, modes: int, corners: int, side: int) -> None:
        super().__init__()
        self.modes, self.corners, self.side = modes, corners, side
        self.rows_up, self.rows_down, self.columns = kept_modes(side, modes, corners)
        rows = self.rows_up + self.rows_down
        self.weight = nn.Parameter(
            torch.empty(rows, self.columns, inputs, outputs, dtype=torch.complex64)
        )

    @property
    def num_nominal(self) -> int:
        """Parameters as published counts have them: M×M modes per corner, read or not."""
        return self.corners * self.modes**2 * self.weight.shape[2] * self.weight.shape[3]

    def forward(self, x_BIHW: Tensor) -> Tensor:
        """Map (B, I, side, side) to (B, O, side, side), both real.

        The transform is taken axis by axis, so that rows are transformed for kept columns only.
        """
        modes_BIHL = torch.fft.fft(torch.fft.rfft(x_BIHW)[..., : self.columns], dim=-2)
        modes_BOKL = torch.einsum("bikl,klio->bokl", self._keep(modes_BIHL), self.weight)
        columns_BOHL = torch.fft.ifft(self._place(modes_BOKL), n=self.side, dim=-2)
        y_BOHW: Tensor = torch.fft.irfft(columns_BOHL, n=self.side)
        return y_BOHW

    def _keep(self, modes_BIHL: Tensor) -> Tensor:
        up = modes_BIHL[..., : self.rows_up, :]
        if not self.rows_down:
            return up
        return torch.cat([up, modes_BIHL[..., self.side - self.rows_down :, :]], dim=-2)

    def _place(self, modes_BOKL: Tensor) -> Tensor:
        """Put zeros between the corners; those behind a single corner are the transform's own."""
        if not self.rows_down:
            return modes_BOKL
        batch, outputs, rows, columns = modes_BOKL.shape
        gap = modes_BOKL.new_zeros(batch, outputs, self.side - rows, columns)
        up, down = modes_BOKL[..., : self.rows_up, :], modes_BOKL[..., self.rows_up :, :]
        return torch.cat([up, gap, down], dim=-2)
