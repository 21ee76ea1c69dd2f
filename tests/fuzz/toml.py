"""Manifests of strangers, line by line, until something knows their structure better."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from tests.fuzz.outcome import Case, Finding, command
from tests.fuzz.values import STRINGS
from tests.fuzz.watch import Watch

VALUES = (
    "nan", "inf", "-inf", "1e999", "0x1F", "1_0", "-0.0", "9" * 400, "true", "[]", "{}", "[[]]", "''", '""',
    '"""\n"""', "1979-05-27T07:32:00Z", "07:32:00", "{ kind = 1 }", "[1, 'a']", '"x', "'x", "{ a = ", "[" * 500,
    "1e-400", "99999999999999999999", "-1", "0", "1.5", "[" + "1, " * 5000 + "1]", '"' + "x" * 70_000 + '"',
    '"\\u0000"', '"\\ud800"', '"../../x"', '"\x1b[2J"',
)  # fmt: skip
LINES = (
    "[[arms]]", "[arms]", "[a.b.c]", "a.b.c.d = 1", "[phase]", "[matrix]", "[matrix.train]", "x", "=", "[", "]",
    "a" + ".a" * 300 + " = 1", "[" + "a." * 300 + "a]", "'' = 1", '"\\n" = 1', "include = [{}]", "exclude = [{}]",
    "seed = [" + "1, " * 300 + "1]", "name = 'x'",
)  # fmt: skip


def judge(folder: Path) -> Callable[[Case, Watch], Iterator[Finding]]:
    """The target over the manifests in a folder."""
    honest = {path.name: path.read_text() for path in sorted(folder.glob("*.toml"))}

    def run(case: Case, watch: Watch) -> Iterator[Finding]:
        name = case.random.choice(list(honest))
        text = _forged(case.random, honest[name], case.done)
        path = case.work / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        case.names = (name,)
        verb = case.random.choice((["check"], ["check"], ["plan", "--device", "cpu"]))
        yield from command(case, watch, [*verb, str(path)]).findings

    return run


def _forged(random: Random, text: str, done: list[str]) -> str:
    lines = text.split("\n")
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(lines))
        line = lines[at]
        kind = random.choice(
            ("value", "value", "value", "key", "drop", "twice", "line", "move", "cut", "splice")
        )
        if kind == "value" and "=" in line:
            lines[at] = line.partition("=")[0] + "= " + random.choice(VALUES)
        elif kind == "key" and "=" in line:
            lines[at] = (
                random.choice((*STRINGS[:60], "x", "a.b", '"a b"')) + " =" + line.partition("=")[2]
            )
        elif kind == "drop":
            del lines[at]
        elif kind == "twice":
            lines[at:at] = [line] * random.choice((1, 1, 30, 2_000))
        elif kind == "line":
            lines.insert(at, random.choice(LINES))
        elif kind == "move":
            lines.insert(random.randrange(len(lines)), lines.pop(at))
        elif kind == "cut":
            lines[at] = line[: random.randrange(len(line) + 1)]
        else:
            cut = random.randrange(len(line) + 1)
            lines[at] = line[:cut] + random.choice(STRINGS) + line[cut:]
        done.append(
            f"{kind} at {at + 1}: {lines[min(at, len(lines) - 1)][:100]!r}" if lines else kind
        )
        lines = lines or [""]
    return "\n".join(lines)
