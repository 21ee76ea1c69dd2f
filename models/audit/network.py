"""The networks as formulas: from weights by name and measured amplitudes to complex patches.

Convolutions are sums of dense products over the offsets of their kernels, spectral convolutions
sums over Fourier modes. Shapes: B samples, C channels, H = W = N pixels, K×L modes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from models.audit.streams import Declared

Weights = Mapping[str, Tensor]


def forward(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Complex patches (B, C, N, N) of amplitudes (B, C, N, N), in the precision of both."""
    body = {
        "hybrid": u_shaped,
        "stable_hybrid": u_shaped,
        "cnn": u_shaped,
        "hybrid_resnet": resnet,
        "fno": fno,
    }
    return head(w, body[model.architecture](w, lifter(w, x, model), model), model)


def halvings(model: Declared) -> int:
    """Times that the encoder halves the side."""
    if model.architecture in ("fno", "hybrid_resnet"):
        return 0 if model.architecture == "fno" else 2
    blocks = model.cnn_blocks if model.architecture == "cnn" else model.fno_blocks
    return int(blocks - 1 if model.max_levels is None else min(blocks - 1, model.max_levels))


# --- parts ---------------------------------------------------------------------------------------


def convolution(
    w: Weights, name: str, x: Tensor, *, padding: int = 0, stride: int = 1, mirror: bool = False
) -> Tensor:
    """y[o,h,w] = b[o] + Σ_{i,a,c} W[o,i,a,c]·x[i, s·h + a − p, s·w + c − p]."""
    kernel, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    side = kernel.shape[-1]
    x = reflected(x) if mirror else torch.nn.functional.pad(x, [padding] * 4)
    seen = x.unfold(2, side, stride).unfold(3, side, stride)
    return torch.einsum("oiac,bihwac->bohw", kernel, seen) + bias[:, None, None]


def transposed(w: Weights, name: str, x: Tensor, *, padding: int = 0) -> Tensor:
    """Stride 2: y[o, 2h + a − p, 2w + c − p] gets W[i,o,a,c]·x[i,h,w], and every y its b[o]."""
    kernel, bias = w[f"{name}.weight"], w[f"{name}.bias"]
    side, (batch, _, height, width) = kernel.shape[-1], x.shape
    y = x.new_zeros(batch, kernel.shape[1], 2 * height + side - 2, 2 * width + side - 2)
    for a in range(side):
        for c in range(side):
            given = torch.einsum("io,bihw->bohw", kernel[:, :, a, c], x)
            y[:, :, a : a + 2 * height : 2, c : c + 2 * width : 2] += given
    end = (y.shape[-2] - padding, y.shape[-1] - padding)
    return y[..., padding : end[0], padding : end[1]] + bias[:, None, None]


