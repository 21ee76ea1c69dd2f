"""Training steps: our Lightning module against a plain loop over a plain twin of the network.

The twin is written as one would on a blackboard: rfft2, einsum over all kept modes, irfft2, and a
loop of forward, backward, step. N = 64, h = 32, M = 12, n = 4, batch 16, Adam, no clipping.
"""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.config import Parameters
from models.data.npz import Split
from models.job import Events
from models.physics.diffraction import normalise_probe
from models.training.fit import prepare
from tests.bench.pairs import compare

SIDE, BATCH, STEPS = 64, 16, 16


class TwinSpectral(nn.Module):
    """rfft2, multiply the lowest M×M modes, irfft2."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        self.weight = nn.Parameter(
            torch.randn(width, width, modes, modes, dtype=torch.complex64) / (2 * width) ** 0.5
        )

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(x)
        rows, columns = min(self.modes, x.shape[-2]), min(self.modes, x.shape[-1] // 2 + 1)
        out = torch.zeros_like(spectrum)
        out[..., :rows, :columns] = torch.einsum(
            "bikl,iokl->bokl", spectrum[..., :rows, :columns], self.weight[..., :rows, :columns]
        )
        return torch.fft.irfft2(out, s=x.shape[-2:])


class TwinBlock(nn.Module):
    """x + GELU(S(x) + L(x))."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.spectral, self.local = (
            TwinSpectral(width, modes),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + nn.functional.gelu(self.spectral(x) + self.local(x))


class Twin(nn.Module):
    """The hybrid network at h = 32, M = 12, n = 4."""

    def __init__(self) -> None:
        super().__init__()
        widths = [32, 64, 128, 256]
        self.lifter = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.GELU(), nn.Conv2d(32, 32, 3, padding=1)
        )
        self.blocks = nn.ModuleList(TwinBlock(width, 12) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.bottleneck = TwinBlock(widths[-1], 6)
        self.up = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in pairwise(widths))
        self.merge = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(2 * a, a, 3, padding=1), nn.GELU(), nn.Conv2d(a, a, 3, padding=1)
            )
            for a in widths[:-1]
        )
        self.head = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.lifter(x), []
        for block, down in zip(self.blocks[:-1], self.down, strict=True):
            skips.append(block(x))
            x = down(skips[-1])
        x = self.bottleneck(self.blocks[-1](x))
        for level in reversed(range(3)):
            x = self.merge[level](torch.cat([self.up[level](x), skips[level]], dim=1))
        real, imaginary = self.head(x).chunk(2, dim=1)
        return torch.complex(real, imaginary)


def plain_loop(measured: Tensor, probe: Tensor) -> None:
    """One pass over the patches with the twin."""
    net = Twin()
    optimizer = torch.optim.Adam(net.parameters(), 1e-3)
    for batch in measured.split(BATCH):
        pattern = torch.fft.fftshift(torch.fft.fft2(net(batch) * probe, norm="ortho"), dim=(-2, -1))
        loss = (17.4 * pattern.abs() - batch).abs().mean() / (batch.mean() + 1e-8)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def synthetic(count: int) -> Split:
    """Patches of the right shapes; the speed does not depend on what is on them."""
    rng = np.random.default_rng(1)
    patterns = rng.random((count, SIDE, SIDE, 1), dtype=np.float32)
    coords = np.zeros((count, 1, 2, 1), dtype=np.float32)
    return Split(
        diffraction=patterns,
        y_i=patterns,
        y_phi=patterns,
        coords_nominal=coords,
        coords_true=coords,
        yy_full=np.ones((1, SIDE, SIDE, 1), dtype=np.complex64),
        probe_guess=np.ones((SIDE, SIDE), dtype=np.complex64),
    )


def measure() -> None:
    """Print steps per second of both."""
    torch.set_num_threads(2)
    parameters = Parameters.model_validate_json(
        '{"train": {"epochs": 1, "validation": "test", "inference_batch_size": 16}, '
        '"model": {"architecture": "hybrid"}, "diagnostics": {"grad_norm_every": 1}}'
    )
    train = synthetic(STEPS * BATCH)
    test = synthetic(BATCH)
    probe = normalise_probe(torch.from_numpy(train.probe_guess))
    measured = torch.from_numpy(train.diffraction.transpose(0, 3, 1, 2).copy())

    def ours() -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            Events(Path(folder) / "events.jsonl") as events,
        ):
            prepare(parameters, 1, train, test, device="cpu", events=events).run()

    compare(
        f"Training at N = {SIDE}, h = 32, batch {BATCH}, validation and gradient norms included "
        "on our side",
        ("phasehub, Lightning", ours),
        ("plain rfft2 and einsum, plain loop", lambda: plain_loop(measured, probe)),
        rounds=3,
        unit="steps/s",
        per=STEPS,
        inverse=True,
    )
