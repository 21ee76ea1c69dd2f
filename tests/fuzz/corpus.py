"""What was found once, as the smallest input that shows it; run before anything new.

Each recipe changes a hub, an output or another input by name, so that it stays what it was when
the generators change. ``expect`` is the exit code that is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz import hubs
from tests.fuzz.folders import copy_tree, put, reseal
from tests.fuzz.outcome import Case, Finding, command, leaks, pages
from tests.fuzz.seeds import Seed
from tests.fuzz.watch import NO_PYTHON, Watch

Change = Callable[[Path, Path], None]
"""Changes a hub's folder; the second path is a file outside of it."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A change of a hub, and the verbs that it tripped."""

    change: Change
    verbs: tuple[str, ...]
    sealed: bool = True


def edit(name: str, act: Callable[[Any], object]) -> Change:
    """Change the value of a JSON file in place."""

    def change(hub: Path, _secret: Path) -> None:
        value = json.loads((hub / name).read_bytes())
        act(value)
        put(hub / name, json.dumps(value).encode())

    return change


def everywhere(old: str, new: str) -> Change:
    """Put another word wherever a JSON file has ``old``."""

    def change(hub: Path, _secret: Path) -> None:
        for path in sorted(hub.rglob("*.json")):
            content = path.read_bytes()
            changed = content.replace(json.dumps(old).encode(), json.dumps(new).encode())
            if changed != content:
                put(path, changed)

    return change


def linked(name: str, target: str) -> Change:
    """A link in place of a file."""

    def change(hub: Path, secret: Path) -> None:
        put(hub / name, b"")
        (hub / name).unlink()
        (hub / name).symlink_to(target.format(secret=secret))

    return change


def piped(name: str) -> Change:
    """A pipe in place of a file."""

    def change(hub: Path, _secret: Path) -> None:
        put(hub / name, b"")
        (hub / name).unlink()
        os.mkfifo(hub / name)

    return change


def deepened(hub: Path, _secret: Path) -> None:
    """Folders deeper than a path may be long."""
    here = os.open(hub, os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("deeper", dir_fd=here)
        inner = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


def set_in(*keys: Any, to: Any) -> Callable[[Any], None]:
    """Set the value at the end of a path of keys."""

    def act(value: Any) -> None:
        for key in keys[:-1]:
            value = value[key]
        value[keys[-1]] = to

    return act


ALL = (
    "verify",
    "show",
    "list",
    "diff",
    "docs",
    "compare",
    "reproduce",
    "diagnose",
    "archive",
    "bag",
)
READING = ("show", "list", "diff", "docs", "compare")
HUBS: dict[str, Recipe] = {
    "folders deeper than a path": Recipe(change=deepened, verbs=ALL, sealed=False),
    "the record is a link to /dev/zero": Recipe(
        change=linked("hub.json", "/dev/zero"), verbs=ALL, sealed=False
    ),
    "the record is a pipe": Recipe(change=piped("hub.json"), verbs=ALL, sealed=False),
    "the sums are a pipe": Recipe(change=piped("SHA256SUMS"), verbs=ALL, sealed=False),
    "the statistics are a pipe": Recipe(change=piped("statistics.json"), verbs=ALL, sealed=False),
    "the record lies outside": Recipe(
        change=linked("hub.json", "{secret}"), verbs=ALL, sealed=False
    ),
    "a knob of another name": Recipe(change=everywhere("learning_rate", "on_collapse"), verbs=ALL),
    "an optimizer of another name": Recipe(change=everywhere("optimizer", "hub.json"), verbs=ALL),
    "a rule about no statistic": Recipe(change=everywhere("amp_ssim >= 0.99", "probe"), verbs=ALL),
    "a rule that is none": Recipe(change=everywhere("amp_ssim >= 0.99", "~root"), verbs=ALL),
    "a plan whose dataset is a word": Recipe(
        change=edit("plan.json", set_in("dataset", to="-m")), verbs=ALL
    ),
    "a time that is none": Recipe(change=edit("hub.json", set_in("started", to="x")), verbs=ALL),
    "statistics of another arm": Recipe(change=everywhere("one", "nobody"), verbs=READING),
    "control characters in the title": Recipe(
        change=edit("hub.json", set_in("title", to="\x1b[2J\u202e\x9b")), verbs=ALL
    ),
    "a phase that leads out": Recipe(change=everywhere("tiny", "../../x"), verbs=ALL),
    "an arm that leads out": Recipe(change=everywhere("one", "../../../x"), verbs=ALL),
    "a lone surrogate": Recipe(change=edit("hub.json", set_in("title", to="\ud800")), verbs=ALL),
    "lists in lists": Recipe(change=lambda hub, _: put(hub / "hub.json", b"[" * 10**6), verbs=ALL),
    "NaN in the plan": Recipe(
        change=edit("plan.json", set_in("arms", 0, "seed", to=float("nan"))), verbs=ALL
    ),
    "an empty record": Recipe(change=lambda hub, _: put(hub / "hub.json", b""), verbs=ALL),
    "a record in UTF-16": Recipe(
        change=lambda hub, _: put(hub / "hub.json", "{}".encode("utf-16")), verbs=ALL
    ),
}


def cases() -> list[tuple[str, str]]:
    """Every recipe with every verb that it is for."""
    return [(name, verb) for name, recipe in HUBS.items() for verb in recipe.verbs]


def judges(seeds: Sequence[Seed]) -> Callable[[Case, Watch], Iterable[Finding]]:
    """All recipes as a target, by their number; over the last hub, which is the smallest."""
    return lambda case, watch: judge(seeds[-1], *cases()[case.number])(case, watch)


def judge(seed: Seed, name: str, verb: str) -> Callable[[Case, Watch], Iterator[Finding]]:
    """One recipe and one verb as a target."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        hub = case.work / "artifacts" / seed.folder.parent.name / "2026-12-24T180000Z"
        copy_tree(seed.folder, hub)
        HUBS[name].change(hub, case.secret)
        if HUBS[name].sealed:
            reseal(hub, seed.digests, seed.inodes)
        case.names = (hub.name, "artifacts", "hub.json")
        case.done.append(name)
        yield from command(case, watch, words(verb, seed, hub)).findings
        yield from (*leaks(case.out), *(pages(case.out) if verb != "bag" else ()))

    return run


def words(verb: str, seed: Seed, hub: Path) -> list[str]:
    """The command line of a verb over a hub."""
    here = ["--engine", "process", "--python", NO_PYTHON]
    return {
        "verify": ["verify", str(hub)],
        "show": ["show", str(hub)],
        "list": ["list", "--out", "artifacts"],
        "diff": ["diff", str(seed.folder), str(hub)],
        "docs": ["docs", "sync", str(hub), "--artifacts", "artifacts", "--docs", "out"],
        "compare": ["compare", str(seed.folder), str(hub), "--python", NO_PYTHON, "--out", "out/c"],
        "reproduce": ["reproduce", str(hub), "--out", "out", *here, hubs.CONSENTS[0]],
        "diagnose": ["diagnose", str(hub), "one", "--out", "out/d", *here],
        "archive": ["archive", str(hub), "-o", "out/x.tar.zst"],
        "bag": ["archive", "--bag", str(hub), "-o", "out/bag"],
    }[verb]
