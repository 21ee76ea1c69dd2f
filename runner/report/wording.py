"""How values of a record are spelled for people: the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from runner.core.text import plain
from runner.experiment import EXPERIMENT
from runner.hub.records.arm import ArmRecord, ArmStatus
from runner.hub.records.provenance import EngineRecord
from runner.report.folding import columns

NOTHING = "—"

STATUS_WORDS: dict[ArmStatus, str] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "timed_out": "timed out",
    "out_of_memory": "out of memory",
    "out_of_disk": "out of disk",
    "could_not_start": "could not start",
    "interrupted": "interrupted",
    "silent": "silent",
    "invalid_output": "invalid output",
    "configuration_differs": "not as planned",
    "audit_failed": "audit failed",
    "not_finite": "stopped: not finite",
    "not_run": "not run",
}


def outcome(arm: ArmRecord) -> str:
    """How an arm ended; where it ran as planned, what stands behind that."""
    word = STATUS_WORDS[arm.status]
    return f"{word}, {arm.proof_in_words}" if arm.status == "succeeded" else word


def measured(value: object) -> str:
    """A measurement: floats with four significant digits, counts in full, flags as yes or no."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:#.4g}"
    return plain(str(value))


def declared(value: object) -> str:
    """A knob as a manifest would have it, with all its digits."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(declared(inner) for inner in value) + "]"
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return plain(str(value))


def moment(timestamp: str) -> str:
    """A time of a record, to the second: ``2026-01-30 05:00:00 UTC``."""
    return f"{datetime.fromisoformat(timestamp).astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float | None) -> str:
    """A time span in at most two units: ``1 h 4 min``, ``31 min 14 s``, ``8.4 s``."""
    if seconds is None:
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks apart; rows may be short."""
    return "\n".join(columns(rows))


def came_about(arm: ArmRecord) -> str:
    """Whether the endpoint came about in an arm, and when: ``no``, a time; a dash if unknown.

    What an arm came to that is no result either is said instead.
    """
    fate, endpoint = arm.fate, EXPERIMENT.endpoint
    if fate.reached is None:
        return NOTHING
    if not fate.reached:
        return endpoint.outcomes[fate.shortcoming] if fate.shortcoming else "no"
    return "yes" if fate.when is None else f"{endpoint.unit} {fate.when}"


LONGEST_REASON = 40


def reason(arm: ArmRecord) -> str:
    """Why the endpoint is said to have come about in an arm: the word that its reason opens with.

    Empty where it did not come about, or no reason is given.
    """
    if not arm.fate.reached:
        return ""
    return plain((arm.fate.why or "").partition(":")[0].strip())[:LONGEST_REASON]


def came_about_and_why(arm: ArmRecord) -> str:
    """``came_about`` with its ``reason`` behind a colon."""
    return ": ".join(filter(None, (came_about(arm), reason(arm))))


def isolation(engine: EngineRecord) -> str:
    """What kept jobs apart, and what a daemon could not keep from them or bound."""
    if not engine.isolated:
        return "not isolated"
    missing = engine.facts.get("not_enforced")
    if not isinstance(missing, list) or not missing:
        return "each arm isolated"
    promises = ", ".join(plain(str(one)) for one in missing)
    return f"each arm isolated, but nothing held it to: {promises}"


def finding(name: str, value: object) -> str:
    """What was measured; of a flag in words, its own where it has some."""
    if not isinstance(value, bool):
        return measured(value)
    words = EXPERIMENT.results.flags.get(name)
    if words is None:
        return f"{name.replace('_', ' ')}: {measured(value)}"
    return words[0] if value else words[1]


def markdown(text: object) -> str:
    """Text that Markdown shows as it is, also inside the cell of a table."""
    line = " ".join(plain(line) for line in str(text).splitlines())
    escaped = re.sub(r"([\\`*\[\]|#])", r"\\\1", line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fence(lines: Sequence[str]) -> str:
    """Lines as a fenced block of Markdown that nothing in them can close."""
    text = "\n".join(plain(line) for line in lines)
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{text}\n{ticks}"
