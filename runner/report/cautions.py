"""What a reader must know before comparing the rows of a table, to be said beside the table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from runner.compared import profile_in_words
from runner.digest import digest_json
from runner.record import ArmRecord, ComparedHub, HubRecord
from runner.report.wording import listing
from runner.verdict import identical_arms

Hubs = Sequence[tuple[str, HubRecord]]
"""Hubs under the names by which the page speaks of them; the first one is the page's own."""


def cautions(
    hubs: Hubs, facts: Sequence[ComparedHub], scores: Mapping[str, str]
) -> tuple[str, ...]:
    """One sentence for each thing that makes rows of the tables no fair comparison.

    ``facts`` are those of the hubs beside the first; ``scores`` has heading → statistic of the
    columns.
    """
    return (
        *_changed_hubs(facts),
        *_interrupted(hubs),
        *_twice(hubs),
        *_identical(hubs),
        *_vacuous(hubs, scores),
        *_sizes(hubs),
        *_datasets(hubs),
        *_surroundings(hubs),
        *_mixed_execution(hubs),
    )


def _changed_hubs(facts: Sequence[ComparedHub]) -> Iterator[str]:
    for one in facts:
        if one.problem:
            told = " ".join(one.problem.split())
            yield f"The hub {one.name} is not as it was sealed; trust none of its rows: {told}"


def _interrupted(hubs: Hubs) -> Iterator[str]:
    for name, record in hubs[1:]:
        if record.interrupted:
            yield f"{name} was interrupted: it has what was finished by then."


def _twice(hubs: Hubs) -> Iterator[str]:
    """Arms of several hubs with one plan and one seed."""
    groups: dict[str, list[tuple[str, ArmRecord]]] = {}
    for label, arm in _arms(hubs):
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


def _identical(hubs: Hubs) -> Iterator[str]:
    """Arms of different hubs with other plans and the same weights; a hub tells of its own."""
    arms = dict(_arms(hubs))
    plans = {label: arm.plan for label, arm in arms.items()}
    weights = {label: arm.final_weights_sha256 for label, arm in arms.items()}
    own = {arm.name for arm in hubs[0][1].arms}
    for group in identical_arms(plans, weights):
        if set(group.arms) <= own and len(hubs) > 1:
            continue
        if len(hubs) == 1:
            continue  # said as a statement and below the table, with the digest
        yield (
            f"{listing(group.arms)} are one and the same: their final weights have the same bytes "
            f"although their plans differ in {listing(group.knobs)}."
        )


def _arms(hubs: Hubs) -> Iterator[tuple[str, ArmRecord]]:
    """Every arm that succeeded, under a name that no other has."""
    for place, (name, record) in enumerate(hubs):
        for arm in record.arms:
            if arm.status == "succeeded":
                yield (f"{name} · {arm.name}" if place else arm.name), arm


def _vacuous(hubs: Hubs, scores: Mapping[str, str]) -> Iterator[str]:
    arms = [arm for _, arm in _arms(hubs)]
    for heading, stat in scores.items():
        if arms and all(arm.stats.get(stat) is None for arm in arms):
            reasons = dict.fromkeys(arm.null_reasons.get(stat, "") for arm in arms)
            why = "; ".join(reason for reason in reasons if reason)
            told = f": {why}" if why else ""
            yield f"{heading} means nothing for any arm{told}. Nothing can be concluded from it."


def _sizes(hubs: Hubs) -> Iterator[str]:
    (_, own), *others = hubs
    for name, record in others:
        if record.profile != own.profile:
            yield (
                f"{name} is another size of experiment: {profile_in_words(record.profile)} there, "
                f"{profile_in_words(own.profile)} here."
            )


def _datasets(hubs: Hubs) -> Iterator[str]:
    """Which hubs saw other bytes; arrays are data, ``metadata.json`` only describes them."""
    (_, own), *others = hubs
    found: dict[str, list[str]] = {}
    for name, record in others:
        here, there = _bytes(own), _bytes(record)
        files = [file for file in sorted(here | there) if here.get(file) != there.get(file)]
        told = ", ".join(
            f"{file} {_short(here.get(file))} here, {_short(there.get(file))} there"
            for file in files
        )
        if any(file.endswith(".npz") for file in files):
            found.setdefault(f"trained and scored on other data: {told}", []).append(name)
        elif files:
            words = f"trained and scored on the same arrays, described otherwise: {told}"
            found.setdefault(words, []).append(name)
    yield from _together(found)


def _together(found: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """One sentence for all hubs of which the same is to be said."""
    for words, names in found.items():
        yield f"{listing(names)} {'was' if len(names) == 1 else 'were'} {words}."


def _bytes(record: HubRecord) -> dict[str, str]:
    return {file.path: file.sha256 for file in record.dataset.files}


def _surroundings(hubs: Hubs) -> Iterator[str]:
    (_, own), *others = hubs
    here = _surrounding(own)
    found: dict[str, list[str]] = {}
    for name, record in others:
        there = _surrounding(record)
        told = [
            f"{what} {_short(here[what])} here, {_short(there[what])} there"
            for what in here
            if here[what] != there[what]
        ]
        if told:
            found.setdefault(f"made in other surroundings: {'; '.join(told)}", []).append(name)
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
            told = listing([f"{device} with {threads} threads" for device, threads in sorted(here)])
            whose = f"The arms of {name}" if place else "The arms"
            yield f"{whose} did not all compute in the same way: {told}. The bits depend on it."


def _some(values: Iterable[str]) -> str:
    return "/".join(sorted(set(values))) or "none"


def _short(value: str | None) -> str:
    """The beginning of a digest; other words in full."""
    bare = (value or "none").removeprefix("sha256:")
    return bare[:12] if len(bare) == 64 else bare
