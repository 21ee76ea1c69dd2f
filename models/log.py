"""What a job tells of itself on its console, which its hub keeps as its log. Observational.

Every event becomes a line, so that a log cannot be silent about what the files say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Facts = Mapping[str, object]


def say(text: str) -> None:
    """Print a line with the time, at once: it has to stand before whatever is printed next."""
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", flush=True)


def warn(text: str) -> None:
    """Print a line on what a reader of the results should know."""
    say(f"warning: {text}")


def say_event(event: str, facts: Facts) -> None:
    """Print the line of an event, if it is worth one."""
    if text := WORDS.get(event, _other)(facts):
        say(text)


def _started(facts: Facts) -> str:
    epochs, steps = facts.get("epochs"), facts.get("steps_per_epoch")
    more = f": {epochs} epochs of {steps} steps, counted from 0" if epochs else ""
    return f"{facts.get('experiment')} begins{more}"


def _stage(facts: Facts) -> str:
    return f"stage: {facts.get('stage')}"


def _epoch(facts: Facts) -> str:
    measured = (
        ("train loss", "train_loss"),
        ("validation loss", "val_loss"),
        ("rate", "learning_rate"),
    )
    text = "  ".join(f"{words} {_number(facts.get(name))}" for words, name in measured)
    return f"epoch {facts.get('epoch'):>4}  {text}  {_number(facts.get('steps_per_s'), 3)} steps/s"


def _test(facts: Facts) -> str:
    return f"{facts.get('outcome')}: {facts.get('id')}"


def _finished(_facts: Facts) -> str:
    return "all is computed"


def _other(_facts: Facts) -> str:
    """Steps come by the second; the line of their epoch speaks for them."""
    return ""


WORDS: Mapping[str, Callable[[Facts], str]] = {
    "started": _started,
    "stage": _stage,
    "epoch": _epoch,
    "test": _test,
    "finished": _finished,
}
"""Event → its line."""


def _number(value: object, digits: int = 5) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)
