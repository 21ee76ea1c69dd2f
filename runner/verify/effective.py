"""Whether a run was what its plan says: every knob, and what follows from the knobs.

Pure functions on values that were read from files of the contract; they believe nothing of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeGuard

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
from runner.core.digest import canonical_json
from runner.hub.record import Difference, leaves

RELATIVE_TOLERANCE = 1e-6
"""Of a number that was read back: weights and optimizer states are float32."""
CLIP_TOLERANCE = 1e-5
"""Share by which a clipped gradient may exceed its bound: its norm is a long sum in float32."""

WITHOUT_PARTICIPATION = 1
"""Version of ``effective_config.json`` that does not tell which weights and modules took part."""

_ABSENT = object()


class Planned(Protocol):
    """Where the plan wants the numbers to be made."""

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""

    @property
    def threads(self) -> int:
        """Intra-op threads of the job."""

    @property
    def determinism(self) -> str:
        """``portable`` or ``native``."""


def compare_effective(
    parameters: Mapping[str, Any], seed: int, execution: Planned, effective: Mapping[str, object]
) -> tuple[Difference, ...]:
    """Every knob of the plan that the live objects of a run do not show again.

    ``effective`` is the table of ``effective_config.json``. All leaves of ``parameters`` are
    walked, and those of ``effective`` that the plan does not have. Where the plan has a float, the
    number may differ by 1 part in 10⁶; nothing else may differ. What follows from the plan is
    computed anew and compared with what was observed: the learning rate and the steps of each
    epoch, the size of the network, the bound of the clipped norm.
    """
    placed = {
        "device": execution.device,
        "threads": execution.threads,
        "determinism": execution.determinism,
    }
    found = [
        *_compare_tables(parameters, _table(effective, "parameters"), ""),
        *_compare_leaf("seed", seed, effective.get("seed", _ABSENT)),
        *(
            difference
            for name, value in (placed | {"deterministic_algorithms": True}).items()
            for difference in _compare_leaf(
                f"execution.{name}", value, _table(effective, "execution").get(name, _ABSENT)
            )
        ),
        *_compare_observed(parameters, _table(effective, "observed")),
    ]
    if effective.get("schema_version") != WITHOUT_PARTICIPATION:
        found += _compare_participation(parameters, _table(effective, "observed"))
    return tuple(sorted(found, key=lambda difference: difference.knob))


def _table(effective: Mapping[str, object], name: str) -> dict[str, object]:
    table = effective.get(name)
    return table if isinstance(table, dict) else {}


def _compare_tables(
    planned: Mapping[str, Any], effective: Mapping[str, Any], prefix: str
) -> Iterator[Difference]:
    wanted, shown = dict(leaves(planned, prefix)), dict(leaves(effective, prefix))
    for knob, value in wanted.items():
        yield from _compare_leaf(knob, value, shown.get(knob, _ABSENT))
    for knob in shown.keys() - wanted.keys():
        yield Difference(knob=knob, kind="unexpected", planned=None, effective=shown[knob])


def _compare_leaf(knob: str, planned: object, effective: object) -> Iterator[Difference]:
    if effective is _ABSENT:
        yield Difference(knob=knob, kind="missing", planned=planned, effective=None)
    elif not _same(planned, effective):
        yield Difference(knob=knob, kind="different", planned=planned, effective=effective)


def _same(planned: object, effective: object) -> bool:
    """Whether a leaf came back: floats to within the tolerance, all else in value and type."""
    if isinstance(planned, list | tuple) and isinstance(effective, list):
        return len(planned) == len(effective) and all(map(_same, planned, effective))
    if isinstance(planned, float) and _is_number(effective):
        return abs(effective - planned) <= RELATIVE_TOLERANCE * abs(planned)
    return type(planned) is type(effective) and planned == effective


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _compare_observed(
    parameters: Mapping[str, Any], observed: dict[str, object]
) -> Iterator[Difference]:
    """What has no knob of its own, against what the plan implies."""
    planned = Parameters.model_validate_json(canonical_json(parameters))
    train = planned.train
    losses = observed.get("val_loss_by_epoch", _ABSENT)
    if _are_losses(losses, train.epochs):
        rates = [train.learning_rate_after(losses[:epoch]) for epoch in range(train.epochs)]
        used = observed.get("learning_rate_by_epoch", _ABSENT)
        yield from _compare_series("observed.learning_rate_by_epoch", rates, used)
    else:
        yield from _compare_leaf("observed.val_loss_by_epoch", "one loss an epoch", losses)
    steps = [steps_per_epoch(planned.dataset, train)] * train.epochs
    yield from _compare_series(
        "observed.steps_by_epoch", steps, observed.get("steps_by_epoch", _ABSENT)
    )
    counted = count_parameters(planned).live
    yield from _compare_leaf(
        "observed.num_parameters", counted, observed.get("num_parameters", _ABSENT)
    )
    yield from _compare_bound(train.clip, observed)


def _compare_participation(
    parameters: Mapping[str, Any], observed: dict[str, object]
) -> Iterator[Difference]:
    """Every weight is in one group, every module was called, and no setting is another's."""
    for name in ("parameters_not_in_one_group", "modules_not_called"):
        yield from _compare_leaf(f"observed.{name}", [], observed.get(name, _ABSENT))
    planned = Parameters.model_validate_json(canonical_json(parameters))
    shown = _table(observed, "optimizer_settings")
    yield from _compare_tables(planned.train.optimizer.fixed, shown, "observed.optimizer_settings")


def _are_losses(shown: object, epochs: int) -> TypeGuard[list[float | None]]:
    """Whether there is one loss for each epoch, ``None`` where it was not finite."""
    return (
        isinstance(shown, list)
        and len(shown) == epochs
        and all(loss is None or _is_number(loss) for loss in shown)
    )


def compare_history(
    effective: Mapping[str, object], history: Mapping[str, object]
) -> tuple[Difference, ...]:
    """What ``history.json`` says otherwise than the live objects did, epoch by epoch.

    What the live objects showed stands in the place of the plan; where they showed no series at
    all, ``compare_effective`` has said so.
    """
    observed = _table(effective, "observed")
    return tuple(
        difference
        for name in ("learning_rate", "val_loss")
        if isinstance(series := observed.get(f"{name}_by_epoch"), list)
        for difference in _compare_series(f"history.{name}", series, history.get(name, _ABSENT))
    )


def _compare_series(name: str, planned: Sequence[object], shown: object) -> Iterator[Difference]:
    """One value an epoch; each epoch that differs is named."""
    if not isinstance(shown, list):
        yield from _compare_leaf(name, list(planned), shown)
        return
    if len(shown) != len(planned):
        yield Difference(
            knob=f"{name} (epochs)",
            kind="different",
            planned=len(planned),
            effective=len(shown),
        )
    for epoch, (value, seen) in enumerate(zip(planned, shown, strict=False)):
        yield from _compare_leaf(f"{name}[{epoch}]", value, seen)


def _compare_bound(clip: Clip, observed: dict[str, object]) -> Iterator[Difference]:
    """What the clipper bounds, as it was measured after clipping, against its bound."""
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
    measured = observed.get(name, _ABSENT)
    if not _is_number(measured) or measured > bound * (1 + CLIP_TOLERANCE):
        absent = measured is _ABSENT
        yield Difference(
            knob=f"observed.{name}",
            kind="missing" if absent else "different",
            planned=bound,
            effective=None if absent else measured,
        )
