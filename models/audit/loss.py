"""From complex patches to a loss, and its gradient sample by sample.

Shapes: B samples of C = gridsize² patches of N×N pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.audit.network import Weights, forward
from models.audit.report import TWIN
from models.audit.streams import Declared

CHUNK = 4
"""Samples whose gradient is taken at a time: bounds memory."""
DRAWS = 4
"""Draws of random signs by which ``undecided`` takes its bound."""


def normalised(probe: Tensor) -> Tensor:
    """P / (4·mean|M·P|), M the disk of radius N/4 about the half-pixel centre; complex128."""
    side = len(probe)
    axis = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    disk = axis[:, None] ** 2 + axis[None, :] ** 2 < (side / 4) ** 2
    wide = probe.to(torch.complex128)
    return wide / (4 * (disk * wide.abs()).mean())


def agreed(patches: Tensor, stride: int) -> Tensor:
    """Patches of a sample replaced by the mean of all that show a pixel; one patch as it is."""
    if patches.shape[1] == 1:
        return patches
    side = patches.shape[-1]
    canvas = patches.new_zeros(len(patches), side + stride, side + stride)
    count = torch.zeros(side + stride, side + stride, dtype=patches.real.dtype)
    places = [(0, 0), (0, stride), (stride, 0), (stride, stride)]
    for channel, (row, column) in enumerate(places):
        canvas[:, row : row + side, column : column + side] += patches[:, channel]
        count[row : row + side, column : column + side] += 1
    mean = canvas / count.clamp(min=1)
    return torch.stack([mean[:, r : r + side, c : c + side] for r, c in places], dim=1)


def detected(patches: Tensor, probe: Tensor, gain: float) -> Tensor:
    """g·|F(Ô·P)|, frequency 0 in the middle: F[k,r] = exp(−2πi·(k − ⌊N/2⌋)·r/N)/√N, twice."""
    side = patches.shape[-1]
    numbers = torch.arange(side, dtype=torch.float64)
    angle = -2 * math.pi / side * torch.outer(numbers - side // 2, numbers)
    dft = (torch.polar(torch.ones_like(angle), angle) / math.sqrt(side)).to(patches.dtype)
    return gain * torch.einsum("kr,bcrs,ls->bckl", dft, patches * probe, dft).abs()


def gain_of(p: Declared, batch: int) -> float:
    """The declared gain; as large as the batch where that is declared."""
    share = batch / p.train.batch_size if p.train.gain_per_batch else 1.0
    return float(p.train.physics_gain * share)


def loss_sum(predicted: Tensor, measured: Tensor, kind: str) -> Tensor:
    """What the samples add up to before means are taken."""
    if kind == "mae":
        return (predicted - measured).abs().sum()
    rate, counts = predicted**2 + 1e-8, measured**2
    return (rate - counts * torch.log(rate) + torch.lgamma(counts + 1)).sum()


def loss_and_gradient(
    w: Weights, measured: Tensor, probe: Tensor, p: Declared, stride: int, *, wanted: bool = True
) -> tuple[float, dict[str, Tensor]]:
    """The loss of a batch and, if ``wanted``, its gradient by name, in the precision of ``w``."""
    real = measured.dtype
    probe = probe.to(torch.complex128 if real == torch.float64 else torch.complex64)
    gain = gain_of(p, len(measured))
    batch, channels, side, _ = measured.shape
    count = batch * channels * (side**2 if p.train.loss == "mae" else 1)
    scale = 1 / (count * (float(measured.double().mean()) + 1e-8))
    leaves = {name: tensor.detach().clone().requires_grad_(wanted) for name, tensor in w.items()}
    total = 0.0
    gradient = {name: torch.zeros_like(tensor) for name, tensor in w.items()}
    for chunk in torch.split(measured, CHUNK):
        with torch.set_grad_enabled(wanted):
            patches = agreed(forward(leaves, chunk, p.model), stride)
            value = scale * loss_sum(detected(patches, probe, gain), chunk, p.train.loss)
        total += float(value.detach())
        if wanted:
            found = torch.autograd.grad(value, list(leaves.values()))
            for name, part in zip(leaves, found, strict=True):
                gradient[name] += part
    return total, gradient


def undecided(
    w: Weights, narrow: Weights, measured: Tensor, probe: Tensor, p: Declared, stride: int
) -> dict[str, float]:
    """How far the gradient of ``mae`` may be off because of pixels that are explained exactly.

    Where a prediction is as near to its measurement as rounding leaves it, the slope of |x| is 1 or
    -1 by chance, and in a batch of few samples one such pixel can make a hundredth of a gradient.
    Those pixels are the ones whose residual is within ``TWIN`` times the largest rounding of a
    prediction, by the float32 twin. Returns a bound of the L2 norm by tensor: twice the largest of
    ``DRAWS`` gradients that these pixels have with random signs, and half as much again.
    """
    wide, single = probe.to(torch.complex128), probe.to(torch.complex64)
    gain, none = gain_of(p, len(measured)), dict.fromkeys(w, 0.0)
    with torch.no_grad():
        shown = detected(agreed(forward(w, measured, p.model), stride), wide, gain)
        other = detected(agreed(forward(narrow, measured.float(), p.model), stride), single, gain)
    near = (shown - measured).abs() <= TWIN * (shown - other).abs().max()
    samples = near.flatten(1).any(1)
    if p.train.loss != "mae" or not samples.any():
        return none
    leaves = {name: tensor.detach().clone().requires_grad_() for name, tensor in w.items()}
    count = measured.numel() * (float(measured.mean()) + 1e-8)
    at = detected(agreed(forward(leaves, measured[samples], p.model), stride), wide, gain)
    generator = torch.Generator().manual_seed(0)
    for draw in range(DRAWS):
        signs = 2.0 * torch.randint(0, 2, at.shape, generator=generator) - 1
        value = (at * signs * near[samples]).sum() / count
        more = draw + 1 < DRAWS
        found = torch.autograd.grad(value, list(leaves.values()), retain_graph=more)
        for name, part in zip(leaves, found, strict=True):
            none[name] = max(none[name], 3.0 * float(torch.linalg.vector_norm(part)))
    return none