def spectral(w: Weights, name: str, x: Tensor, modes: int, corners: int) -> Tensor:
    """Ŷ[o,k,l] = Σ_i X̂[i,k,l]·R[k,l,i,o] on the kept modes; y = Σ_kl of them, with their mirrors.

    X̂ is the plain DFT. Rows k: 0 ≤ k < M, with two corners −M ≤ k < 0 too; columns 0 ≤ l < M. A
    column beside 0 and N/2 stands for its mirror image as well.
    """
    side = x.shape[-1]
    columns = list(range(min(modes, side // 2 + 1)))
    rows = list(range(min(modes, side)))
    if corners == 2:
        rows = [*range(min(modes, side - side // 2)), *range(-min(modes, side // 2), 0)]
    across, down = angles(columns, side), angles(rows, side)
    parts = torch.cat([across.cos(), across.sin()]).to(x.dtype)
    waves = torch.polar(torch.ones_like(down), down).to(w[f"{name}.weight"].dtype)
    real, imaginary = (x @ parts.T).chunk(2, dim=-1)
    lines = torch.complex(real, -imaginary)
    kept = torch.einsum("kh,bihl->bikl", waves.conj(), lines)
    made = torch.einsum("bikl,klio->bokl", kept, w[f"{name}.weight"])
    mirrors = [1.0 if 2 * column in (0, side) else 2.0 for column in columns]
    made = made * torch.tensor(mirrors, dtype=x.dtype)
    lines = torch.einsum("kh,bokl->bohl", waves, made)
    return torch.cat([lines.real, -lines.imag], dim=-1) @ parts / side**2


def angles(numbers: list[int], side: int) -> Tensor:
    """2π·k·r/N for the frequencies k = ``numbers`` and all pixels r, float64."""
    pixels = torch.arange(side, dtype=torch.float64)
    return 2 * math.pi / side * torch.outer(torch.tensor(numbers, dtype=torch.float64), pixels)


def gelu(x: Tensor) -> Tensor:
    """x·Φ(x), Φ the normal distribution."""
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def instance_norm(x: Tensor, w: Weights | None = None, name: str = "") -> Tensor:
    """(x − mean)/√(variance + 1e-5) of each map by itself, times γ plus β where there are any."""
    centred = x - x.mean(dim=(-2, -1), keepdim=True)
    variance = (centred**2).mean(dim=(-2, -1), keepdim=True)
    normed = centred / torch.sqrt(variance + 1e-5)
    if w is None:
        return normed
    return normed * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]


def reflected(x: Tensor) -> Tensor:
    """One pixel more on every side: the mirror image about the outermost pixels."""
    rows = torch.cat([x[..., 1:2, :], x, x[..., -2:-1, :]], dim=-2)
    return torch.cat([rows[..., 1:2], rows, rows[..., -2:-1]], dim=-1)


# --- stages --------------------------------------------------------------------------------------


def lifter(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Input transform, Conv3×3, GELU, Conv3×3."""
    if model.input_transform == "sqrt":
        x = torch.sqrt(x)
    elif model.input_transform == "log1p":
        x = torch.log(1 + x)
    elif model.input_transform == "instance_norm":
        x = instance_norm(x)
    x = gelu(convolution(w, "lifter.convolution_1", x, padding=1))
    return convolution(w, "lifter.convolution_2", x, padding=1)


def fourier_block(w: Weights, name: str, x: Tensor, model: Declared, modes: int) -> Tensor:
    """X + update, update = GELU(S(x) + L(x)), through IN and λ in the stable blocks."""
    update = gelu(
        spectral(w, f"{name}.spectral", x, modes, model.corners)
        + convolution(w, f"{name}.local", x, padding=1)
    )
    if model.stable_block is not None:
        update = instance_norm(update, w, f"{name}.norm")
    if model.stable_block == "layerscale":
        update = w[f"{name}.scale.weight"][:, None, None] * update
    return x + update


def convolution_block(w: Weights, name: str, x: Tensor) -> Tensor:
    """Twice Conv3×3 and GELU."""
    x = gelu(convolution(w, f"{name}.convolution_1", x, padding=1))
    return gelu(convolution(w, f"{name}.convolution_2", x, padding=1))


def u_shaped(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Blocks with halvings between them, one block at the bottom, and up again with the skips."""
    plain, depth, skips = model.architecture == "cnn", halvings(model), []
    for index in range(model.cnn_blocks - 1 if plain else model.fno_blocks):
        name = f"encoder.{index}"
        x = (
            convolution_block(w, name, x)
            if plain
            else fourier_block(w, name, x, model, model.modes)
        )
        if index < depth:
            skips.append(x)
            x = convolution(w, f"downsamplers.{index}", x, stride=2)
    if plain:
        x = convolution_block(w, "bottleneck", x)
    else:
        x = fourier_block(w, "bottleneck", x, model, model.modes // 2)
    for index in range(depth):
        name = f"decoder.{index}"
        x = torch.cat([transposed(w, f"{name}.upsampler", x), skips.pop()], dim=1)
        x = convolution(w, f"{name}.convolution_1", x, padding=1)
        if model.decoder_norm == "instance":
            x = instance_norm(x)
        x = convolution(w, f"{name}.convolution_2", gelu(x), padding=1)
    return x


def resnet(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Fourier blocks, halvings behind the first two, six residual blocks, two upsamplers."""
    for index in range(model.fno_blocks):
        x = fourier_block(w, f"encoder.{index}", x, model, model.modes)
        if index < halvings(model):
            x = convolution(w, f"downsamplers.{index}", x, stride=2)
    for index in range(6):
        name = f"residual.{index}"
        inner = convolution(w, f"{name}.convolution_1", x, mirror=True)
        inner = gelu(instance_norm(inner, w, f"{name}.norm_1"))
        inner = convolution(w, f"{name}.convolution_2", inner, mirror=True)
        x = x + w["scale.weight"] * instance_norm(inner, w, f"{name}.norm_2")
    for index in range(halvings(model)):
        name = f"upsamplers.{index}"
        x = transposed(w, f"{name}.convolution", x, padding=1)
        x = gelu(instance_norm(x, w, f"{name}.norm"))
    return x


def fno(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Fourier blocks of constant size, 1×1 projection, Conv3×3 and GELU."""
    for index in range(model.fno_blocks):
        x = fourier_block(w, f"blocks.{index}", x, model, model.modes)
    x = convolution(w, "projection", x)
    for index in range(model.cnn_blocks):
        x = gelu(convolution(w, f"refinements.{index}.convolution", x, padding=1))
    return x


def head(w: Weights, x: Tensor, model: Declared) -> Tensor:
    """Re + i·im, or σ(a)·exp(i·π·tanh p)."""
    if model.output_mode == "amp_phase":
        first, second = (convolution(w, f"head.{part}", x) for part in ("amplitude", "phase"))
    else:
        first, second = convolution(w, "head.linear", x).chunk(2, dim=1)
    if model.output_mode == "real_imag":
        return torch.complex(first, second)
    amplitude, phase = torch.sigmoid(first), math.pi * torch.tanh(second)
    return torch.complex(amplitude * torch.cos(phase), amplitude * torch.sin(phase))
