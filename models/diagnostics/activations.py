"""The activation report: what every layer of a trained network puts out on measured patches.

Shapes: n patches, B of them in a batch, C channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.config import REPORT_SAMPLES
from models.nets.generator import Generator
from models.training.inference import infer, spread

PERCENTILES = (50, 95, 99)


@dataclass
class Outputs:
    """What one layer has put out so far."""

    magnitudes: list[NDArray[np.float32]] = field(default_factory=list)
    num_not_positive: int = 0
    low_powers: list[float] = field(default_factory=list)
    powers: list[float] = field(default_factory=list)

    def add(self, out_BCHW: Tensor) -> None:
        """Add the real output of one batch."""
        self.magnitudes.append(out_BCHW.abs().cpu().numpy().ravel())
        self.num_not_positive += int((out_BCHW <= 0).sum())
        power = torch.fft.rfft2(out_BCHW.double(), norm="ortho").abs().square()
        rows, columns = (max(1, side // 8) for side in out_BCHW.shape[-2:])
        weight = len(out_BCHW)
        self.low_powers.append(weight * float(power[..., :rows, :columns].mean()))
        self.powers.append(weight * float(power.mean()))

    @property
    def mean(self) -> float:
        """Mean of |output|."""
        return float(np.concatenate(self.magnitudes).mean(dtype=np.float64))

    def statistics(self) -> dict[str, Any]:
        """The row of the report; all but ``finite`` are null when an output is not finite.

        mean, std and percentiles of |output|; ``share_not_positive`` of outputs ≤ 0;
        ``low_freq_ratio`` = mean power in the lowest H/8 rows and W/8 columns of the ortho rfft2
        over its mean power, null where there is none.
        """
        values = np.concatenate(self.magnitudes)
        names = [f"p{percentile}" for percentile in PERCENTILES]
        if not np.isfinite(values).all():
            keys = ("mean", "std", *names, "share_not_positive", "low_freq_ratio")
            return {"finite": False, **dict.fromkeys(keys)}
        total = sum(self.powers)
        percentiles = np.percentile(values, PERCENTILES)
        return {
            "finite": True,
            "mean": self.mean,
            "std": float(values.std(dtype=np.float64)),
            **{name: float(value) for name, value in zip(names, percentiles, strict=True)},
            "share_not_positive": self.num_not_positive / values.size,
            "low_freq_ratio": sum(self.low_powers) / total if total else None,
        }


def activation_report(
    net: Generator,
    diffraction_nCHW: Tensor,
    *,
    architecture: str,
    batch_size: int,
    checkpoint_sha256: str,
    num_samples: int = REPORT_SAMPLES,
) -> dict[str, Any]:
    """Statistics of all layers of ``net`` on up to ``num_samples`` patches, in evaluation mode.

    ``position`` counts the layers from 0 on the data's way, which a JSON table does not keep.

    Blocks also have ``spectral_local_ratio`` = mean|S(x)| / mean|L(x)| of their two branches, null
    where the local one is silent or either is not finite. A ratio below 0.1 tells of a starved
    spectral branch; p99/p50 above 5 of heavy tails.
    """
    samples_nCHW = spread(diffraction_nCHW, num_samples)
    layers = net.layers()
    with recording(layers) as outputs:
        infer(net, samples_nCHW, batch_size)
    report = {
        name: {"position": position, **outputs[name].statistics()}
        for position, name in enumerate(layers)
    }
    for name in layers:
        spectral, local = (report.get(f"{name}.{branch}") for branch in ("spectral", "local"))
        if spectral and local:
            usable = spectral["finite"] and local["finite"] and local["mean"] > 0
            ratio = spectral["mean"] / local["mean"] if usable else None
            report[name]["spectral_local_ratio"] = ratio
    return {
        "schema_version": 1,
        "summary": {
            "architecture": architecture,
            "num_samples": len(samples_nCHW),
            "batch_size": batch_size,
            "checkpoint_sha256": checkpoint_sha256,
        },
        "layers": report,
    }


@contextmanager
def recording(layers: dict[str, nn.Module]) -> Iterator[dict[str, Outputs]]:
    """Record what the layers put out while the context lasts; the hooks are gone afterwards."""
    outputs = {name: Outputs() for name in layers}

    def recorder(name: str) -> Any:  # noqa: ANN401  torch's own signature of a hook
        return lambda _module, _inputs, out: outputs[name].add(out.detach())

    hooks = [layer.register_forward_hook(recorder(name)) for name, layer in layers.items()]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
