"""What is refused, or remarked on, of parameters that are well-formed: only before a run.

Sealed hubs may hold such parameters, from before they were refused; they stay readable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from models.config.parameters import Parameters
from models.config.schedules import WarmupCosine

MOST_NAMED = 6


def refusals(parameters: Parameters) -> Iterator[tuple[tuple[str, ...], str]]:
    """The keys that a refusal is about, dotted, the most telling one first; and why."""
    data = parameters.dataset
    if data.gridsize > 1 and data.train_stride != data.test_stride:
        yield (
            ("dataset.test_stride", "dataset.train_stride", "dataset.gridsize"),
            f"test_stride {data.test_stride} is not train_stride {data.train_stride}: with "
            f"gridsize {data.gridsize} a sample shows patches that lie one stride apart, and a "
            "network that is not given the distance cannot place those of another stride; make "
            "both equal, or use gridsize 1",
        )


def remarks(arms: Iterable[tuple[str, Parameters]]) -> list[str]:
    """Sentences on knobs that do nothing where they stand, each with the arms that it is about."""
    found: dict[str, list[str]] = {}
    for name, parameters in arms:
        for text in _remarks(parameters):
            found.setdefault(text, []).append(name)
    return [f"{_listed(names)}: {text}" for text, names in found.items()]


def _remarks(parameters: Parameters) -> Iterator[str]:
    scheduler, epochs = parameters.train.scheduler, parameters.train.epochs
    if isinstance(scheduler, WarmupCosine) and scheduler.warmup_epochs == epochs - 1:
        yield (
            f"train.scheduler.min_ratio {scheduler.min_ratio:g} does nothing: with warmup_epochs "
            f"{scheduler.warmup_epochs} of epochs {epochs} the cosine has one epoch, and begins it "
            "at the full rate; give it two epochs or more"
        )


def _listed(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
