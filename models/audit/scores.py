"""Reconstruction and scores from complex patches, each by its definition. Images are float64."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.audit.streams import Declared, positions_a_side

Image = NDArray[Any]
MS_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


class Images(NamedTuple):
    """The first test object as reconstructed, beside the truth."""

    amplitude: Image
    phase: Image
    target_amplitude: Image
    target_phase: Image
    scale: float
    """What scaled the amplitude to the mean of the truth; NaN where nothing could."""
    near_cut: float
    """Share of pixels whose angle is within 1e-3 rad of ±π, where rounding may turn it around."""
    aligned: Image
    """The phase once the global one is taken off; NaN where there is none."""
    offset: float
    """The global phase, rad; NaN where there is none."""
    common: float
    """|Σ z·t*| / Σ|z·t|, 0 to 1: what the global phase rests on."""
    near_turn: float
    """Share of pixels that are within 1e-3 rad of half a turn from the truth; 1 where the global
    phase itself is rounding."""


def images_of(patches_nCHW: Image, truth: Image, norm: float, p: Declared) -> Images:
    """Merge the samples, lay their central tiles side by side, trim, and align with the truth."""
    d = p.dataset
    a_side, stride, grid = positions_a_side(p, d.test_stride), d.test_stride, d.gridsize
    total = np.zeros((a_side, a_side, d.patch_size, d.patch_size), complex)
    count = np.zeros((a_side, a_side, 1, 1))
    groups = a_side - grid + 1
    for sample in range(groups**2):
        row, column = divmod(sample, groups)
        for channel in range(grid**2):
            a, b = divmod(channel, grid)
            total[row + a, column + b] += patches_nCHW[sample, channel]
            count[row + a, column + b] += 1
    start = (d.patch_size - stride) // 2
    tiles = (total / count)[:, :, start : start + stride, start : start + stride]
    image = np.concatenate([np.concatenate(list(row), axis=1) for row in tiles], axis=0) * norm
    image, truth = image[2:-2, 2:-2], truth[2:-2, 2:-2].astype(complex)
    amplitude, target = np.abs(image), np.abs(truth)
    scale = target.mean() / amplitude.mean() if amplitude.mean() > 0 else math.nan
    angle = np.angle(image)
    aligned, offset, common, near_turn = turned_to(amplitude, angle, truth)
    return Images(
        amplitude=amplitude * scale if math.isfinite(scale) else amplitude,
        phase=flattened(angle),
        target_amplitude=target,
        target_phase=flattened(np.angle(truth)),
        scale=scale if math.isfinite(scale) else math.nan,
        near_cut=float((np.abs(angle) > math.pi - 1e-3).mean()),
        aligned=flattened(aligned),
        offset=offset,
        common=common,
        near_turn=near_turn,
    )


def turned_to(amplitude: Image, angle: Image, truth: Image) -> tuple[Image, float, float, float]:
    """Aligned phase, global phase, what it rests on, and share of pixels near half a turn.

    With weights w = |z|·|t| and Δ the angles' difference the global phase is
    atan2(Σ w·sin Δ, Σ w·cos Δ); a pixel's angle is the truth's and what remains of Δ, −π to π.
    """
    weight, true = amplitude * np.abs(truth), np.angle(truth)
    apart = angle - true
    sine, cosine, size = (
        float((weight * part).sum()) for part in (np.sin(apart), np.cos(apart), 1.0)
    )
    common = math.hypot(sine, cosine) / size if size > 0 and math.isfinite(size) else 0.0
    if not common > 1e-9:
        return np.full(angle.shape, math.nan), math.nan, 0.0, 0.0
    offset = math.atan2(sine, cosine)
    left = np.arctan2(np.sin(apart - offset), np.cos(apart - offset))
    near = float((np.abs(left) > math.pi - 1e-3).mean())
    return true + left, offset, common, near if common > 1e-4 else 1.0


def flattened(phase: Image) -> Image:
    """A phase without its least-squares plane."""
    if not np.isfinite(phase).all():
        return phase
    rows, columns = np.indices(phase.shape)
    terms = np.stack([np.ones(phase.size), rows.ravel(), columns.ravel()], axis=1)
    factors = np.linalg.lstsq(terms, phase.ravel(), rcond=None)[0]
    return np.asarray(phase - (terms @ factors).reshape(phase.shape))


def scores_of(images: Images) -> dict[str, list[float | None]]:
    """Metric → [amplitude, phase]; ``None`` where it means nothing."""
    i = images
    amplitude = part_scores(
        i.amplitude,
        i.target_amplitude,
        float(np.ptp(i.target_amplitude)),
        defined=math.isfinite(i.scale),
    )
    turned, target = ((image + math.pi) / (2 * math.pi) for image in (i.phase, i.target_phase))
    phase = part_scores(i.phase, i.target_phase, 1.0, shown=(turned, target))
    return {name: [amplitude[name], phase[name]] for name in amplitude}


def aligned_scores(i: Images) -> dict[str, float | None]:
    """Metric → score of the aligned phase; ``None`` also for a flat image or a constant phase."""
    shown = ((i.aligned + math.pi) / (2 * math.pi), (i.target_phase + math.pi) / (2 * math.pi))
    contrast = phase_contrast(i)
    alive = relative_std(i.amplitude) >= 1e-3 and (contrast is None or contrast >= 1e-2)
    return part_scores(i.aligned, i.target_phase, 1.0, defined=alive, shown=shown)


def amplitude_contrast(i: Images) -> float | None:
    """std/mean of the amplitude in units of the truth's."""
    true = relative_std(i.target_amplitude)
    return relative_std(i.amplitude) / true if np.isfinite(i.amplitude).all() and true else None


