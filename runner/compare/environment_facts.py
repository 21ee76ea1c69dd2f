"""Where a hub's numbers were made, as facts on which bits can depend; and two such places compared.

Only causes are facts: the processor and its instruction sets, the GPU and its driver, libraries,
switches, threads, variables, the source of the arms. Times, paths, names of machines, sizes of
memory and which GPU of several was free are none, so that two runs of one manifest by one engine on
one machine have every fact in common.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from runner.core.digest import canonical_json
from runner.experiment import EXPERIMENT
from runner.hub import layout
from runner.hub.leaves import leaves
from runner.hub.record import HubRecord
from runner.hub.records.again import DifferingFact
from runner.hub.records.arm import ArmRecord
from runner.verify.sealed_hub import RecordedMachine, SealedHub

Facts = dict[str, JsonValue]
"""Dotted name → value. Those of one arm alone begin with ``arms.<arm>.``; ``null`` says that there
is none (a variable that is not set); a name that is missing, that nothing was recorded."""

INSTRUCTION_SETS = re.compile(
    r"(avx|sse|ssse|fma|amx|bmi|sve|asimd)\w*|"
    r"(abm|bf16|f16c|fp16|fphp|gfni|i8mm|misalignsse|neon|pni|popcnt|sme|sme2|vaes|vpclmulqdq|xop)"
)
"""Flags of a processor that numerical libraries choose their kernels by; x86-64 and ARM."""
OF_AN_IMAGE = (
    "variant",
    "base_id",
    "lock_sha256",
    "dockerfile_sha256",
)
"""What an image is made from. Its own id is none of them: it holds the time of the build."""
OF_AN_ARM = EXPERIMENT.program.facts
"""What is taken as it stands from the ``environment.json`` of an arm."""
NO_CAUSES = frozenset(
    {"CUDA_VISIBLE_DEVICES", "HOME", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "TMPDIR"}
)
"""Variables of a job that change no number, or that say which of several GPUs was free."""

PREFIX = "arms."
PACKAGES = "packages"
MOST_NAMED = 12
"""Of what only one of two sets has, as many are named."""
OF_ONE_ENGINE = frozenset({"image", "distribution"})
"""Groups of facts that only containers have, or only processes; the engines' names say so once."""


class FactChange(DifferingFact):
    """A fact that two places do not have in common."""

    recorded: Literal["both", "before", "after"] = "both"
    """Which side tells it at all; the value of the other is ``null``."""


def environment_facts(folder: Path, record: HubRecord) -> Facts:
    """The facts of a hub; of what it does not record there is none.

    What was recorded of the machine holds for every arm that does not tell otherwise.
    """
    facts: Facts = {"engine.name": record.engine.name, "device": record.device}
    image = record.image or {}
    facts |= {f"image.{name}": image[name] for name in OF_AN_IMAGE if name in image}
    facts["code.models_sha256"] = image.get("models_sha256", record.code.models_sha256)
    if fingerprint := record.engine.facts.get("packages_sha256"):
        facts["packages_sha256"] = fingerprint
    sealed = SealedHub(folder=folder)
    facts |= _of_machine(sealed.environment.machine, record)
    for arm in record.arms:
        described = sealed.table(f"{layout.arm_dir(arm.name)}/{layout.ENVIRONMENT}")
        found = _of_plan(arm) | _of_arm(described)
        facts |= {f"arms.{arm.name}.{name}": value for name, value in found.items()}
    return facts


def fact_changes(before: Facts, after: Facts) -> tuple[FactChange, ...]:
    """The facts that two hubs do not have in common, sorted by name.

    Arms that only one of them has tell nothing. A fact that differs in the same way for all arms
    is named once, without an arm.
    """
    arms = sorted(_arms(before) & _arms(after))
    if not arms:
        return tuple(_compare(_shared(before), _shared(after)))
    found = {arm: _compare(_of(before, arm), _of(after, arm)) for arm in arms}
    everywhere = [
        fact for fact in found[arms[0]] if all(fact in differing for differing in found.values())
    ]
    alone = [
        _change(f"{PREFIX}{arm}.{fact.name}", fact.before, fact.after, fact.recorded)
        for arm, facts in found.items()
        for fact in facts
        if fact not in everywhere
    ]
    return tuple(sorted([*everywhere, *alone], key=lambda fact: fact.name))


