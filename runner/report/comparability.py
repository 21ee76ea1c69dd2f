"""What a reader must know before comparing the rows of a table, to be said beside the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from runner.core.digest import digest_json
from runner.core.text import listing
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import ComparedHub
from runner.manifest.set_knobs import in_words
from runner.verify.baselines import profile_in_words
from runner.verify.verdict import identical_arms

Hubs = Sequence[tuple[str, HubRecord]]
"""Hubs under the names by which the page speaks of them."""
Arms = Sequence[tuple[str, ArmRecord]]


def comparability_notes(
    hubs: Hubs,
    facts: Sequence[ComparedHub],
    scores: Mapping[str, str],
    *,
    own: bool = True,
) -> tuple[str, ...]:
    """One sentence for each thing that makes rows of the tables no fair comparison.

    ``facts`` are those of the hubs beside the first; ``scores`` has heading → statistic of the
    columns. With ``own`` the page is that of the first hub: its arms need no name of a hub, and
    what is odd about them alone has its own places there.
    """
    arms = list(_arms(hubs, own=own))
    here = {label for label, _ in arms[: len(hubs[0][1].arms)]} if own else set()
    ran = [(label, arm) for label, arm in arms if arm.status == "succeeded"]
    return (
        *_changed_hubs(facts),
        *_interrupted(hubs[1:] if own else hubs),
        *_dropped([(label, arm) for label, arm in arms if label not in here]),
        *_twice(ran),
        *_identical(ran, here),
        *_vacuous(ran, scores),
        *_sizes(hubs),
        *_datasets(hubs),
        *_surroundings(hubs),
        *_mixed_execution(hubs),
    )


def _changed_hubs(facts: Sequence[ComparedHub]) -> Iterator[str]:
    for one in facts:
        if one.problem:
            problem = " ".join(one.problem.split())
            yield f"The hub {one.name} is not as it was sealed; trust none of its rows: {problem}"


def _interrupted(hubs: Hubs) -> Iterator[str]:
    for name, record in hubs:
        if record.interrupted:
            yield f"{name} was interrupted: it has what was finished by then."


def _dropped(arms: Arms) -> Iterator[str]:
    for label, arm in arms:
        if arm.differences:
            yield (
                f"{label} did not run as planned; its numbers say nothing about its plan: "
                f"{arm.message}."
            )


def _twice(arms: Arms) -> Iterator[str]:
    """Arms of several hubs with one plan and one seed."""
    groups: dict[str, list[tuple[str, ArmRecord]]] = {}
    for label, arm in arms:
        groups.setdefault(digest_json(arm.plan), []).append((label, arm))
    for group in groups.values():
        if len(group) > 1:
            weights = {arm.final_weights_sha256 for _, arm in group}
            same = "the same bytes" if len(weights) == 1 else "different bytes"
            yield (
                f"{listing([label for label, _ in group])} have one plan and one seed: one "
                f"computation made {len(group)} times, and no independent runs. Their final "
                f"weights have {same}."
            )


def _identical(arms: Arms, here: Set[str]) -> Iterator[str]:
    """Arms with other plans and the same weights, but for those that are all ``here``."""
    plans = {label: arm.plan for label, arm in arms}
    weights = {label: arm.final_weights_sha256 for label, arm in arms}
    for group in identical_arms(plans, weights):
        if not set(group.arms) <= here:
            yield (
                f"{listing(group.arms)} are one and the same: their final weights have the same "
                f"bytes although their plans differ in {listing(group.knobs)}."
            )


def _arms(hubs: Hubs, *, own: bool) -> Iterator[tuple[str, ArmRecord]]:
    """Every arm under a name that no other has."""
    for place, (name, record) in enumerate(hubs):
        for arm in record.arms:
            yield (f"{name} · {arm.name}" if place or not own else arm.name), arm


def _vacuous(arms: Arms, scores: Mapping[str, str]) -> Iterator[str]:
    for heading, stat in scores.items():
        if arms and all(arm.stats.get(stat) is None for _, arm in arms):
            reasons = dict.fromkeys(arm.null_reasons.get(stat, "") for _, arm in arms)
            why = "; ".join(reason for reason in reasons if reason)
            suffix = f": {why}" if why else ""
            yield f"{heading} means nothing for any arm{suffix}. Nothing can be concluded from it."


def _sizes(hubs: Hubs) -> Iterator[str]:
    (_, own), *others = hubs
    for name, record in others:
        if record.profile != own.profile:
            yield (
                f"{name} is another size of experiment: {profile_in_words(record.profile)} there, "
                f"{profile_in_words(own.profile)} here."
            )
        if record.set_knobs != own.set_knobs:
            there, here = (in_words(one.set_knobs) or "nothing" for one in (record, own))
            yield f"{name} has other knobs set over its manifest: {there} there, {here} here."


def _datasets(hubs: Hubs) -> Iterator[str]:
    """Which hubs saw other bytes; arrays are data, ``metadata.json`` only describes them."""
    (_, own), *others = hubs
    found: dict[str, list[str]] = {}
    for name, record in others:
        if len(own.datasets) + len(record.datasets) > 2:
            if words := _other_sets(own, record):
                found.setdefault(words, []).append(name)
            continue
        here, there = _bytes(own.datasets[0]), _bytes(record.datasets[0])
        files = [file for file in sorted(here | there) if here.get(file) != there.get(file)]
        digests = ", ".join(
            f"{file} {_short(here.get(file))} here, {_short(there.get(file))} there"
            for file in files
        )
        if any(file.endswith(".npz") for file in files):
            found.setdefault(f"trained and scored on other data: {digests}", []).append(name)
        elif files:
            words = f"trained and scored on the same arrays, described otherwise: {digests}"
            found.setdefault(words, []).append(name)
    yield from _together(found)


def _together(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One sentence for all hubs of which the same is to be said."""
    for words, names in found.items():
        yield f"{listing(names)} {'was' if len(names) == 1 else 'were'} {words}."