def phase_contrast(i: Images) -> float | None:
    """Std of the aligned phase in units of the truth's, which must have one."""
    true = float(i.target_phase.std())
    return float(i.aligned.std()) / true if true > 1e-6 and np.isfinite(i.aligned).all() else None


def part_scores(
    image: Image,
    target: Image,
    ssim_range: float,
    *,
    defined: bool = True,
    shown: tuple[Image, Image] | None = None,
) -> dict[str, float | None]:
    """All metrics of one part; SSIM compares the images ``shown``."""
    names = ("mae", "mse", "psnr", "psnr_255", "ssim", "ms_ssim", "frc50")
    spread = float(np.ptp(target))
    if spread <= 1e-6 * max(1.0, float(np.abs(target).max())):
        defined = False
    if not (defined and np.isfinite(image).all()):
        return dict.fromkeys(names)
    mse = float(((image - target) ** 2).mean())
    a, b = shown or (image, target)
    small = min(target.shape)
    return {
        "mae": float(np.abs(image - target).mean()),
        "mse": mse,
        "psnr": 10 * math.log10(spread**2 / mse) if mse else None,
        "psnr_255": 10 * math.log10(255**2 / mse) if mse else None,
        "ssim": ssim_maps(a, b, ssim_range)[0] if small >= 7 else None,
        "ms_ssim": ms_ssim(a, b, ssim_range) if small >= 112 else None,
        "frc50": half(frc(image, target)),
    }


def ssim_maps(a: Image, b: Image, data_range: float) -> tuple[float, float]:
    """Mean SSIM over all 7×7 windows, and the mean of its contrast-structure part alone."""
    c1, c2, n = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2, 49

    def mean(image: Image) -> Image:
        total = np.zeros((image.shape[0] - 6, image.shape[1] - 6))
        for row in range(7):
            for column in range(7):
                total += image[row : row + total.shape[0], column : column + total.shape[1]]
        return total / n

    ma, mb = mean(a), mean(b)
    va, vb, vab = (
        n / (n - 1) * (mean(x * y) - mx * my)
        for x, y, mx, my in ((a, a, ma, ma), (b, b, mb, mb), (a, b, ma, mb))
    )
    structure = (2 * vab + c2) / (va + vb + c2)
    luminance = (2 * ma * mb + c1) / (ma**2 + mb**2 + c1)
    return float((structure * luminance).mean()), float(structure.mean())


