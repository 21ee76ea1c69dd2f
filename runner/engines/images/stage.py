"""Builds one stage of the Dockerfile at the daemon, from named files and without a network."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runner.core.errors import EngineError
from runner.core.text import Say
from runner.engines.images import buildx
from runner.engines.images.dockerfile import Recipe, read_recipe

if TYPE_CHECKING:
    from docker import DockerClient

DOCKERFILE = "Dockerfile"
STEP = re.compile(r"(\[\d+/\d+\] )?step \S+ ?: (?P<verb>[A-Z]+) ", re.IGNORECASE)
LAYER = re.compile(r"(?: --|-)-> ([0-9a-f]{11,12})$")
"""What Docker (`Step 1/8 : FROM …`, ` ---> 0123456789ab`) and podman (`[1/2] STEP 1/3: FROM …`,
`--> 0123456789a`) say of a step and of the image that it ends with."""
REMEDY = (
    "Install Docker's buildx plugin for a daemon that builds by BuildKit alone "
    "(`docker buildx version`), or use --engine process, which needs no image"
)
SILENCE_S = 3600
"""The longest that a step of a build may say nothing, s; unpacking CUDA takes minutes."""


def build_stage(
    client: DockerClient,
    target: str,
    *,
    reference: str,
    content: Mapping[str, Path],
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    work: Path,
    say: Say,
    dockerfile: Path,
) -> None:
    """Build the stage ``target`` and name it ``reference``.

    ``content`` is all that the build sees: path in its context → file or folder of this machine.
    ``work`` is where the context is packed. Raises ``EngineError`` with the step that failed and
    the end of its output.
    """
    text = stages_of(read_recipe(dockerfile), target, arguments)
    with tempfile.TemporaryFile(dir=work) as context:
        _pack(context, text, content)

        def by(builder: Callable[..., None]) -> None:
            context.seek(0)
            builder(
                client,
                target,
                reference=reference,
                context=context,
                arguments=arguments,
                labels=labels,
                say=say,
            )

        wanted = buildx.is_wanted()
        if wanted and buildx.is_here():
            by(buildx.build)
            return
        try:
            by(_by_api)
        except NoBuilderError as refused:
            if wanted is False or not buildx.is_here():
                raise EngineError(f"{reference} cannot be built: {refused}. {REMEDY}") from None
            say(f"The daemon has no classic builder ({refused}): building by BuildKit")
            by(buildx.build)


class NoBuilderError(Exception):
    """A daemon builds nothing by its API."""


def _by_api(
    client: DockerClient,
    target: str,
    *,
    reference: str,
    context: IO[bytes],
    arguments: Mapping[str, str],
    labels: Mapping[str, str],
    say: Say,
) -> None:
    """Build by the classic builder. Raises ``EngineError``, and ``NoBuilderError`` without one."""
    from docker.errors import APIError

    from runner.engines.daemon import reason

    events = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=reference,
        target=target,
        buildargs=dict(arguments),
        labels=dict(labels),
        network_mode="none",
        rm=True,
        forcerm=True,
        decode=True,
        timeout=SILENCE_S,
    )
    try:
        finished = _follow(events, reference, say)
    except APIError as error:  # the answer to the request: no step has begun
        raise NoBuilderError(reason(error)) from error
    _remove_intermediate(client, finished)


def stages_of(recipe: Recipe, target: str, arguments: Mapping[str, str]) -> str:
    """The part of a Dockerfile that ``target`` needs, as BuildKit would find it.

    The classic builder runs every stage above its target. Given the whole file it would ask for
    the wheels again whenever a source changes.
    """
    text = recipe.needed(target, arguments)
    if text is None:
        raise EngineError(f"the Dockerfile has no stage {target}; restore it from git")
    return text


def _pack(context: Any, dockerfile: str, content: Mapping[str, Path]) -> None:  # noqa: ANN401
    """Write a build context whose bytes follow from names and contents alone."""
    with tarfile.open(fileobj=context, mode="w") as tar:
        entry = _plain(tarfile.TarInfo("Dockerfile"))
        encoded = dockerfile.encode()
        entry.size, entry.mode = len(encoded), 0o644
        tar.addfile(entry, io.BytesIO(encoded))
        for name, source in content.items():
            tar.add(source, name, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    entry.mode = 0o755 if entry.isdir() else 0o644
    return entry


def _follow(events: Iterator[dict[str, Any]], reference: str, say: Say) -> list[str]:
    """Tell of the steps of a build; the last image of each stage but the last.

    Raises ``EngineError`` with the step that failed.
    """
    step, image = "before the first step", ""
    lines: list[str] = []
    finished: list[str] = []
    for event in events:
        text = str(event.get("stream", ""))
        lines += [line for line in text.splitlines() if line.strip()]
        if begun := STEP.match(text):
            step, lines = text.strip(), []
            if begun["verb"] in ("COPY", "RUN"):
                say(f"  {step[:100]}")
            if begun["verb"] == "FROM" and image:
                finished.append(image)
        if layer := LAYER.match(text.rstrip()):
            image = layer[1]
        if "error" in event:
            output = "\n".join(f"  {line}" for line in lines[-15:])
            raise EngineError(
                f"{reference} cannot be built: {step} failed: {event['error']}\n{output}\n"
                "The base image must have Python 3.11 with pip and the venv module; "
                "`phasehub base-image` makes one, and --engine process needs none"
            )
    return finished


def _remove_intermediate(client: DockerClient, images: list[str]) -> None:
    """Remove the images of stages that were only copied from: they hold the wheels once more."""
    from docker.errors import APIError

    for image in images:
        # The daemon refuses for those that the built image lies on; podman takes parents along.
        with suppress(APIError):
            client.images.remove(image)