def _other_sets(own: HubRecord, other: HubRecord) -> str | None:
    """What is said of hubs of which one has several datasets; nothing where arrays are the same."""
    here, there = ({_arrays(one) for one in record.datasets} for record in (own, other))
    if here == there:
        return None
    return (
        f"trained and scored on other data: {len(here)} datasets here, {len(there)} there, "
        f"{len(here & there)} of them the same"
    )


def _arrays(dataset: DatasetRecord) -> frozenset[tuple[str, str]]:
    return frozenset(one for one in _bytes(dataset).items() if one[0].endswith(".npz"))


def _bytes(dataset: DatasetRecord) -> dict[str, str]:
    return {file.path: file.sha256 for file in dataset.files}


def _surroundings(hubs: Hubs) -> Iterator[str]:
    (_, own), *others = hubs
    here = _surrounding(own)
    found: dict[str, list[str]] = {}
    for name, record in others:
        there = _surrounding(record)
        differing = [
            f"{what} {_short(here[what])} here, {_short(there[what])} there"
            for what in here
            if here[what] != there[what]
        ]
        if differing:
            found.setdefault(f"made in other surroundings: {'; '.join(differing)}", []).append(name)
    yield from _together(found)


def _surrounding(record: HubRecord) -> dict[str, str]:
    """What the numbers depend on beside the plan."""
    image = record.image or {}
    facts = record.engine.facts
    packages = image.get("packages_sha256") or facts.get("packages_sha256")
    return {
        "engine": record.engine.name,
        "image": str(image.get("id") or "none"),
        "packages": str(packages or "unknown"),
        "Python": str(image.get("python") or facts.get("python") or "unknown"),
        "code of models/": record.code.models_sha256,
        "device": _some(arm.execution.device for arm in record.arms),
        "threads": _some(str(arm.execution.threads) for arm in record.arms),
    }


def _mixed_execution(hubs: Hubs) -> Iterator[str]:
    for place, (name, record) in enumerate(hubs):
        here = {(arm.execution.device, arm.execution.threads) for arm in record.arms if arm.started}
        if len(here) > 1:
            ways = listing([f"{device} with {threads} threads" for device, threads in sorted(here)])
            whose = f"The arms of {name}" if place else "The arms"
            yield f"{whose} did not all compute in the same way: {ways}. The bits depend on it."


def _some(values: Iterable[str]) -> str:
    return "/".join(sorted(set(values))) or "none"


def _short(value: str | None) -> str:
    """The beginning of a digest; other words in full."""
    bare = (value or "none").removeprefix("sha256:")
    return bare[:12] if len(bare) == 64 else bare
