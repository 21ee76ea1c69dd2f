"""The container image: built from locked wheels without a network, identified by its content.

Two images lie on each other. ``phasehub-environment`` holds the locked packages and changes with a
lock; ``phasehub`` adds ``models/`` and is remade in a second when a source changes. Their tags
are digests of what they are made from, so an image that exists is never built again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field

from runner.core.digest import digest_json, pretty_json, sha256_bytes, sha256_file
from runner.core.errors import EngineError, VerificationError
from runner.core.names import Sha256
from runner.core.project import models_digest
from runner.core.reading import typed
from runner.core.text import Say
from runner.engines.environments import packages
from runner.engines.environments.pins import written
from runner.engines.environments.wheels import Variant, lock_path, read_lock, wheelhouse
from runner.engines.images.archived import load, refuse_odd
from runner.engines.images.base import choose_base, make_base_image, present
from runner.engines.images.dockerfile import BASE, read_recipe
from runner.engines.images.stage import DOCKERFILE, build_stage, stages_of

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["BuiltImage", "build", "make_base_image"]


Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/:@-]{0,254}$")]
"""Name, digest or id of an image, as Docker takes it."""
ImageId = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=r"^[0-9][A-Za-z0-9.+-]{0,31}$")]


class BuiltImage(BaseModel):
    """An image and what it is made from. All digests are SHA-256."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: Reference
    id: ImageId
    variant: Variant
    lock_sha256: Sha256
    models_sha256: Sha256
    dockerfile_sha256: Sha256
    base: Reference
    base_id: ImageId
    base_digests: Annotated[tuple[Reference, ...], Field(max_length=64)]
    """The base's names by digest at the registries that it came from; empty for a local one."""
    python: Version
    packages_sha256: Sha256
    """Fingerprint of the installed packages' files, taken inside a container."""

    def identity(self) -> dict[str, Any]:
        """The same as a JSON value, for the hub."""
        return self.model_dump(mode="json")


def read_identity(table: Mapping[str, Any], name: str) -> BuiltImage:
    """The image that a hub's record names, in the file called ``name``.

    Raises ``VerificationError`` naming the file and the key that is not as phasehub writes it.
    """
    try:
        return typed(BuiltImage, table, f"{name}: image")
    except ValueError as error:
        raise VerificationError(f"{error}; nothing can be made of that image") from error


def build(variant: Variant, *, base: str | None, cache: Path, say: Say, root: Path) -> BuiltImage:
    """The image of ``variant`` with the locks and sources at ``root``, built if it does not exist.

    ``root`` is that of a snapshot: what is built from it is what it holds.

    ``base`` is the manifest's ``image.base``; see ``choose_base`` for what stands in for it.
    Wheels are downloaded on the host; the build itself has no network.

    Raises ``EngineError`` with the remedy when no daemon answers, the base or a wheel cannot be
    had, or a step fails; then with the step and the end of its output.
    """
    from runner.engines.daemon import connect

    client = connect()
    shelf = cache / "images"
    shelf.mkdir(parents=True, exist_ok=True)
    with FileLock(shelf / ".lock"):
        found = choose_base(client, base, say, root)
        refuse_odd(f"the base image {found.id}", found.attrs.get("Config"))
        lock = lock_path(variant, root)
        made_from = {"lock": sha256_file(lock), "base": str(found.id)}
        arguments = {BASE: made_from["base"], "LOCK": "lock.txt"}
        # What the Dockerfile says of later stages is nothing to the packages, which take minutes.
        stages = stages_of(read_recipe(root / DOCKERFILE), "environment", arguments)
        packages_from = made_from | {"dockerfile": sha256_bytes(stages.encode())}
        environment = _tag("phasehub-environment", variant, packages_from)
        if not _is_made(client, environment, packages_from):
            wheels = wheelhouse(variant, cache=cache, say=say, root=root)
            say(f"Building {environment}: the locked packages, once; takes a minute or two")
            with tempfile.TemporaryDirectory(dir=shelf) as folder:
                pins = Path(folder) / "lock.txt"
                pins.write_text(written(read_lock(lock)), encoding="ascii")
                build_stage(
                    client,
                    "environment",
                    reference=environment,
                    content={"wheels": wheels, "lock.txt": pins},
                    arguments=arguments,
                    labels=_labels(packages_from),
                    work=shelf,
                    say=say,
                    dockerfile=root / DOCKERFILE,
                )
        made_from |= {"dockerfile": sha256_file(root / DOCKERFILE), "models": models_digest(root)}
        reference = _tag("phasehub", variant, made_from)
        if not _is_made(client, reference, made_from):
            say(f"Building {reference}")
            build_stage(
                client,
                variant,
                reference=reference,
                content={"models": root / "models"},
                arguments={BASE: made_from["base"], "ENVIRONMENT": environment},
                labels=_labels(made_from),
                work=shelf,
                say=say,
                dockerfile=root / DOCKERFILE,
            )
        installed = _installed(client, environment, shelf)
    return BuiltImage(
        reference=reference,
        id=str(client.images.get(reference).id),
        variant=variant,
        lock_sha256=made_from["lock"],
        models_sha256=made_from["models"],
        dockerfile_sha256=made_from["dockerfile"],
        base=(found.tags or [str(found.id)])[0],
        base_id=made_from["base"],
        base_digests=_at_registries(found.attrs.get("RepoDigests") or []),
        python=installed["python"],
        packages_sha256=installed["packages_sha256"],
    )


