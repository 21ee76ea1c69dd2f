"""``events.jsonl`` as a hostile job writes it, read while it grows."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

from runner.jobs.events import EventReader
from runner.jobs.progress import JobProgress, PlainDisplay
from tests.fuzz.folders import KIND_DOES
from tests.fuzz.outcome import Case, Finding, watched
from tests.fuzz.values import STRINGS, dumped, mutate, odd_text, odd_value
from tests.fuzz.watch import Watch

NAME = "events.jsonl"
HONEST: tuple[dict[str, Any], ...] = (
    {"event": "started", "experiment": "train", "epochs": 4, "steps_per_epoch": 12},
    {"event": "stage", "stage": "fit"},
    {"event": "step", "step": 3, "steps_per_s": 4.5},
    {"event": "step", "step": 40, "epoch": 1, "steps_per_s": 0.25},
    {"event": "epoch", "epoch": 1, "train_loss": 0.3, "val_loss": 0.4, "learning_rate": 1e-3,
    "steps_per_s": 3.0},
    {"event": "stage", "stage": "evaluate"},
    {"event": "finished"},
)  # fmt: skip
LONGEST_LINE = 1000
"""Characters of a line of progress: it is for a person."""


def judge() -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target: a file that grows between looks."""

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        looks = case.random.choice((1, 2, 4))
        total = case.random.choice((None, 0, 1, 48, 10**9))
        yield from followed(case, watch, [lambda: _grow(case, case.out / NAME)] * looks, total)

    return run


def followed(
    case: Case, watch: Watch, growth: Sequence[Callable[[], object]], total: int | None
) -> Iterator[Finding]:
    """What a display is told, look by look."""
    told: list[str] = []

    def follow() -> None:
        reader = EventReader(case.out / NAME)
        progress, display = JobProgress("arm", total), PlainDisplay()
        display.begin(progress)
        for grow in growth:
            grow()
            for event in reader.new():
                line = progress.update(event)
                told.append(f"{line} {progress.pace()}")
                display.event(progress, line)
        display.end(progress, f"arm: finished; {reader.note}")

    answer = watched(case, watch, follow)
    # The command line makes visible what a display writes; that is tested where it runs whole.
    yield from (one for one in answer.findings if one.kind != "control")
    if (longest := max(map(len, told), default=0)) > LONGEST_LINE:
        told_long = "a line of progress is for a person"
        yield Finding(kind="long", told=told_long, detail=str(longest))


def _grow(case: Case, path: Any) -> None:
    random = case.random
    if path.is_symlink() or (path.exists() and not path.is_file()):
        return  # what it is now stays
    if random.random() < 0.06:
        kind = random.choice(
            (
                "a pipe",
                "a link to /dev/zero",
                "a folder",
                "a link to itself",
                "a socket",
                "missing",
                "a hole",
                "cut",
            )
        )
        if kind not in ("cut", "a hole") or path.is_file():
            KIND_DOES[kind](path, random, case.secret)
            case.done.append(kind)
        return
    try:
        with open(
            os.open(
                path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW, 0o644
            ),
            "ab",
        ) as file:
            for _ in range(random.choice((1, 1, 3, 10))):
                line = written(random)
                case.done.append(ascii(line[:200]))
                file.write(line)
    except OSError:  # it is no file any more
        return


def written(random: Random) -> bytes:
    """A line, or what should have been one."""
    value: Any = json.loads(json.dumps(random.choice(HONEST)))
    kind = random.random()
    if kind < 0.2:
        pass
    elif kind < 0.75:
        key = random.choice(list(value))
        value[key] = odd_value(random)
        if random.random() < 0.3:
            value, _ = mutate(value, random)
    elif kind < 0.85:
        return odd_text(random).text.encode() + b"\n"
    elif kind < 0.9:
        return random.randbytes(random.choice((1, 30, 3_000))) + random.choice((b"\n", b""))
    elif kind < 0.92:
        return random.choice(
            (
                b"x" * 2_000_000,
                b"\n" * 100_000,
                b'{"event":"stage","stage":"' + b"x" * 10**6 + b'"}\n',
            )
        )
    else:
        return random.choice(STRINGS).encode("utf-8", "surrogatepass") + b"\n"
    end = random.choice((b"\n", b"\n", b"\n", b"\r\n", b"", b"\n\n"))
    return dumped(value) + end
