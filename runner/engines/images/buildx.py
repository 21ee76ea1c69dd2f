"""Builds by `docker buildx build`, for daemons whose API has no builder but BuildKit.

The classic builder comes first: Docker and podman have it, and it needs no program besides.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from runner.core.errors import EngineError
from runner.core.programs import answer_of
from runner.core.text import Say

if TYPE_CHECKING:
    from docker import DockerClient

BUILDX = ("docker", "buildx")
CHOICE = "DOCKER_BUILDKIT"
"""The variable that says which builder Docker's command takes: 1 is BuildKit, 0 is not."""
STEP = re.compile(r"#\d+ (?P<step>\[.*\d+/\d+\] (?P<verb>[A-Z]+) .*)")
"""What it says of a step that begins: `#5 [2/2] RUN …`, `#9 [cpu 2/4] COPY …`."""
PINNED = "phasehub-pinned"
"""Repository of names for images that are known by their ids, which BuildKit takes for names."""
ANSWER_S = 60.0
"""The longest wait for the command to say its version, s."""
NUM_SHOWN = 15
"""Lines of a failed step that are shown."""


def is_wanted() -> bool | None:
    """What the caller says of BuildKit; ``None`` where nothing."""
    return {"1": True, "0": False}.get(os.environ.get(CHOICE, ""))


def is_here() -> bool:
    """Whether Docker's command on this machine can build by BuildKit."""
    asked = [*BUILDX, "version"]
    return answer_of(asked, environment=_environment(), within_s=ANSWER_S).returncode == 0


def build(
    client: DockerClient,
    target: str,
    *,
    reference: str,
    context: IO[bytes],
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    say: Say,
) -> None:
    """Build the stage ``target`` of a packed context, without a network, and name it.

    Raises ``EngineError`` with the step that failed and the end of its output.
    """
    with _named(client, arguments) as named:
        command = [
            *(*BUILDX, "build", "--builder=default", "--load", "--network=none"),
            *("--progress=plain", f"--target={target}", f"--tag={reference}"),
            *(f"--build-arg={name}={value}" for name, value in named.items()),
            *(f"--label={name}={value}" for name, value in labels.items()),
            "-",
        ]
        with subprocess.Popen(
            command,
            stdin=context,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(),
            text=True,
            errors="replace",
        ) as build:
            assert build.stderr is not None
            step, last_lines = _follow(build.stderr, say)
    if build.returncode != 0:
        output = "\n".join(f"  {line}" for line in last_lines)
        raise EngineError(f"{reference} cannot be built: {step} failed\n{output}")


def _follow(lines: Iterator[str], say: Say) -> tuple[str, list[str]]:
    """Tell of the steps of a build; the last one, and what was said since it began."""
    step, last_lines = "before the first step", deque[str](maxlen=NUM_SHOWN)
    begun = set[str]()
    for line in lines:
        if named := STEP.match(line):
            step = named["step"].strip()
            last_lines.clear()
            if named["verb"] in ("COPY", "RUN") and step not in begun:
                say(f"  {step[:100]}")
            begun.add(step)  # it is named again after lines of another
        elif line.strip():
            last_lines.append(line.rstrip())
    return step, [*last_lines]


@contextmanager
def _named(client: DockerClient, arguments: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The arguments with a name for each image that is given by its id, as long as it is built.

    An image that has no other name keeps that one: it would be removed with it.
    """
    named, given = dict(arguments), []
    for argument, value in arguments.items():
        if value.startswith("sha256:"):
            named[argument] = f"{PINNED}:{value.removeprefix('sha256:')}"
            client.images.get(value).tag(named[argument])
            given.append(named[argument])
    try:
        yield named
    finally:
        for name in given:
            if len(client.images.get(name).tags) > 1:
                client.images.remove(name)


def _environment() -> dict[str, str]:
    """The caller's, with the daemon that we talk to, whatever context the command has chosen."""
    from runner.engines.daemon import SOCKET

    ours = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"}
    chosen = {"DOCKER_HOST": os.environ.get("DOCKER_HOST") or SOCKET}
    return {**ours, **chosen, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
