"""Whether what the command line sets can be set: of its kind, and reaching every arm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.manifest.manifest_errors import Mistake, dotted
from runner.manifest.matrix import Expanded
from runner.manifest.set_knobs import OPTION, RESOURCES, SEED, knobs_in, overlap, path_of
from runner.manifest.source import TomlSource
from runner.manifest.tables import Arm, Manifest
from runner.manifest.toml.keys import KeyPath
from runner.manifest.validation import read_as


def check_set(source: TomlSource, expanded: Sequence[Expanded]) -> Iterator[Mistake]:
    """What is wrong with bounds and seed that are set, and what does not reach all these arms.

    Knobs of the sections are checked where the arms are read, like those of any layer.
    """
    over = source.over
    own: dict[str, Any] = {"name": "x"}
    if (bounds := over.tables.get(RESOURCES)) is not None:
        own[RESOURCES] = bounds
    if over.seed is not None:
        own["seed"] = over.seed
    for unplaced in read_as(Arm, json.dumps(own)).mistakes:
        path = unplaced.paths[0]
        yield source.at((OPTION, *(SEED if path[0] == "seed" else path)), unplaced.problem)
    for knob in map(path_of, over.knobs):
        yield from _not_reached(source, knob, expanded)


def _not_reached(
    source: TomlSource, knob: KeyPath, expanded: Sequence[Expanded]
) -> Iterator[Mistake]:
    """The first arm that has a knob of its own, and how many others have, too."""
    wanted = ("seed",) if knob == SEED else knob
    having = [(one, place) for one in expanded if (place := _own(source, one, wanted)) is not None]
    if having:
        one, place = having[0]
        others = {arm.name for arm, _ in having} - {one.name}
        more = f" and {len(others)} more" if others else ""
        where = "the matrix" if "matrix" in (place[0], *place[2:3]) else "its own table"
        yield source.at(
            (OPTION, *knob),
            f"arm {one.name!r}{more} has {dotted(wanted)} from {where} (line "
            f"{source.at(place, '').line}), which stands above what is set: change it there, or "
            f"leave {OPTION} out",
        )


def _own(source: TomlSource, arm: Expanded, wanted: KeyPath) -> KeyPath | None:
    """Where an arm has a knob of its own; ``None`` where it has what phase and profile say."""
    if arm.combination is not None:
        for choice in arm.combination.choices:
            if overlap(choice.key, wanted):
                return choice.place
    if arm.base is not None:
        own = source.tables("arms")[arm.base]
        for path, _ in knobs_in(_with_tables(own)):
            if overlap(path, wanted):
                return ("arms", arm.base, *path)
    return None


def _with_tables(arm: Mapping[str, Any]) -> dict[str, Any]:
    """An arm's own tables and its seed: what else it has is no knob."""
    return {key: value for key, value in arm.items() if key == "seed" or isinstance(value, dict)}


def with_set_seed(manifest: Manifest | None, seed: int | None) -> Manifest | None:
    """The manifest with the seed that was set for the phase, if one was."""
    if manifest is None or seed is None:
        return manifest
    return manifest.model_copy(update={"phase": manifest.phase.model_copy(update={"seed": seed})})