def ms_ssim(a: Image, b: Image, data_range: float) -> float:
    """Product over four scales of mean(cs)^w, times mean(SSIM)^w of the fifth."""
    score = 1.0
    for weight in MS_WEIGHTS[:-1]:
        score *= max(ssim_maps(a, b, data_range)[1], 0.0) ** weight
        a, b = halved(a), halved(b)
    return float(score * max(ssim_maps(a, b, data_range)[0], 0.0) ** MS_WEIGHTS[-1])


def halved(image: Image) -> Image:
    """Means over 2×2 px; an odd last row or column is dropped."""
    height, width = (2 * (side // 2) for side in image.shape)
    even, odd = image[0:height:2, :width], image[1:height:2, :width]
    return np.asarray((even[:, ::2] + even[:, 1::2] + odd[:, ::2] + odd[:, 1::2]) / 4)


def frc(image: Image, target: Image) -> list[float | None]:
    """Re ΣFG* / √(Σ|F|²Σ|G|²) by rings of the rounded radius; ``None`` without power to match."""
    f, g = (np.fft.fftshift(np.fft.fft2(i)) for i in (image, target))
    rows, columns = (np.arange(side) - side // 2 for side in target.shape)
    ring = np.rint(np.hypot(rows[:, None], columns[None, :])).astype(int)
    whole = [float((np.abs(spectrum) ** 2).sum()) for spectrum in (f, g)]
    powers, wanted, crosses = (
        np.bincount(ring.ravel(), values.ravel()).tolist()
        for values in (np.abs(f) ** 2, np.abs(g) ** 2, (f * g.conj()).real)
    )
    curve: list[float | None] = []
    for power, target_power, cross in zip(powers, wanted, crosses, strict=True):
        if target_power <= 1e-24 * whole[1]:
            curve.append(None)
        elif power <= 1e-24 * whole[0]:
            curve.append(0.0)
        else:
            curve.append(cross / math.sqrt(power * target_power))
    return curve


def half(curve: list[float | None]) -> float:
    """Number of the first ring below one half, or the number of rings."""
    below = [number for number, value in enumerate(curve) if value is not None and value < 0.5]
    return float(below[0] if below else len(curve))


def outcome(
    history: Mapping[str, Any], images: Images, ssim: float | None
) -> tuple[str | None, bool | None]:
    """``not_finite``, ``flat``, ``unlike_object`` or ``None``: the first; and if it is unfinished.

    Unfinished is what would be unlike the object, had its loss not been falling.
    """
    a = images.amplitude
    if None in (history["train_loss"][-1], history["val_loss"][-1]) or not np.isfinite(a).all():
        return "not_finite", False
    if relative_std(a) < 1e-3:
        return "flat", False
    if ssim is None or ssim >= 0.5:
        return None, False
    falls = falling(history["val_loss"])
    return (None, True) if falls else ("unlike_object", falls)


def falling(losses: list[float | None]) -> bool | None:
    """Whether the last quarter's least loss is 2 % below the least before; of losses above 0."""
    first_late = len(losses) - max(1, len(losses) // 4)
    early = [loss for loss in losses[:first_late] if loss is not None]
    late = [loss for loss in losses[first_late:] if loss is not None]
    if not early or not late or min(early + late) <= 0:
        return None
    return min(late) <= 0.98 * min(early)


def broken(history: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """First epoch with a loss that is not finite, and the first after the last such epoch."""
    pairs = list(zip(history["train_loss"], history["val_loss"], strict=True))
    epochs = [epoch for epoch, pair in enumerate(pairs) if None in pair]
    if not epochs:
        return None, None
    return epochs[0], epochs[-1] + 1 if epochs[-1] + 1 < len(pairs) else None


def relative_std(amplitude: Image) -> float:
    """std/mean, 0 where everything is 0."""
    return float(amplitude.std() / amplitude.mean()) if amplitude.mean() else 0.0


def flat_since(series: list[float | None]) -> int | None:
    """First epoch from which on the watched amplitude is flat, or not finite, until the end."""
    since = None
    for epoch, value in reversed(list(enumerate(series))):
        if value is not None and value >= 1e-3:
            break
        since = epoch
    return since
