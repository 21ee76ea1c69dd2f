"""The collapse of a reconstruction: the endpoint by which groups of arms are compared."""

from __future__ import annotations

from runner.experiment.interface import Count, Endpoint, Fate, Spelled, Values

OUTCOMES = {
    "not_finite": "not finite",
    "unlike_object": "unlike the object",
    "unfinished": "unfinished",
}
"""What an arm may come to that is neither a collapse nor a reconstruction."""


def fate(values: Values) -> Fate:
    """Whether an arm collapsed, when and why; or what else it came to that is no reconstruction."""
    return Fate(
        reached=values["collapsed"],
        when=values["collapse_epoch"],
        why=values["collapse_reason"],
        shortcoming=_shortcoming(values),
    )


def _shortcoming(values: Values) -> str | None:
    """What the reconstruction has come to without having collapsed; ``None`` if it is sound.

    By definition 1 it counts as a collapse.
    """
    kind: str | None = values["collapse_kind"]
    if kind is not None and not values["collapsed"]:
        return kind
    return "unfinished" if values["stats"].get("unfinished") is True else None


def shortcoming_words(values: Values, spelled: Spelled) -> str:
    """What an arm is that has not collapsed, and is no reconstruction either."""
    found = _shortcoming(values)
    if found == "unfinished":
        return (
            f"unfinished: amp_ssim {spelled(values['stats'].get('amp_ssim'))} is that of no object "
            "yet, and the loss was still falling at the last epoch"
        )
    return str(values["collapse_reason"] or OUTCOMES[str(found)])


def brief(values: Values) -> str:
    """In few words for the console, what an arm came to; empty for a sound one."""
    if values["collapsed"]:
        return f"collapsed: {values['collapse_reason']}"
    if _shortcoming(values):
        return str(values["collapse_reason"] or "unfinished: its loss was still falling")
    return ""


def _is_flat(values: Values) -> bool | None:
    stats = values["stats"]
    return stats["collapse_kind"] == "flat" if "collapse_kind" in stats else None


def _collapsed(values: Values) -> bool | None:
    reached: bool | None = values["collapsed"]
    return reached


COLLAPSE = Endpoint(
    noun="collapse",
    past="collapsed",
    third="collapses",
    plural="collapse",
    unit="epoch",
    fate=fate,
    outcomes=OUTCOMES,
    shortcoming=shortcoming_words,
    markers="dead_decoders",
    marker_words="at the last epoch",
    brief=brief,
    counts={
        "flat": Count(
            rate="rate of flat collapse",
            shown="flat",
            meaning="arms that end in a constant amplitude (`flat`: `collapse_kind` in "
            "`stats.json`)",
            hit=_is_flat,
        ),
        "collapse": Count(
            rate="rate of collapse",
            shown="collapsed",
            meaning="arms that collapse in any way",
            hit=_collapsed,
        ),
    },
)
