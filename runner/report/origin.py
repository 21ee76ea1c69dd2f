"""Where a hub is from, each fact with the file of the hub that has all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue

from runner.core.reading import parse_table, read_file, typed
from runner.core.text import listing, plain
from runner.hub import layout
from runner.hub.record import HubRecord
from runner.report.inlined import is_telling
from runner.verify.sealed_hub import Environment, RecordedMachine

GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A name, what is said, and the file that has the whole of it; empty where none has."""

    name: str
    value: str
    path: str = ""
    is_detail: bool = False
    """Whether it is one of many of its kind, which a page may fold."""


class _Framework(BaseModel):
    model_config = ConfigDict(frozen=True)

    version: str = ""


class _OfArm(BaseModel):
    """What an arm says of where it ran, as far as it is shown."""

    model_config = ConfigDict(frozen=True)

    torch: _Framework = _Framework()


def origin(record: HubRecord, facts: Sequence[tuple[str, str]], folder: Path) -> list[Fact]:
    """The ``facts`` of a record and what other files of the hub tell of machine and packages."""
    several = {one.name: f"{one.folder}/{layout.JOB}" for one in record.datasets}
    where = {**_WHERE, **several}
    if len(several) == 1:
        where["dataset"], several = next(iter(several.values())), {}
    if record.code.diff:
        where["uncommitted changes"] = record.code.diff
    every = [*_machine(folder), *_arms(record, folder)]
    for name, value in facts:
        path = where.get(name, layout.RECORD)
        # The record is written last, when all pages are there.
        known = path == layout.RECORD or is_telling(folder, path)
        every.append(
            Fact(name=name, value=value, path=path if known else "", is_detail=name in several)
        )
    return every


_WHERE = {
    "lock": layout.LOCK,
    "seed": layout.PLAN,
    "run": layout.ENVIRONMENT,
}


def _machine(folder: Path) -> Iterator[Fact]:
    try:
        table = parse_table(read_file(folder, layout.ENVIRONMENT), layout.ENVIRONMENT)
        machine = typed(Environment, table, layout.ENVIRONMENT).machine
    except ValueError:
        return
    if machine.cpu:
        yield Fact(name="machine", value=machine_words(machine), path=layout.ENVIRONMENT)


def machine_words(machine: RecordedMachine) -> str:
    """A machine in a line: cores, memory, GPUs, system."""
    gpus = machine.gpus if isinstance(machine.gpus, tuple) else ()
    parts = [
        f"{machine.cpu.get('usable_cores')} cores of {machine.cpu.get('model')}",
        f"{machine.memory_bytes / GIB:.0f} GiB of memory",
        ", ".join(str(gpu.get("name")) for gpu in gpus) or "no GPU",
        str(machine.system.get("distribution") or ""),
    ]
    return plain(", ".join(filter(None, parts)))


def _arms(record: HubRecord, folder: Path) -> Iterator[Fact]:
    """How many threads the arms had, and what the first that tells says of its framework."""
    threads = sorted({arm.execution.threads for arm in record.arms})
    if threads:
        numbers = listing([str(number) for number in threads])
        yield Fact(name="threads of an arm", value=numbers, path=layout.PLAN)
    for arm in record.arms:
        path = f"{layout.arm_dir(arm.name)}/{layout.ENVIRONMENT}"
        try:
            table: dict[str, JsonValue] = parse_table(read_file(folder, path), path)
            version = typed(_OfArm, table, path).torch.version
        except ValueError:
            continue
        if version:
            yield Fact(name="torch", value=plain(version), path=path)
            return