def planned(fact: FactChange, before: HubRecord, after: HubRecord) -> bool:
    """Whether both plans set a fact, for every arm that it is about, to what it is there."""
    named = _arm_of(fact.name)
    arms = {arm.name for arm in before.arms} & {arm.name for arm in after.arms}
    sides = ((before, fact.before), (after, fact.after))
    return bool(arms) and all(
        _of_plan(record.arm(arm)).get(_bare(fact.name)) == value
        for arm in ([named] if named else arms)
        for record, value in sides
    )


def bare(facts: Facts) -> set[str]:
    """The names of facts without those of arms."""
    return {_bare(name) for name in facts}


# --- reading -------------------------------------------------------------------------------------


def _of_machine(machine: RecordedMachine, record: HubRecord) -> Facts:
    """What the runner saw of the machine: architecture, kernel, processor, GPUs if one was used."""
    flat = dict(leaves({"system": machine.system, "cpu": machine.cpu}))
    names = {
        "cpu.architecture": "system.machine",
        "cpu.model": "cpu.model",
        "kernel": "system.release",
    }
    if record.image is None:
        names["distribution"] = "system.distribution"
    facts: Facts = {name: flat[path] for name, path in names.items() if path in flat}
    facts |= _instruction_sets(flat.get("cpu.flags"))
    if record.device == "cuda" and isinstance(machine.gpus, tuple):
        facts["gpu.driver"] = [*sorted({str(gpu.get("driver")) for gpu in machine.gpus})]
    return facts


def _of_plan(arm: ArmRecord) -> Facts:
    """What the plan set for an arm; said again, and better, by the arm itself if it got so far."""
    facts: Facts = {
        "device": arm.execution.device,
        "threads": arm.execution.threads,
        "determinism": arm.execution.determinism,
    }
    return facts | _variables(arm.environment)


def _of_arm(described: Mapping[str, Any]) -> Facts:
    """What an arm saw of the place that it ran in; empty for one that did not get so far."""
    flat = dict(leaves(described))
    facts: Facts = {name: flat[name] for name in OF_AN_ARM if name in flat}
    if "cpu.model" in flat:
        facts["cpu.model"] = flat["cpu.model"]
    facts |= _instruction_sets(flat.get("cpu.flags"))
    if "installed_files.altered" in flat:
        facts["altered_files"] = flat["installed_files.altered"]
    facts |= {name: value for name, value in flat.items() if name.startswith("packages.")}
    variables = described.get("variables")
    return facts | _variables(variables if isinstance(variables, dict) else {})


def _variables(values: Mapping[str, Any]) -> Facts:
    return {f"variables.{name}": values[name] for name in values if name not in NO_CAUSES}


def _instruction_sets(flags: object) -> Facts:
    if not isinstance(flags, list):
        return {}
    chosen = {flag for flag in map(str, flags) if INSTRUCTION_SETS.fullmatch(flag)}
    return {"cpu.instruction_sets": [*sorted(chosen)]}


# --- comparing -----------------------------------------------------------------------------------


def _arms(facts: Facts) -> set[str]:
    return {arm for name in facts if (arm := _arm_of(name))}


def _arm_of(name: str) -> str | None:
    return name.split(".")[1] if name.startswith(PREFIX) else None


def _bare(name: str) -> str:
    return name.split(".", 2)[2] if name.startswith(PREFIX) else name


def _shared(facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if not name.startswith(PREFIX)}


