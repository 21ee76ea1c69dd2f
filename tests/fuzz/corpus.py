"""What was found once, as the smallest input that shows it; run before anything new.

Each recipe changes a hub, an output or another input by name, so that it stays what it was when
the generators change. ``expect`` is the exit code that is right.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.fuzz import archives, events, hubs, locks
from tests.fuzz.folders import copy_tree, put, reseal
from tests.fuzz.outcome import Case, Finding, command, leaks, pages
from tests.fuzz.seeds import Seed
from tests.fuzz.values import dumped
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


EVENTS: dict[str, tuple[bytes, ...]] = {
    "a step that is a word": (b'{"event": "step", "step": "\xc3\x9f"}\n',),
    "a step that is null": (b'{"event": "step", "step": null}\n',),
    "a step that is a table": (b'{"event": "step", "step": {}}\n',),
    "an epoch that is a table": (b'{"event": "epoch", "epoch": {}}\n',),
    "an epoch that is a word": (b'{"event": "epoch", "epoch": "-->"}\n',),
    "steps of an epoch that are words": (
        b'{"event": "started", "steps_per_epoch": ["-1"]}\n{"event": "epoch", "epoch": 1}\n',
    ),
    "a pace of nearly nothing": (b'{"event": "step", "step": 40, "steps_per_s": 1e-300}\n',),
    "an infinite pace": (b'{"event": "step", "step": 40, "steps_per_s": 1e999}\n',),
    "lists in lists": (b'{"event": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",),
    "a stage of a million letters": (b'{"event":"stage","stage":"' + b"x" * 10**6 + b'"}\n',),
    "a line without an end": (b"x" * 3_000_000, b"x\n", b'{"event": "finished"}\n'),
}
LOCKS: dict[str, str] = {
    "an option behind a form feed": f"a==1 {locks.HASH}  # x\x0c--no-binary=:all:\n",
    "an option behind a vertical tab": f"a==1 {locks.HASH}  # x\x0b--find-links=/tmp/x\n",
    "an option behind U+2028": f"a==1 {locks.HASH}  # x\u2028--find-links=/tmp/x\n",
    "an option behind a pin": f"a==1 {locks.HASH} --global-option=x\n",
    "an option in the middle": f"a==1 --no-binary=:all: {locks.HASH}\n",
    "an option of a line": f"--no-binary :all:\na==1 {locks.HASH}\n",
    "a joined line without a blank": f"a==1\\\n{locks.HASH}\n",
    "a path": f"./a==1 {locks.HASH}\n",
}
INDEXES: dict[str, dict[str, Any]] = {
    "a name of 100,000 letters": {"name": "x" * 100_000},
    "a name that leads out": {"name": "tiny/../../2026-01-30T050000Z"},
    "a dataset that is not the hub's": {"members": [{"path": "dataset/x", "bytes": 0}]},
}
Judging = Callable[[Case, Watch], Iterator[Finding]]


def cases(seed: Seed) -> list[Judging]:
    """Everything that was found, one after the other, over the hub ``seed``."""
    return [
        *(partial(of_hub, seed, name, verb) for name in HUBS for verb in HUBS[name].verbs),
        *(partial(of_events, name) for name in EVENTS),
        *(partial(of_lock, name) for name in LOCKS),
        *(partial(of_archive, seed, name) for name in INDEXES),
    ]


def judges(seeds: Sequence[Seed]) -> Judging:
    """All recipes as a target, by their number; over the last hub, which is the smallest."""
    recipes = cases(seeds[-1])
    return lambda case, watch: recipes[case.number](case, watch)


def of_hub(seed: Seed, name: str, verb: str, case: Case, watch: Watch) -> Iterator[Finding]:
    """One change of the hub and one verb."""
    hub = case.work / "artifacts" / seed.folder.parent.name / "2026-12-24T180000Z"
    copy_tree(seed.folder, hub)
    HUBS[name].change(hub, case.secret)
    if HUBS[name].sealed:
        reseal(hub, seed.digests, seed.inodes)
    case.names = (hub.name, "artifacts", "hub.json")
    case.done.append(name)
    yield from command(case, watch, words(verb, seed, hub)).findings
    yield from leaks(case.out)
    yield from pages(case.out) if verb != "bag" else ()


def of_events(name: str, case: Case, watch: Watch) -> Iterator[Finding]:
    """The lines of a hostile job, added look by look."""
    case.done.append(name)

    def grow(lines: bytes) -> None:
        with (case.out / events.NAME).open("ab") as file:
            file.write(lines)

    yield from events.followed(case, watch, [partial(grow, one) for one in EVENTS[name]], 48)


def of_lock(name: str, case: Case, watch: Watch) -> Iterator[Finding]:
    """A lock that means something else to pip."""
    path = case.work / locks.NAME
    path.write_text(LOCKS[name], encoding="utf-8")
    case.done.append(name)
    case.names = (locks.NAME,)
    yield from locks.compared(case, watch, path)


def of_archive(seed: Seed, name: str, case: Case, watch: Watch) -> Iterator[Finding]:
    """An archive whose index says something else."""
    case.done.append(name)
    parts = archives.members_of(seed.folder, seed.name)
    facts = dict(INDEXES[name])
    new = [archives.Part(path=one["path"], content=b"") for one in facts.pop("members", ())]
    parts = [*new, *parts]
    index = archives.index_of(parts, seed.name) | facts
    file = case.work / "made"
    archives.write(parts, file, seed.name, dumped(index))
    yield from archives.restored(case, watch, file.read_bytes())


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
