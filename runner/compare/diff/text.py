"""Two hubs explained in words, for the console."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from runner.compare.diff.metrics import TELLING, most_telling
from runner.compare.diff.table import (
    DATASET,
    ArmMetrics,
    ArtifactsDifference,
    ArtifactsPart,
    EnvironmentDifference,
    HubDifference,
    KnobChange,
    PlanDifference,
)
from runner.core.text import briefly, listing
from runner.hub import layout
from runner.report.wording import aligned, declared, measured

SHORT = 12
"""Digits of a digest that are shown."""
ARROW = "→"
MOST_IN_FULL = 6
"""Arms of which every statistic that differs is shown."""
SOURCE = f"{layout.CODE}/models/"


def headline(found: HubDifference) -> str:
    """The whole in one sentence, causes before what may follow from them."""
    parts = [_plan_in_short(found.plan), _places_in_short(found.environment)]
    parts.append(_files_in_short(found.artifacts))
    if (telling := most_telling(found.metrics)) is not None:
        arm, stat = telling
        parts.append(f"{stat.name} of {arm} {_both(stat.before, stat.after)}")
    return "; ".join(parts)


def render(found: HubDifference) -> str:
    """The headline and the four sections."""
    blocks = [
        f"{found.before.name} {ARROW} {found.after.name}\n{found.headline}",
        *(f"Note: {note}" for note in found.notes),
        "\n".join(["Plan", *_plan(found)]),
        "\n".join(["Environment", *_places(found.environment)]),
        "\n".join(["Artifacts", *_artifacts(found.artifacts)]),
        "\n".join(["Metrics", *_metrics(found)]),
    ]
    if unexplained(found):
        blocks.append(
            "Neither the plans nor anything that is recorded of the environments differs: a defect,"
            "\nor a cause that is not recorded."
        )
    return "\n\n".join(blocks)


def unexplained(found: HubDifference) -> bool:
    """Whether files differ although nothing differs that they are made from."""
    same = not (found.plan.differs or found.environment.facts)
    return same and bool(found.artifacts.num_differing)


# --- in short ------------------------------------------------------------------------------------


def _plan_in_short(plan: PlanDifference) -> str:
    parts = []
    if plan.knobs:
        names = list(dict.fromkeys(change.knob for change in plan.knobs))
        parts.append(f"the plans differ in {_counted(len(names), 'knob')} ({briefly(names)})")
    if alone := len(plan.only_before) + len(plan.only_after):
        parts.append(f"{_counted(alone, 'arm')} in one hub only")
    if plan.source:
        parts.append(
            "other source of models/" if parts else "the same plan, other source of models/"
        )
    return ", ".join(parts) or "the same plan"


def _places_in_short(places: EnvironmentDifference) -> str:
    if not places.facts:
        return "the environments agree"
    verb = "differs" if len(places.facts) == 1 else "differ"
    return f"{_counted(len(places.facts), 'fact')} of the environment {verb}"


def _files_in_short(artifacts: ArtifactsDifference) -> str:
    made = _counted(artifacts.num_made, "deterministic file")
    if not artifacts.num_differing:
        return f"all {made} identical" if artifacts.num_made else "no deterministic files"
    alone = artifacts.num_only_before + artifacts.num_only_after
    rest = f", {alone} of them in one hub only" if alone else ""
    return f"{artifacts.num_differing} of {made} differ{rest}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# --- plan ----------------------------------------------------------------------------------------


def _plan(found: HubDifference) -> Iterator[str]:
    plan = found.plan
    rows = [(f"  {change.knob}", _planned(change), _whose(change, plan)) for change in plan.knobs]
    if rows:
        yield aligned(rows)
    for side, arms in (("before", plan.only_before), ("after", plan.only_after)):
        if arms:
            yield f"  only {side}: {'arm' if len(arms) == 1 else 'arms'} {briefly(arms)}"
    given = found.artifacts.given.differing
    source = [path.removeprefix(SOURCE) for path in given if path.startswith(SOURCE)]
    if plan.source:
        files = f": {briefly(source)}" if source else ""
        yield f"  source of models/: {_digests(plan.source.before, plan.source.after)}{files}"
    if plan.commit:
        rest = "" if plan.source else "; the source of models/ is the same"
        yield f"  commit: {_digests(plan.commit.before, plan.commit.after)}{rest}"
    if not plan.differs:
        yield f"  the same for {_counted(len(plan.common), 'arm')} and their data"
        if layout.MANIFEST in given:
            yield "  the manifests differ in what no plan depends on: words, rules, other profiles"
    if others := [path for path in given if not path.startswith(SOURCE)]:
        yield f"  given files that differ: {briefly(others)}"


def _planned(change: KnobChange) -> str:
    return f"{declared(change.before)} {ARROW} {declared(change.after)}"


def _whose(change: KnobChange, plan: PlanDifference) -> str:
    """For which arms a knob differs; nothing where the phase as a whole has it."""
    arms = [name for name in change.of if name != DATASET]
    everyone = len(arms) == len(plan.common) > 1
    whose = [f"the {DATASET}"] if DATASET in change.of else []
    if everyone:
        whose.append("all arms")
    elif arms:
        whose.append(f"{'arm' if len(arms) == 1 else 'arms'} {briefly(arms)}")
    return listing(whose)


def _digests(before: JsonValue, after: JsonValue) -> str:
    return f" {ARROW} ".join(str(one or "not known")[:SHORT] for one in (before, after))


# --- environment ---------------------------------------------------------------------------------


def _places(places: EnvironmentDifference) -> Iterator[str]:
    yield from (f"  {fact.told}" for fact in places.facts)
    if not places.facts:
        yield f"  no fact differs, of {places.num_compared} that both record"
    if places.set_by_plan:
        yield f"  differ as the plans say: {briefly(places.set_by_plan)}"


# --- artifacts -----------------------------------------------------------------------------------


def _artifacts(artifacts: ArtifactsDifference) -> Iterator[str]:
    yield (
        f"  {_counted(artifacts.num_made, 'deterministic file')} made: "
        f"{artifacts.num_identical} identical, {artifacts.num_different} different, "
        f"{artifacts.num_only_before + artifacts.num_only_after} in one hub only; "
        f"{artifacts.num_observational} observational files are not compared"
    )
    alike: dict[tuple[object, ...], list[ArtifactsPart]] = {}
    for part in artifacts.parts:
        alike.setdefault(_look(part), []).append(part)
    for parts in alike.values():
        yield from _part(parts[0], _named(parts), "each" if parts[1:] else "")


def _look(part: ArtifactsPart) -> tuple[object, ...]:
    """The same for parts of which the same is to be said."""
    names = [tuple(_marked(path, part) for path in paths) for paths in (part.first, part.later)]
    return (part.stage, *names, part.may_follow_from, part.num_identical, part.name[:4])


def _named(parts: Sequence[ArtifactsPart]) -> str:
    """``arm one``; ``arms one and two``."""
    if not parts[1:]:
        return parts[0].name
    return f"arms {briefly([part.name.removeprefix('arm ') for part in parts])}"


def _part(part: ArtifactsPart, name: str, each: str) -> Iterator[str]:
    if not part.differing:
        yield f"  {name}: {_counted(part.num_identical, 'file')} identical {each}".rstrip()
        return
    first = briefly([_marked(path, part) for path in part.first])
    verb, whose = ("differ", "their") if each else ("differs", "its")
    yield f"  {name}: {verb} first in {whose} {part.stage}: {first}"
    if part.may_follow_from:
        yield f"    which may follow from {listing(part.may_follow_from)}"
    else:
        yield "    which nothing explains that is recorded"
    if part.later:
        later = briefly([_marked(path, part) for path in part.later])
        yield f"    {_counted(len(part.later), 'later file')} may follow from these: {later}"
    if part.num_identical:
        yield f"    {_counted(part.num_identical, 'file')} identical {each}".rstrip()


def _marked(path: str, part: ArtifactsPart) -> str:
    """A file's name without the folder of its part, and which hub has it if only one has."""
    name = path.split("/", 2)[2] if path.startswith("arms/") else path
    if path in part.only_before:
        return f"{name} (only before)"
    return f"{name} (only after)" if path in part.only_after else name


