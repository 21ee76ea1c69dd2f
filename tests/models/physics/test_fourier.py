"""The transform is the unitary DFT with its zero frequency in the middle."""

from __future__ import annotations

import math

import pytest
import torch

from models.physics.fourier import fft2c


def random_wave(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.complex128, generator=generator)


def direct_dft(wave: torch.Tensor) -> torch.Tensor:
    """Σ_mn ψ[m,n]·exp(−2πi(km + ln)/N) / N, term by term, k and l from −N//2 upwards."""
    side = wave.shape[0]
    result = torch.zeros_like(wave)
    for row in range(side):
        for column in range(side):
            k, l = row - side // 2, column - side // 2  # noqa: E741
            for m in range(side):
                for n in range(side):
                    angle = -2 * math.pi * (k * m + l * n) / side
                    term = complex(math.cos(angle), math.sin(angle))
                    result[row, column] += wave[m, n] * term / side
    return result


@pytest.mark.parametrize("side", [6, 7])
def test_it_agrees_with_the_direct_sum(side):
    wave = random_wave(side, side)
    torch.testing.assert_close(fft2c(wave), direct_dft(wave), rtol=1e-12, atol=1e-12)


def test_it_keeps_the_energy():
    wave = random_wave(3, 2, 16, 16)
    energy = wave.abs().square().sum(dim=(-2, -1))
    far = fft2c(wave).abs().square().sum(dim=(-2, -1))
    torch.testing.assert_close(far, energy, rtol=1e-12, atol=0)


def test_it_keeps_the_inner_product_of_two_waves():
    one, two = random_wave(8, 8, seed=1), random_wave(8, 8, seed=2)
    near = torch.vdot(one.flatten(), two.flatten())
    far = torch.vdot(fft2c(one).flatten(), fft2c(two).flatten())
    torch.testing.assert_close(far, near, rtol=1e-12, atol=1e-12)


def test_a_plane_wave_becomes_one_pixel_away_from_the_middle():
    side, k = 8, 3
    angle = 2 * math.pi * k * torch.arange(side, dtype=torch.float64) / side
    ramp = torch.polar(torch.ones(side, dtype=torch.float64), angle)
    spot = fft2c(ramp[:, None].expand(side, side)).abs()
    expected = torch.zeros(side, side, dtype=torch.float64)
    expected[side // 2 + k, side // 2] = side
    torch.testing.assert_close(spot, expected, rtol=0, atol=1e-12)
