"""What a run must show beside its knobs: rates and steps by epoch, sizes, bounds of gradients.

Nothing of what the run shows is believed: whatever is not there, or of no sense, is a difference.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TypeGuard

from models.config import (
    Agc,
    AgcPerTensor,
    Clip,
    NoClip,
    NormClip,
    Parameters,
    ValueClip,
    count_parameters,
    steps_per_epoch,
)
from runner.experiment.interface import ABSENT, Implied, Readback, Tables

CLIP_TOLERANCE = 1e-5
"""Share by which a clipped gradient may exceed its bound: its norm is a long sum in float32."""
WITHOUT_PARTICIPATION = 1
"""Version of ``effective_config.json`` that does not tell which weights and modules took part."""
REPEATED = ("learning_rate", "val_loss")
"""Series of ``history.json`` that the live objects showed, too."""


def implied(tables: Tables, effective: Mapping[str, object]) -> Iterator[Implied]:
    """What follows from the plan, computed again, beside what was observed.

    The learning rate and the steps of each epoch, the size of the network, the bound of the clipped
    norm; and that every weight and every module took part.
    """
    planned = Parameters.model_validate_json(json.dumps(tables))
    observed = _observed(effective)
    yield from _by_epoch(planned, observed)
    yield _leaf("num_parameters", count_parameters(planned).live, observed)
    yield from _bound(planned.train.clip, observed)
    if effective.get("schema_version") != WITHOUT_PARTICIPATION:
        for name in ("parameters_not_in_one_group", "modules_not_called"):
            yield _leaf(name, [], observed)
        shown = observed.get("optimizer_settings")
        yield Implied(
            name="observed.optimizer_settings",
            planned=planned.train.optimizer.fixed,
            shown=shown if isinstance(shown, dict) else {},
            how="table",
        )


def _observed(effective: Mapping[str, object]) -> dict[str, object]:
    table = effective.get("observed")
    return table if isinstance(table, dict) else {}


def _leaf(name: str, planned: object, observed: Mapping[str, object]) -> Implied:
    return Implied(name=f"observed.{name}", planned=planned, shown=observed.get(name, ABSENT))


def _by_epoch(planned: Parameters, observed: Mapping[str, object]) -> Iterator[Implied]:
    train = planned.train
    losses = observed.get("val_loss_by_epoch", ABSENT)
    if _are_losses(losses, train.epochs):
        rates = [train.learning_rate_after(losses[:epoch]) for epoch in range(train.epochs)]
        used = observed.get("learning_rate_by_epoch", ABSENT)
        yield _series("observed.learning_rate_by_epoch", rates, used)
    else:
        yield _leaf("val_loss_by_epoch", "one loss an epoch", observed)
    steps = [steps_per_epoch(planned.dataset, train)] * train.epochs
    yield _series("observed.steps_by_epoch", steps, observed.get("steps_by_epoch", ABSENT))


def _series(name: str, planned: list[object] | list[float] | list[int], shown: object) -> Implied:
    return Implied(name=name, planned=planned, shown=shown, how="series", unit="epochs")


def _are_losses(shown: object, epochs: int) -> TypeGuard[list[float | None]]:
    """Whether there is one loss for each epoch, ``None`` where it was not finite."""
    return (
        isinstance(shown, list)
        and len(shown) == epochs
        and all(loss is None or _is_number(loss) for loss in shown)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _bound(clip: Clip, observed: Mapping[str, object]) -> Iterator[Implied]:
    """What the clipper bounds, as it was measured after clipping."""
    match clip:
        case NoClip():
            return
        case NormClip():
            quantity, bound = "norm", clip.max_norm
        case ValueClip():
            quantity, bound = "value", clip.max_value
        case Agc() | AgcPerTensor():
            quantity, bound = "ratio", clip.clip_factor
    name = f"max_post_clip_{quantity}"
    yield Implied(
        name=f"observed.{name}",
        planned=bound,
        shown=observed.get(name, ABSENT),
        how="bound",
        tolerance=CLIP_TOLERANCE,
    )


def repeated(effective: Mapping[str, object], history: Mapping[str, object]) -> Iterator[Implied]:
    """The series that the live objects showed, beside those of ``history.json``.

    Where they showed no series at all, ``implied`` has said so.
    """
    observed = _observed(effective)
    for name in REPEATED:
        if isinstance(series := observed.get(f"{name}_by_epoch"), list):
            yield _series(f"history.{name}", series, history.get(name, ABSENT))


def final_state(effective: Mapping[str, object]) -> object:
    """Digest of the final weights."""
    return _observed(effective).get("final_weights_sha256")


READBACK = Readback(implied=implied, repeated=repeated, final_state=final_state)
