"""A Dockerfile, parsed in full or refused: stages on a given base that reach for nothing else.

A hub brings its own Dockerfile, and what builds it is the daemon, as root and with the host's
network at hand: ``ADD`` of a URL is fetched past ``network_mode="none"``, ``# syntax=`` and
``COPY --from=`` name images to fetch, ``ONBUILD`` runs in builds to come. So there are few
instructions, and only images that the caller names or that were made by the same file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.core.errors import EngineError
from runner.core.reading import read_regular

MOST_BYTES = 65_536
BASE = "BASE_IMAGE"
"""The argument that names the image to build on."""
PLAIN = frozenset({"ARG", "ENV", "LABEL", "WORKDIR", "USER", "CMD", "ENTRYPOINT"})
"""Instructions that are taken whatever they say: they describe the image or set its variables."""

_NAME = r"[a-z][a-z0-9_-]{0,62}"
_DIRECTIVE = re.compile(r"\s*#\s*(syntax|escape|check)\s*=", re.IGNORECASE)
_FROM = re.compile(rf"(?:\$\{{(?P<argument>\w+)\}}|(?P<stage>{_NAME})) AS (?P<name>{_NAME})")
_ARGUMENT = re.compile(r"(?P<name>\w+)=(?P<value>[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254})")
_COPY_FLAG = re.compile(rf"--(?:from={_NAME}|chown=[A-Za-z0-9_:-]+|chmod=[0-7]{{3,4}})")


@dataclass(frozen=True, kw_only=True)
class BuildStage:
    """One stage: what it lies on, which stages it copies from, and its text."""

    name: str
    base: str
    """Name of an earlier stage, or of an argument in ``${…}``."""
    copied: frozenset[str]
    text: str


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A Dockerfile: the arguments before its first stage, and its stages."""

    arguments: Mapping[str, str]
    preamble: str
    stages: tuple[BuildStage, ...]

    def needed(self, target: str, arguments: Mapping[str, str]) -> str | None:
        """The text with only the stages that ``target`` needs; ``None`` without such a stage."""
        values = {**self.arguments, **arguments}
        needed, kept = {target}, list[str]()
        for stage in reversed(self.stages):
            if stage.name in needed:
                kept.insert(0, stage.text)
                needed |= stage.copied
                found = re.fullmatch(r"\$\{(\w+)\}", stage.base)
                needed.add(values[found[1]] if found else stage.base)
        return self.preamble + "".join(kept) if kept else None


@dataclass(frozen=True, kw_only=True)
class _Instruction:
    line: int
    word: str
    rest: str
    text: str
    """The lines as they stand, with the comments above them."""


def read_recipe(dockerfile: Path) -> Recipe:
    """A Dockerfile, parsed. Raises ``EngineError`` naming the file and the line that is refused."""
    try:
        return parse_recipe(read_regular(dockerfile, most=MOST_BYTES).decode())
    except (OSError, ValueError) as error:
        raise EngineError(
            f"{dockerfile} is refused: {error}; only files like phasehub's own are built"
        ) from error


def parse_recipe(text: str) -> Recipe:
    """The stages of a Dockerfile. Raises ``ValueError`` naming the line that is refused."""
    if len(text) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES:,} bytes")
    arguments: dict[str, str] = {}
    stages: list[BuildStage] = []
    preamble = ""
    for one in _instructions(text):
        if one.word == "FROM":
            stages.append(_begin(one, arguments, {stage.name for stage in stages}))
        elif stages:
            stages[-1] = _continue(one, stages[-1], {stage.name for stage in stages[:-1]})
        else:
            preamble += one.text
            arguments |= _argument(one)
    return Recipe(arguments=arguments, preamble=preamble, stages=tuple(stages))


def _instructions(text: str) -> Iterator[_Instruction]:
    begun = 0
    parts: list[str] = []
    raw = ""
    for number, line in enumerate(text.split("\n"), start=1):
        bare = line.strip(" ")
        raw += f"{line}\n"
        if not (line.isprintable() and (line.isascii() or bare.startswith("#"))):
            raise ValueError(f"line {number} holds what is no printable ASCII: {line[:60]!a}")
        if _DIRECTIVE.match(line):
            raise ValueError(f"line {number}: directives to the builder are not taken")
        if not bare or bare.startswith("#"):
            if parts:
                raise ValueError(f"line {number}: an instruction that goes on ends in nothing")
            continue
        begun = begun if parts else number
        parts.append(bare.removesuffix("\\").strip(" "))
        if bare.endswith("\\"):
            continue
        found = re.fullmatch(r"([A-Z]+) +(.+)", " ".join(parts))
        if not found or text.split("\n")[begun - 1].startswith(" "):
            raise ValueError(f"line {begun} is no instruction: {' '.join(parts)[:60]!r}")
        yield _Instruction(line=begun, word=found[1], rest=found[2], text=raw)
        parts, raw = [], ""
    if parts:
        raise ValueError(f"line {begun}: an instruction that goes on ends in nothing")


def _argument(one: _Instruction) -> dict[str, str]:
    found = _ARGUMENT.fullmatch(one.rest) if one.word == "ARG" else None
    if not found:
        raise ValueError(f"line {one.line}: before the first FROM there is only `ARG NAME=value`")
    return {found["name"]: found["value"]}


def _begin(one: _Instruction, arguments: Mapping[str, str], earlier: set[str]) -> BuildStage:
    found = _FROM.fullmatch(one.rest)
    if not found or found["name"] in earlier:
        raise ValueError(
            f"line {one.line}: expected `FROM ${{{BASE}}} AS name`, or an earlier stage to go on "
            f"from: {one.rest[:60]!r}"
        )
    argument, stage = found["argument"], found["stage"]
    known = stage in earlier or argument == BASE or arguments.get(argument or "") in earlier
    if not known or (argument and argument not in arguments):
        raise ValueError(
            f"line {one.line}: {one.rest[:60]!r} begins neither on ${{{BASE}}} nor on an earlier "
            "stage"
        )
    base = f"${{{argument}}}" if argument else str(stage)
    return BuildStage(name=found["name"], base=base, copied=frozenset(), text=one.text)


def _continue(one: _Instruction, stage: BuildStage, earlier: set[str]) -> BuildStage:
    copied: frozenset[str] = frozenset()
    if one.word == "COPY":
        copied = _copied(one, earlier)
    elif one.word == "RUN":
        if one.rest.startswith("--"):
            raise ValueError(f"line {one.line}: RUN takes no options: {one.rest[:60]!r}")
    elif one.word not in PLAIN:
        raise ValueError(f"line {one.line}: {one.word} is not taken")
    if one.word in ("RUN", "COPY") and "<<" in one.rest:
        raise ValueError(f"line {one.line}: here-documents are not taken")
    return BuildStage(
        name=stage.name, base=stage.base, copied=stage.copied | copied, text=stage.text + one.text
    )


def _copied(one: _Instruction, earlier: set[str]) -> frozenset[str]:
    """The stages that a COPY copies from."""
    flags = [word for word in one.rest.split(" ") if word.startswith("--")]
    named = frozenset(flag.removeprefix("--from=") for flag in flags if flag.startswith("--from="))
    if not all(map(_COPY_FLAG.fullmatch, flags)) or not named <= earlier:
        raise ValueError(
            f"line {one.line}: COPY takes --chown, --chmod, and --from of an earlier stage: "
            f"{one.rest[:60]!r}"
        )
    return named
