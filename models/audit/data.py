"""The dataset from its parameters and its seed, and what the stored files hold in its place.

Shapes: n samples of C = gridsize² patches of N×N pixels; q windows, each measured once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from skimage.restoration import unwrap_phase

from models.audit.loss import normalised
from models.audit.report import Check
from models.audit.streams import Declared, positions_a_side, stream

FLOAT32 = 1e-6
"""Share by which a number that was stored as float32 may differ."""
MISCOUNTED = 1e-4
"""Share of pixels in which a count may differ: where the last bit of an expectation decides."""
FALSE_ALARM = 6.5
"""Standard deviations that are one false alarm in 10¹⁰."""
AT_A_TIME = 256

Arrays = Mapping[str, NDArray[Any]]
Table = Mapping[str, Any]


class Scan(NamedTuple):
    """What is measured of a split."""

    objects: NDArray[Any]
    corners: NDArray[np.int64]
    """Object, row and column of every window, (q, 3)."""
    groups: NDArray[np.int64]
    """Windows of every sample, (n, C): at gridsize 2 with those to the right and below."""
    norm: float
    """Mean over the windows of the largest amplitude."""


def audit_data(
    p: Declared, seed: int, stored: Mapping[str, Arrays], metadata: Table, probe_file: Path | None
) -> list[Check]:
    """Objects, scan, probe, patterns and noise of both splits against the stored arrays."""
    probe = make_probe(p, probe_file)
    lit = Check(name="data: probe", declared=f"probe {p.dataset.probe}")
    for split in ("train", "test"):
        hold(lit, f"{split} probeGuess", probe, stored[split]["probeGuess"], FLOAT32)
    scans = {split: make_scan(p, split, seed) for split in ("train", "test")}
    # Where a stored number agrees its last bits are used: a draw may hang on them.
    used = stored["train"]["probeGuess"] if lit.verdict == "agrees" else probe.astype(np.complex64)
    light = normalised(torch.from_numpy(used)).to(torch.complex64).numpy()
    facts = Check(name="data: metadata", declared=f"photons {p.dataset.photons:g}, seed {seed}")
    scale = intensity_scale(p, scans["train"], light)
    facts.close("intensity_scale", scale, metadata.get("intensity_scale"), 1e-9)
    facts.equal("seed", seed, metadata.get("seed"))
    facts.equal("dataset", dict(vars(p.dataset)), metadata.get("dataset"))
    scale = metadata["intensity_scale"] if facts.verdict == "agrees" else scale
    checks = [lit, facts]
    for split, scan in scans.items():
        checks += audit_geometry(p, split, stored[split], scan)
        checks += audit_patterns(p, split, stored[split], scan, light, scale, seed)
    return checks


# --- objects, scan and probe ---------------------------------------------------------------------


def make_objects(seed: int, count: int, size: int, *, set_phi: bool) -> NDArray[Any]:
    """400 lines on a canvas of twice the side, blurred three times; a phase that follows."""
    random, amplitudes = np.random.RandomState(seed), []
    for _ in range(count):
        canvas = np.zeros((2 * size, 2 * size))
        for _ in range(400):
            ends = [math.floor(2 * size * random.uniform()) for _ in range(4)]
            for row, column in line(*ends):
                canvas[row, column] = 1
        blurred = (
            gaussian_filter(canvas, 1)
            + 2 * gaussian_filter(canvas, 5)
            + 5 * gaussian_filter(canvas, 10)
        )
        start = size // 2
        amplitudes.append(blurred[start : start + size, start : start + size])
    a = np.stack(amplitudes)
    phase = np.pi * np.tanh((a - a.max() / 2) / (3 * a.mean()))
    return a * np.exp(1j * phase) if set_phi else a.astype(np.complex128)


def line(r0: int, c0: int, r1: int, c1: int) -> list[tuple[int, int]]:
    """Bresenham's pixels between two ends, both included."""
    tall = abs(r1 - r0) > abs(c1 - c0)
    long, short = (abs(r1 - r0), abs(c1 - c0)) if tall else (abs(c1 - c0), abs(r1 - r0))
    down, right = (1 if r1 > r0 else -1), (1 if c1 > c0 else -1)
    row, column, error, pixels = r0, c0, 2 * short - long, []
    for _ in range(long):
        pixels.append((row, column))
        if error >= 0:
            row, column = (row, column + right) if tall else (row + down, column)
            error -= 2 * long
        row, column = (row + down, column) if tall else (row, column + right)
        error += 2 * short
    return [*pixels, (r1, c1)]