def _of(facts: Facts, arm: str) -> Facts:
    """The facts that hold for an arm: what it tells itself, and of the rest what all share."""
    own = f"{PREFIX}{arm}."
    return _shared(facts) | {
        name.removeprefix(own): value for name, value in facts.items() if name.startswith(own)
    }


def _compare(before: Facts, after: Facts) -> list[FactChange]:
    """The facts that differ, by name. A group that one side does not record at all is one fact."""
    groups = [_groups(facts) for facts in (before, after)]
    found: list[FactChange | None] = []
    for group in sorted(groups[0].keys() & groups[1].keys()):
        ours, theirs = groups[0][group], groups[1][group]
        if group == PACKAGES:
            ours, theirs, alone = _installed(ours, theirs)
            found += alone
        found += [_fact(name, ours, theirs) for name in ours.keys() | theirs.keys()]
    for group in groups[0].keys() ^ groups[1].keys():
        if group not in OF_ONE_ENGINE:
            found.append(_fact(group, *_whole(group, groups)))
    return sorted((fact for fact in found if fact is not None), key=lambda fact: fact.name)


def _installed(before: Facts, after: Facts) -> tuple[Facts, Facts, list[FactChange]]:
    """The packages that both have; and as one fact those that only one has, with their versions."""
    both = before.keys() & after.keys()
    alone = [
        [*sorted(f"{_package(name)} {side[name]}" for name in side.keys() - both)]
        for side in (before, after)
    ]
    common = [{name: side[name] for name in both} for side in (before, after)]
    facts = [_change(PACKAGES, [*alone[0]], [*alone[1]])] if any(alone) else []
    return common[0], common[1], facts


def _package(name: str) -> str:
    return name.removeprefix(f"{PACKAGES}.")


def _groups(facts: Facts) -> dict[str, Facts]:
    groups: dict[str, Facts] = {}
    for name, value in facts.items():
        groups.setdefault(name.split(".")[0], {})[name] = value
    return groups


def _whole(group: str, groups: Sequence[Mapping[str, Facts]]) -> list[Facts]:
    """For each side the group as one value, where it has it."""
    return [{group: _value(side[group], group)} if group in side else {} for side in groups]


def _value(facts: Facts, group: str) -> JsonValue:
    if group in facts:
        return facts[group]
    return {name.removeprefix(f"{group}."): value for name, value in facts.items()}


def _fact(name: str, before: Facts, after: Facts) -> FactChange | None:
    """How a fact differs; ``None`` if it does not."""
    old, new = before.get(name), after.get(name)
    if name in before and name in after:
        same = canonical_json(old) == canonical_json(new)
        return None if same else _change(name, old, new)
    return _change(name, old, new, "before" if name in before else "after")


# --- wording -------------------------------------------------------------------------------------


def _change(
    name: str,
    before: JsonValue,
    after: JsonValue,
    recorded: Literal["both", "before", "after"] = "both",
) -> FactChange:
    """With both values in words; of sets only what one has and the other has not."""
    if recorded != "both":
        value = _in_words(before if recorded == "before" else after)
        text = f"{name}: recorded only {recorded}: {value}"
    elif isinstance(before, list) and isinstance(after, list):
        text = f"{name}: {_sets(before, after)}"
    else:
        text = f"{name}: {_in_words(before)} → {_in_words(after)}"
    return FactChange(name=name, before=before, after=after, told=text, recorded=recorded)


def _sets(before: Sequence[JsonValue], after: Sequence[JsonValue]) -> str:
    """What only one of two sets has."""
    sides = (("before", before, after), ("after", after, before))
    parts = []
    for side, own, other in sides:
        if alone := [str(value) for value in own if value not in other]:
            rest = f" and {len(alone) - MOST_NAMED} more" if alone[MOST_NAMED:] else ""
            parts.append(f"only {side}: {', '.join(alone[:MOST_NAMED])}{rest}")
    return "; ".join(parts) or "the same in another order"


def _in_words(value: JsonValue) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        return f"{len(value)} facts"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    return str(value)
