"""What a run must show beside its knobs: rates and steps by epoch, sizes, bounds of gradients.

Nothing of what the run shows is believed: whatever is not there, or of no sense, is a difference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


ENDED_BY = re.compile(r"(training|validation) loss|weights of [\w.]{1,200}")
"""What may have been not finite."""


@dataclass(frozen=True, kw_only=True)
class _Stop:
    """Where a fit says that it was ended; ``epoch`` is also the number of those that are whole."""

    epoch: int
    step: int
    what: str


def _stop_of(tables: Tables, observed: Mapping[str, object]) -> _Stop | None:
    """Where a fit was ended that was to end once something is not finite; ``None`` for all else."""
    train, shown = tables.get("train"), observed.get("stopped")
    if not isinstance(train, Mapping) or train.get("on_nan") != "stop":
        return None
    if not isinstance(shown, Mapping) or shown.keys() != {"epoch", "step", "what"}:
        return None
    epoch, step, what = shown["epoch"], shown["step"], shown["what"]
    if not _is_count(epoch) or not _is_count(step) or not epoch < train.get("epochs", 0):
        return None
    if not isinstance(what, str) or not ENDED_BY.fullmatch(what):
        return None
    return _Stop(epoch=epoch, step=step, what=what)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def stopped(tables: Tables, effective: Mapping[str, object]) -> str | None:
    """That a fit was ended as something of it was not finite, where and what; else ``None``."""
    stop = _stop_of(tables, _observed(effective))
    if stop is None:
        return None
    return (
        f"ended at step {stop.step:,}, in epoch {stop.epoch:,}, counted from 0, as train.on_nan "
        f"asks: {stop.what} not finite"
    )


def shown(tables: Tables, effective: Mapping[str, object]) -> Tables:
    """What of the plan the live objects of a run must show.

    A fit that was ended on its way did not come to what it was to record at its end; and if it was
    ended at its first step, its clipper may not have been called.
    """
    stop = _stop_of(tables, _observed(effective))
    if stop is None:
        return tables
    train = {knob: value for knob, value in tables["train"].items() if stop.step or knob != "clip"}
    return {"dataset": tables["dataset"], "model": tables["model"], "train": train}


def implied(tables: Tables, effective: Mapping[str, object]) -> Iterator[Implied]:
    """What follows from the plan, computed again, beside what was observed.

    The learning rate and the steps of each epoch, the size of the network, the bound of the clipped
    norm; and that every weight and every module took part.
    """
    planned = Parameters.model_validate_json(json.dumps(tables))
    observed = _observed(effective)
    stop = _stop_of(tables, observed)
    yield from _by_epoch(planned, observed, planned.train.epochs if stop is None else stop.epoch)
    yield from _end(planned, observed, stop)
    yield _leaf("num_parameters", count_parameters(planned).live, observed)
    if stop is None or stop.step:
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


def _end(
    planned: Parameters, observed: Mapping[str, object], stop: _Stop | None
) -> Iterator[Implied]:
    """A fit ends on its way if it was to and must, and never otherwise."""
    if planned.train.on_nan != "stop":
        if "stopped" in observed:
            yield Implied(name="observed.stopped", planned=None, shown=observed["stopped"])
        return
    losses = observed.get("val_loss_by_epoch")
    if isinstance(losses, list) and None in losses:
        due = f"in epoch {losses.index(None)} at the latest"
        yield Implied(name="observed.stopped", planned=due, shown="later, or not at all")
    elif stop is None and "stopped" in observed:
        due = "an epoch, a step, and what was not finite"
        yield Implied(name="observed.stopped", planned=due, shown=observed["stopped"])


def _by_epoch(
    planned: Parameters, observed: Mapping[str, object], epochs: int
) -> Iterator[Implied]:
    """Rates and steps of the ``epochs`` that are whole."""
    train = planned.train
    losses = observed.get("val_loss_by_epoch", ABSENT)
    if _are_losses(losses, epochs):
        rates = [train.learning_rate_after(losses[:epoch]) for epoch in range(epochs)]
        used = observed.get("learning_rate_by_epoch", ABSENT)
        yield _series("observed.learning_rate_by_epoch", rates, used)
    else:
        yield _leaf("val_loss_by_epoch", "one loss an epoch", observed)
    steps = [steps_per_epoch(planned.dataset, train)] * epochs
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


READBACK = Readback(
    implied=implied,
    repeated=repeated,
    final_state=final_state,
    stopped=stopped,
    shown=shown,
)