Place = Literal["daemon", "archive", "nowhere"]
"""Where a hub's own image can be had: at the daemon, out of its archive, or not at all."""


def find_image(identity: BuiltImage, saved: Path) -> Place:
    """Where the very image is that a hub names; ``saved`` is the file out of its archive.

    Raises ``EngineError`` when no daemon answers.
    """
    from runner.engines.daemon import connect

    if present(connect(), identity.id) is not None:
        return "daemon"
    return "archive" if saved.is_file() else "nowhere"


def recover(identity: BuiltImage, saved: Path, say: Say) -> BuiltImage | None:
    """The very image that a hub names: at the daemon already, or loaded from the file ``saved``.

    ``None`` where it is in neither. Raises ``EngineError`` when no daemon answers, the file cannot
    be loaded, or it holds another image.
    """
    from docker.errors import DockerException

    from runner.engines.daemon import connect, reason

    place = find_image(identity, saved)
    if place == "nowhere":
        return None
    client = connect()
    if place == "archive":
        say(f"loading the image {identity.id[:19]} from {saved}")
        try:
            load(client, saved, identity.id)
        except (DockerException, OSError, ValueError) as error:
            raise EngineError(
                f"{saved} cannot be loaded: {reason(error)}; remove it, and the image is built "
                "from the hub's locks and source"
            ) from None
    refuse_odd(f"the image {identity.id}", client.images.get(identity.id).attrs.get("Config"))
    return identity.model_copy(update={"reference": identity.id})


def recorded_base(identity: BuiltImage) -> str | None:
    """The base that a hub's image was built on: by its id if it is here, else by its digest."""
    from runner.engines.daemon import connect

    client = connect()
    known = [identity.base_id, *identity.base_digests]
    return next((name for name in known if present(client, name)), [*known[1:], None][0])


def save(client: DockerClient, identity: str, target: Path) -> None:
    """Write the image with that id as ``docker save`` does. Raises ``EngineError`` without it."""
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(identity)
    except ImageNotFound:
        raise EngineError(
            f"the image {identity} is not here any more; archive the hub without it, as it can be "
            "built again from the hub's locks"
        ) from None
    with target.open("wb") as file:
        for chunk in image.save(named=True):
            file.write(chunk)


def _at_registries(digests: Iterable[str]) -> tuple[str, ...]:
    """Names by digest; podman gives a local image one, too, of a registry that is none."""
    return tuple(sorted(name for name in digests if not name.startswith("localhost/")))


def _tag(repository: str, variant: Variant, made_from: Mapping[str, str]) -> str:
    return f"{repository}:{variant}-{digest_json(made_from)[:12]}"


def _labels(made_from: Mapping[str, str]) -> dict[str, str]:
    return {f"phasehub.{name}": value for name, value in made_from.items()}


def _is_made(client: DockerClient, reference: str, made_from: Mapping[str, str]) -> bool:
    """Whether an image of this name exists that says it is made from this."""
    from docker.errors import ImageNotFound

    try:
        labels = client.images.get(reference).labels
    except ImageNotFound:
        return False
    return _labels(made_from).items() <= labels.items()


def _installed(client: DockerClient, environment: str, shelf: Path) -> dict[str, Any]:
    """What ``packages.describe`` says inside a container, asked once for each image id."""
    identity = str(client.images.get(environment).id)
    kept = shelf / f"{sha256_bytes(identity.encode())[:12]}.json"
    if kept.exists():
        found: dict[str, Any] = json.loads(kept.read_text("utf-8"))
        return found
    script = Path(packages.__file__).read_text("utf-8")
    code, output = _output_of(client, environment, ["python", "-I", "-c", script, "--fingerprint"])
    if code != 0:
        raise EngineError(
            f"{environment} cannot say what is installed in it:\n{output[-500:]}\nRemove it with "
            f"`docker rmi {environment}`; the next run builds it again"
        )
    found = json.loads(output)
    kept.write_bytes(pretty_json(found))
    return found


def _output_of(client: DockerClient, image: str, command: list[str]) -> tuple[int, str]:
    """Exit status and console of a command in a container that can change nothing."""
    from runner.engines.daemon import abilities_of

    able = abilities_of(client)
    container = client.containers.create(
        image,
        command,
        user="10001:10001",
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        ulimits=able.ulimits,
        log_config=able.log,
    )
    try:
        container.start()
        # Not containers.run(remove=True): it removes before it has read the whole console.
        code = int(container.wait()["StatusCode"])
        return code, container.logs().decode(errors="replace")
    finally:
        container.remove(force=True)
