"""Reports on one set of weights: what its layers put out, and how its gradient is spread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from models.config import Parameters
from models.diagnostics.activation_profile import plot_profile
from models.diagnostics.activations import activation_report
from models.diagnostics.gradients import plot_gradients, save_gradients
from models.job import write_json
from models.nets.generator import Generator
from models.training.gradients import Gradients, measure_gradients
from models.training.module import PatchFit


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """A network with one set of weights, and what it is looked at with."""

    module: PatchFit
    parameters: Parameters
    training_patches: Tensor
    """The patches that are trained on, (n, C, H, W)."""
    test_patches: Tensor
    name: str
    """What the weights are called in titles."""
    epoch: int | None
    """Epoch at whose end the weights were these; ``None`` for the initial ones."""
    checkpoint_sha256: str
    """Digest of the file that holds them."""

    @property
    def title(self) -> str:
        """Architecture, name and epoch."""
        return title(self.parameters, self.name, self.epoch)


def title(parameters: Parameters, name: str, epoch: int | None) -> str:
    """How a picture is headed."""
    when = "initial weights" if epoch is None else f"end of epoch {epoch}"
    return f"{parameters.model.architecture}, {name.replace('_', ' ')} ({when})"


def capture_activations(subject: Subject, suffix: str, out: Path) -> None:
    """Write ``activation_report<suffix>.json`` and ``activation_profile<suffix>.png``."""
    net = subject.module.net
    assert isinstance(net, Generator)
    report = activation_report(
        net,
        subject.test_patches,
        architecture=subject.parameters.model.architecture,
        batch_size=subject.parameters.train.inference_batch_size,
        checkpoint_sha256=subject.checkpoint_sha256,
    )
    write_json(out / f"activation_report{suffix}.json", report)
    plot_profile(report, subject.title, out / f"activation_profile{suffix}.png")


def capture_gradients(subject: Subject, suffix: str, out: Path) -> None:
    """Write ``grad_hist<suffix>.npz`` and ``.png``."""
    gradients = measure_gradients(
        subject.module, subject.training_patches, subject.parameters.train.batch_size, subject.epoch
    )
    write_gradients(gradients, subject.title, suffix, out)


def write_gradients(gradients: Gradients, heading: str, suffix: str, out: Path) -> None:
    """Write the two files of gradients that were taken."""
    save_gradients(gradients, out / f"grad_hist{suffix}.npz")
    plot_gradients(gradients, heading, out / f"grad_hist{suffix}.png")


CAPTURES: Mapping[str, Callable[[Subject, str, Path], None]] = {
    "activations": capture_activations,
    "gradient_histograms": capture_gradients,
}
"""Name of a report → what writes its files, given a suffix of their names."""