def make_scan(p: Declared, split: str, seed: int) -> Scan:
    """The objects of a split, and its samples in the order in which they are stored."""
    d = p.dataset
    drawn_from, count, stride = (
        (d.train_object_seed, d.num_train_objects, d.train_stride)
        if split == "train"
        else (d.test_object_seed, d.num_test_objects, d.test_stride)
    )
    objects = make_objects(drawn_from, count, d.object_size, set_phi=d.set_phi)
    steps = [stride * step for step in range(positions_a_side(p, stride))]
    corners = np.array([(o, r, c) for o in range(count) for r in steps for c in steps])
    side = d.patch_size
    largest = [np.abs(objects[o, r : r + side, c : c + side]).max() for o, r, c in corners]
    near, a_side = range(d.gridsize), len(steps)
    groups = np.array(
        [
            [first + (row + a) * a_side + column + b for a in near for b in near]
            for first in range(0, len(corners), a_side**2)
            for row in range(a_side - d.gridsize + 1)
            for column in range(a_side - d.gridsize + 1)
        ]
    )
    if split == "train":
        groups = groups[stream(seed, "scan_order").permutation(len(groups))]
    return Scan(objects, corners, groups, float(np.mean(largest)))


def make_probe(p: Declared, probe_file: Path | None) -> NDArray[Any]:
    """The declared illumination, not normalised."""
    side = p.dataset.patch_size
    if p.dataset.probe == "file":
        if probe_file is None:
            raise ValueError("the file of the measured probe is not among the inputs")
        with np.load(probe_file, allow_pickle=False) as arrays:
            return measured(arrays["probeGuess"].astype(np.complex128), side)
    axis = np.arange(side) - (side - 1) / 2
    window = np.exp(-0.5 * (axis / (side / (0.7 * np.pi**2))) ** 2)
    disk = gaussian_filter((np.outer(window, window) > 0.5).astype(float), 1) + 1e-9
    if p.dataset.probe == "ideal_disk":
        return disk.astype(np.complex128)
    radius = axis[:, None] ** 2 + axis[None, :] ** 2
    return np.asarray(disk * np.exp(1j * p.dataset.probe_defocus * radius))


def measured(probe: NDArray[Any], side: int) -> NDArray[Any]:
    """A measured probe by cubic splines on ``side`` px, |P| and phase smoothed by 0.5 px."""
    if len(probe) != side:
        parts = [
            zoom(part, side / len(probe), order=3, mode="reflect", grid_mode=True)
            for part in (probe.real, probe.imag)
        ]
        probe = parts[0] + 1j * parts[1]
    phase = unwrap_phase(np.angle(probe), rng=0)  # type: ignore[no-untyped-call]
    smooth = gaussian_filter(np.abs(probe), 0.5) * np.exp(1j * gaussian_filter(phase, 0.5))
    return np.asarray(smooth)


def intensity_scale(p: Declared, scan: Scan, light: NDArray[Any]) -> float:
    """S = √(photons / mean over windows of Σ (|O|·|P_norm|)²)."""
    side, total = p.dataset.patch_size, np.zeros(light.shape)
    squared = (np.abs(scan.objects) / scan.norm) ** 2
    for o, r, c in scan.corners:
        total += squared[o, r : r + side, c : c + side]
    mean = total / len(scan.corners) * np.abs(light.astype(np.complex128)) ** 2
    return float(np.sqrt(p.dataset.photons / mean.sum()))


# --- comparisons ---------------------------------------------------------------------------------


def hold(
    check: Check, place: str, derived: NDArray[Any], found: NDArray[Any], share: float
) -> None:
    """Compare two arrays; the largest difference may be ``share`` of the largest value."""
    if derived.shape != found.shape:
        check.problems.append(f"{place} has shape {found.shape} instead of {derived.shape}")
        return
    apart = np.abs(derived - found)
    worst = np.unravel_index(np.argmax(np.nan_to_num(apart, nan=np.inf)), apart.shape)
    check.compare(
        f"{place}{[int(index) for index in worst]}",
        str(derived[worst]),
        str(found[worst]),
        float(apart[worst]),
        share * float(np.abs(derived).max()),
    )


