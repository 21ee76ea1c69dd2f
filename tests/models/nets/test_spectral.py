"""The spectral convolution against sums that are written out, with no FFT in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.nets.spectral import SpectralConvolution


def spectral_convolution(*, inputs=2, outputs=3, modes=3, corners=1, side=8):
    layer = SpectralConvolution(inputs, outputs, modes=modes, corners=corners, side=side)
    values = np.random.default_rng(5).standard_normal((*layer.weight.shape, 2))
    layer.weight.data = torch.view_as_complex(torch.from_numpy(values))
    return layer


def row_frequencies(modes, corners, side):
    """Kept rows by the definition: k < M, and with two corners also the last M, once each."""
    if corners == 1:
        return list(range(min(modes, side)))
    up = list(range(min(modes, (side + 1) // 2)))
    return up + list(range(side - min(modes, side // 2), side))


def direct(x_BIHW, layer):
    """y(u,v) = 1/N² Σ over kept modes of c_l·Re[Ŷ(k,l)·exp(2πi(ku + lv)/N)], X̂ by the DFT sum.

    A column 0 < l < N/2 stands for its mirror image too, hence c_l = 2; for l = 0 and l = N/2 the
    mirror image lies in the same column, of which the inverse keeps the Hermitian part: c_l = 1.
    """
    x, weight = x_BIHW.numpy(), layer.weight.detach().numpy()
    side = x.shape[-1]
    u = np.arange(side)
    out = np.zeros((x.shape[0], weight.shape[3], side, side))
    for row, k in enumerate(row_frequencies(layer.modes, layer.corners, side)):
        for column in range(min(layer.modes, side // 2 + 1)):
            wave = np.exp(2j * np.pi * (k * u[:, None] + column * u[None, :]) / side)
            spectrum = (x * wave.conj()).sum(axis=(-2, -1))
            product = spectrum @ weight[row, column]
            factor = 1 if column in (0, side / 2) else 2
            out += factor * (product[..., None, None] * wave).real / side**2
    return out


@pytest.mark.parametrize("corners", [1, 2])
@pytest.mark.parametrize("modes", [2, 3, 4, 5, 8, 12])
@pytest.mark.parametrize("side", [2, 4, 7, 8])
def test_it_equals_the_sums_written_out(modes, corners, side):
    layer = spectral_convolution(modes=modes, corners=corners, side=side)
    x = torch.from_numpy(np.random.default_rng(6).standard_normal((2, 2, side, side)))
    assert layer(x).detach().numpy() == pytest.approx(direct(x, layer), abs=1e-12)


def test_it_equals_rfft2_with_everything_else_zero():
    layer = spectral_convolution(modes=4, side=16)
    x = torch.randn(2, 2, 16, 16, dtype=torch.float64)
    spectrum = torch.zeros(2, 3, 16, 9, dtype=torch.complex128)
    kept = torch.fft.rfft2(x)[:, :, :4, :4]
    weight_IOKL = layer.weight.permute(2, 3, 0, 1)
    spectrum[:, :, :4, :4] = torch.einsum("bikl,iokl->bokl", kept, weight_IOKL)
    assert torch.allclose(layer(x), torch.fft.irfft2(spectrum), atol=1e-12)


@pytest.mark.parametrize("corners", [1, 2])
def test_its_gradient_is_right(corners):
    layer = spectral_convolution(modes=2, corners=corners, side=4)
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = layer.weight.detach().requires_grad_()

    def apply(x, weight):
        return torch.func.functional_call(layer, {"weight": weight}, x)

    assert torch.autograd.gradcheck(apply, (x, weight))


@pytest.mark.parametrize(
    ("modes", "corners", "side", "shape", "nominal"),
    [
        (12, 1, 64, (12, 12), 144),
        (12, 1, 16, (12, 9), 144),
        (12, 1, 8, (8, 5), 144),
        (12, 2, 64, (24, 12), 288),
        (12, 2, 16, (16, 9), 288),
    ],
)
def test_only_modes_that_are_read_are_allocated(modes, corners, side, shape, nominal):
    layer = SpectralConvolution(2, 3, modes=modes, corners=corners, side=side)
    assert tuple(layer.weight.shape) == (*shape, 2, 3)
    assert layer.num_nominal == nominal * 2 * 3


@pytest.mark.parametrize("corners", [1, 2])
@pytest.mark.parametrize("side", [4, 8, 16])
def test_every_allocated_weight_influences_the_output(corners, side):
    layer = spectral_convolution(modes=12, corners=corners, side=side)
    x = torch.randn(1, 2, side, side, dtype=torch.float64)
    layer(x).pow(2).sum().backward()
    assert (layer.weight.grad.abs() > 0).all()
