"""The deterministic files of two hubs, part by part, and which difference comes first in each.

An arm's files are made in the order of ``STAGES``, and arms are made from the dataset; so a
difference may follow from any that comes before it. That it does follow, digests cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from fnmatch import fnmatch
from pathlib import PurePosixPath

from runner.compare.diff.table import (
    DATASET,
    ArtifactsDifference,
    ArtifactsPart,
    EnvironmentDifference,
    Given,
    PlanDifference,
)
from runner.core.names import is_dataset_name
from runner.core.text import briefly
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.verify.parameter_differences import RECORDING

Digests = Mapping[str, str]
"""Path inside the hub → SHA-256 of a deterministic file."""

TOGETHER = "all arms together"
STAGES, FITTED = EXPERIMENT.results.files.order, EXPERIMENT.results.files.fitted
"""What is made after what, by the names of files. Of the dataset there is one stage, its data."""
NO_NUMBER = "resources."
"""Knobs on which no number depends."""


def compare_artifacts(
    records: tuple[HubRecord, HubRecord],
    plan: PlanDifference,
    environment: EnvironmentDifference,
) -> ArtifactsDifference:
    """Which deterministic files of two hubs are the same, and what may have made others differ."""
    before, after = (_digests(record) for record in records)
    given = [path for path in {**before, **after} if _part_of(path) is None]
    parts: list[ArtifactsPart] = []
    shown = [record.datasets_of_arms for record in records]
    of_before, of_after = _by_part(before), _by_part(after)
    for name in _parts(before, after, plan):
        part = _compare(name, of_before.get(name, {}), of_after.get(name, {}))
        arm = name.removeprefix("arm ")
        data = {side[arm].name for side in shown if arm in side}
        causes = tuple(_causes(part, parts, data, plan, environment)) if part.differing else ()
        parts.append(part.model_copy(update={"may_follow_from": causes}))
    only = [sum(len(getattr(part, side)) for part in parts) for side in ONLY]
    return ArtifactsDifference(
        given=Given(
            num_identical=sum(before.get(path) == after.get(path) for path in given),
            differing=tuple(sorted(p for p in given if before.get(p) != after.get(p))),
        ),
        parts=tuple(parts),
        num_identical=sum(part.num_identical for part in parts),
        num_different=sum(len(part.differing) for part in parts) - sum(only),
        num_only_before=only[0],
        num_only_after=only[1],
        num_observational=len(_observational(records)),
    )


ONLY = ("only_before", "only_after")


def _digests(record: HubRecord) -> dict[str, str]:
    """The deterministic files, with the data and audited states, which the hub does not hold."""
    data = {
        f"{one.folder}/{file.path}": file.sha256 for one in record.datasets for file in one.files
    }
    for arm in record.arms:
        for file in arm.audit.removed if arm.audit else ():
            data[f"{layout.arm_dir(arm.name)}/{file.path}"] = file.sha256
    return data | {file.path: file.sha256 for file in record.artifacts if file.deterministic}


def _observational(records: Sequence[HubRecord]) -> set[str]:
    return {f.path for record in records for f in record.artifacts if not f.deterministic}


def _part_of(path: str) -> str | None:
    """To which part a file belongs; ``None`` for what a run was given."""
    parts = PurePosixPath(path).parts
    name = parts[-1]
    if (
        name == layout.JOB
        or path in (layout.MANIFEST, layout.LOCK, layout.PLAN)
        or parts[0] in layout.BUNDLED
    ):
        return None
    if parts[0] == layout.DATASET:
        folder = [part for part in parts[:-1] if part != "audit"]
        return None if name == EXPERIMENT.given.name else "-".join(folder)
    if parts[0] in (layout.ARMS, layout.AUDITS):
        return f"arm {parts[1]}"
    return f"arm {parts[2]}" if parts[0] == layout.STEPS else TOGETHER


def _parts(before: Digests, after: Digests, plan: PlanDifference) -> list[str]:
    """The parts that are compared: datasets, arms in their order, all arms together."""
    present = {part for path in {**before, **after} if (part := _part_of(path))}
    arms = [f"arm {arm}" for arm in (*plan.common, *plan.only_before, *plan.only_after)]
    datasets = sorted(part for part in present if is_dataset_name(part))
    return [*datasets, *(name for name in (*arms, TOGETHER) if name in present)]


def _by_part(digests: Digests) -> dict[str | None, dict[str, str]]:
    """The files of each part; a hub has thousands of both."""
    found: dict[str | None, dict[str, str]] = {}
    for path, digest in digests.items():
        found.setdefault(_part_of(path), {})[path] = digest
    return found


def _compare(name: str, before: Digests, after: Digests) -> ArtifactsPart:
    paths = sorted({**before, **after}, key=lambda path: (_stage(path), path))
    differing = [path for path in paths if before.get(path) != after.get(path)]
    first = [path for path in differing if _stage(path) == _stage(differing[0])]
    return ArtifactsPart(
        name=name,
        num_identical=len(paths) - len(differing),
        first=tuple(first),
        stage=_stage_name(first[0]) if first else "",
        later=tuple(differing[len(first) :]),
        only_before=tuple(path for path in differing if path not in after),
        only_after=tuple(path for path in differing if path not in before),
    )


def _stage(path: str) -> int:
    """How early a file is made, from 0."""
    if is_dataset_name(_part_of(path) or ""):
        return 0
    name = PurePosixPath(path).name
    places = (i for i, (_, names) in enumerate(STAGES) if any(fnmatch(name, n) for n in names))
    return next(places, len(STAGES))


def _stage_name(path: str) -> str:
    if is_dataset_name(_part_of(path) or ""):
        return "data"
    return STAGES[_stage(path)][0] if _stage(path) < len(STAGES) else "other files"


# --- what may have made them differ --------------------------------------------------------------


def _causes(
    part: ArtifactsPart,
    earlier: Sequence[ArtifactsPart],
    data: Set[str],
    plan: PlanDifference,
    environment: EnvironmentDifference,
) -> Iterator[str]:
    """The differences that come before a part's first one, the nearest to it first."""
    if part.name == TOGETHER:
        yield from (
            other.name for other in earlier if other.differing and not is_dataset_name(other.name)
        )
        yield from (f"the plan ({k.knob})" for k in plan.knobs if not k.of and k.knob == "compared")
    else:
        yield from (
            f"the {other.name}" for other in earlier if other.name in data and other.differing
        )
        if is_dataset_name(part.name) and part.differing in (part.only_before, part.only_after):
            yield f"the plan (only one has this {DATASET})"
        arm = part.name.removeprefix("arm ")
        if arm in (*plan.only_before, *plan.only_after):
            yield "the plan (only one has this arm)"
        elif knobs := [k.knob for k in plan.knobs if arm in k.of and _matters(k.knob, part.stage)]:
            yield f"the plan ({briefly(knobs)})"
    if plan.source:
        yield "the source of models/"
    if num := len(environment.facts):
        yield f"the environment ({num} {'fact' if num == 1 else 'facts'})"


def _matters(knob: str, stage: str) -> bool:
    """Whether a knob can change what is made at a stage."""
    if knob.startswith(NO_NUMBER):
        return False
    # What an arm records of itself changes nothing that is fitted.
    return not (knob.startswith(RECORDING) and stage in FITTED)