def audit_geometry(p: Declared, split: str, stored: Arrays, scan: Scan) -> list[Check]:
    """Objects, truth, normalisation, and where the patches of every sample lie."""
    d = p.dataset
    drawn = Check(
        name=f"data: {split} objects", declared=f"seed {getattr(d, split + '_object_seed')}"
    )
    hold(drawn, "YY_full", scan.objects, stored["YY_full"][..., 0], FLOAT32)
    if split == "test":
        drawn.close("norm_Y_I", scan.norm, float(stored["norm_Y_I"]), 1e-9)
        start = (d.patch_size - d.test_stride) // 2
        stop = start + positions_a_side(p, d.test_stride) * d.test_stride
        truth = scan.objects[0, start:stop, start:stop]
        hold(drawn, "YY_ground_truth", truth, stored["YY_ground_truth"][..., 0], FLOAT32)
    order = "the order of the stream scan_order" if split == "train" else "scan order"
    where = Check(
        name=f"data: {split} scan",
        declared=f"stride {getattr(d, split + '_stride')}, gridsize {d.gridsize}, {order}",
    )
    centres = scan.corners[scan.groups][..., 1:].transpose(0, 2, 1) + (d.patch_size - 1) / 2
    for name in ("coords_nominal", "coords_true"):
        hold(where, name, centres[:, None], stored[name], FLOAT32)
    return [drawn, where]


def audit_patterns(
    p: Declared,
    split: str,
    stored: Arrays,
    scan: Scan,
    light: NDArray[Any],
    scale: float,
    seed: int,
) -> list[Check]:
    """Exit waves, and photons: drawn again from their stream, and by their mean and variance."""
    waves = Check(name=f"data: {split} patches", declared="|O·P_norm| and the phase of O")
    noise = Check(name=f"data: {split} noise", declared=f"counts of the stream noise.{split}")
    spread = Check(
        name=f"data: {split} counts", declared=f"{p.dataset.photons:g} photons, Poisson's variance"
    )
    if stored["diffraction"].shape != (len(scan.groups), *light.shape, p.dataset.gridsize**2):
        noise.problems.append(f"diffraction has shape {stored['diffraction'].shape}")
        return [noise]
    shown: dict[int, tuple[int, int]] = {}
    for sample, members in enumerate(scan.groups):
        for channel, window in enumerate(members):
            shown.setdefault(int(window), (sample, channel))
    drawn_in = list(shown) if split == "train" else sorted(shown)
    random, side, miscounted = stream(seed, f"noise.{split}"), p.dataset.patch_size, 0
    sums = np.zeros(4)  # n, Σz, Σ(z² − 1), Σ var z²
    for at in range(0, len(drawn_in), AT_A_TIME):
        part = drawn_in[at : at + AT_A_TIME]
        sample, channel = np.array([shown[window] for window in part]).T
        cut = [scan.objects[o, r : r + side, c : c + side] for o, r, c in scan.corners[part]]
        patches = np.stack(cut) / scan.norm
        far = np.fft.fft2(scale * patches * light, norm="ortho")
        expected = np.fft.fftshift(np.abs(far) ** 2, axes=(-2, -1))
        counts = random.poisson(expected)
        x = stored["diffraction"][sample, :, :, channel].astype(float)
        miscounted += int((np.abs(x - np.sqrt(counts) / scale) > FLOAT32 * x + 1e-9 / scale).sum())
        bright = expected[expected > 1]
        z = ((x * scale) ** 2 - expected)[expected > 1] / np.sqrt(bright)
        sums += len(z), z.sum(), (z**2 - 1).sum(), (2 + 1 / bright).sum()
        hold(waves, "Y_I", np.abs(patches * light), stored["Y_I"][sample, :, :, channel], FLOAT32)
        turned = np.exp(1j * stored["Y_phi"][sample, :, :, channel].astype(float))
        hold(waves, "exp(i·Y_phi)", np.exp(1j * np.angle(patches)), turned, FLOAT32)
    share = miscounted / (len(drawn_in) * side**2)
    noise.compare("share of pixels with another count", 0.0, share, share, MISCOUNTED)
    for channel, windows in enumerate(scan.groups.T):
        first = tuple(np.array([shown[int(window)] for window in windows]).T)
        alike = (
            stored["diffraction"][..., channel] == stored["diffraction"][first[0], ..., first[1]]
        )
        noise.equal(f"a window has one pattern, channel {channel}", derived=True, found=alike.all())
    n, mean, variance, expected_of_variance = sums
    if n:
        spread.close("mean of z, standard errors", 0.0, mean / math.sqrt(n), 0, FALSE_ALARM)
        off = variance / math.sqrt(expected_of_variance)
        spread.close("mean of z² − 1, standard errors", 0.0, off, 0, FALSE_ALARM)
    else:
        spread.equal("pixels that expect more than one photon", 0, 0)
    return [waves, noise, spread]