# --- metrics -------------------------------------------------------------------------------------


def _metrics(found: HubDifference) -> Iterator[str]:
    differing = [arm for arm in found.metrics if arm.stats or arm.status]
    equal = [arm.arm for arm in found.metrics if arm not in differing]
    if not found.metrics:
        yield "  no arm in common"
    for arm in differing:
        yield from _arm(arm, in_short=len(differing) > MOST_IN_FULL)
    if equal:
        yield f"  {briefly(equal)}: every statistic is the same"


def _arm(metrics: ArmMetrics, *, in_short: bool) -> Iterator[str]:
    yield f"  {metrics.arm}"
    if metrics.status:
        yield f"    ended: {metrics.status.before} {ARROW} {metrics.status.after}"
    shown = [stat for stat in metrics.stats if stat.name in TELLING or not in_short]
    for stat in shown:
        if stat.difference is None:
            yield f"    {stat.name}: {_both(stat.before, stat.after)}"
    rows = [
        (f"    {stat.name}", _both(stat.before, stat.after), f"{stat.difference:+.3g}")
        for stat in shown
        if stat.difference is not None
    ]
    if rows:
        yield aligned(rows)
    if left := len(metrics.stats) - len(shown):
        yield f"    {left} more differ; --json has them all"
    if metrics.num_equal:
        yield f"    {metrics.num_equal} more are the same"


def _both(before: JsonValue, after: JsonValue) -> str:
    """Two measurements, with as many digits as tell them apart."""
    texts = (measured(before), measured(after))
    for digits in (6, 9, 12):
        if texts[0] != texts[1]:
            break
        texts = (_spelled(before, digits), _spelled(after, digits))
    return f" {ARROW} ".join(texts if texts[0] != texts[1] else (repr(before), repr(after)))


def _spelled(value: JsonValue, digits: int) -> str:
    return f"{value:#.{digits}g}" if isinstance(value, float) else measured(value)
