"""The container image: built from locked wheels without a network, identified by its content.

Two images lie on each other. ``phasehub-environment`` holds the locked packages and changes with a
lock; ``phasehub`` adds ``models/`` and is remade in a second when a source changes. Their tags
are digests of what they are made from, so an image that exists is never built again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from runner import packages
from runner.base_image import choose_base, make_base_image, present
from runner.digest import digest_json, pretty_json, sha256_bytes, sha256_file
from runner.dockerfile import DOCKERFILE, build_stage
from runner.environment import models_digest
from runner.errors import EngineError
from runner.wheels import Say, Variant, lock_path, wheelhouse

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Image", "build", "make_base_image"]


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image and what it is made from. All digests are SHA-256."""

    reference: str
    id: str
    variant: Variant
    lock_sha256: str
    models_sha256: str
    dockerfile_sha256: str
    base: str
    base_id: str
    base_digests: tuple[str, ...]
    """The base's names by digest at the registries that it came from; empty for a local one."""
    python: str
    packages_sha256: str
    """Fingerprint of the installed packages' files, taken inside a container."""

    def identity(self) -> dict[str, Any]:
        """The same as a JSON value, for the hub."""
        return asdict(self) | {"base_digests": list(self.base_digests)}


def build(variant: Variant, *, base: str | None, cache: Path, say: Say, root: Path) -> Image:
    """The image of ``variant`` with the locks and sources at ``root``, built if it does not exist.

    ``root`` is that of a snapshot: what is built from it is what it holds.

    ``base`` is the manifest's ``image.base``; see ``choose_base`` for what stands in for it.
    Wheels are downloaded on the host; the build itself has no network.

    Raises ``EngineError`` with the remedy when no daemon answers, the base or a wheel cannot be
    had, or a step fails; then with the step and the end of its output.
    """
    from runner.daemon import connect

    client = connect()
    shelf = cache / "images"
    shelf.mkdir(parents=True, exist_ok=True)
    with FileLock(shelf / ".lock"):
        found = choose_base(client, base, say, root)
        lock = lock_path(variant, root)
        made_from = {
            "lock": sha256_file(lock),
            "base": str(found.id),
            "dockerfile": sha256_file(root / DOCKERFILE),
        }
        environment = _tag("phasehub-environment", variant, made_from)
        if not _is_made(client, environment, made_from):
            wheels = wheelhouse(variant, cache=cache, say=say, root=root)
            say(f"Building {environment}: the locked packages, once; takes a minute or two")
            build_stage(
                client,
                "environment",
                reference=environment,
                content={"wheels": wheels, "lock.txt": lock},
                arguments={"BASE_IMAGE": made_from["base"], "LOCK": "lock.txt"},
                labels=_labels(made_from),
                work=shelf,
                say=say,
                dockerfile=root / DOCKERFILE,
            )
        made_from |= {"models": models_digest(root)}
        reference = _tag("phasehub", variant, made_from)
        if not _is_made(client, reference, made_from):
            say(f"Building {reference}")
            build_stage(
                client,
                variant,
                reference=reference,
                content={"models": root / "models"},
                arguments={"ENVIRONMENT": environment},
                labels=_labels(made_from),
                work=shelf,
                say=say,
                dockerfile=root / DOCKERFILE,
            )
        installed = _installed(client, environment, shelf)
    return Image(
        reference=reference,
        id=str(client.images.get(reference).id),
        variant=variant,
        lock_sha256=made_from["lock"],
        models_sha256=made_from["models"],
        dockerfile_sha256=made_from["dockerfile"],
        base=(found.tags or [str(found.id)])[0],
        base_id=made_from["base"],
        base_digests=tuple(sorted(found.attrs.get("RepoDigests") or [])),
        python=installed["python"],
        packages_sha256=installed["packages_sha256"],
    )


def recover(identity: Mapping[str, Any], saved: Path, say: Say) -> Image | None:
    """The very image that a hub names: at the daemon already, or loaded from the file ``saved``.

    ``None`` where it is in neither. Raises ``EngineError`` when no daemon answers, the file cannot
    be loaded, or it holds another image.
    """
    from docker.errors import DockerException

    from runner.daemon import connect, reason
    from runner.foreign_image import load

    client, wanted = connect(), str(identity["id"])
    if present(client, wanted) is None:
        if not saved.is_file():
            return None
        say(f"loading the image {wanted[:19]} from {saved}")
        try:
            load(client, saved)
        except (DockerException, OSError) as error:
            raise EngineError(
                f"{saved} cannot be loaded: {reason(error)}; remove it, and the image is built "
                "from the hub's locks and source"
            ) from None
        if present(client, wanted) is None:
            raise EngineError(
                f"{saved} does not hold the image {wanted} that the hub names; remove it, and the "
                "image is built from the hub's locks and source"
            )
    return Image(
        **{**identity, "reference": wanted, "base_digests": tuple(identity["base_digests"])}
    )


def recorded_base(identity: Mapping[str, Any]) -> str | None:
    """The base that a hub's image was built on: by its id if it is here, else by its digest."""
    from runner.daemon import connect

    client = connect()
    known = [str(identity["base_id"]), *map(str, identity["base_digests"])]
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
    code, told = _output_of(client, environment, ["python", "-I", "-c", script, "--fingerprint"])
    if code != 0:
        raise EngineError(
            f"{environment} cannot say what is installed in it:\n{told[-500:]}\nRemove it with "
            f"`docker rmi {environment}`; the next run builds it again"
        )
    found = json.loads(told)
    kept.write_bytes(pretty_json(found))
    return found


def _output_of(client: DockerClient, image: str, command: list[str]) -> tuple[int, str]:
    """Exit status and console of a command in a container that can change nothing."""
    from docker.types import LogConfig

    container = client.containers.create(
        image,
        command,
        user="10001:10001",
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        log_config=LogConfig(type="local"),
    )
    try:
        container.start()
        # Not containers.run(remove=True): it removes before it has read the whole console.
        code = int(container.wait()["StatusCode"])
        return code, container.logs().decode(errors="replace")
    finally:
        container.remove(force=True)
