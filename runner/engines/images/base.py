"""The image that ours is built on: which one, and how to make one without a registry."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.core.digest import sha256_bytes, sha256_file
from runner.core.errors import EngineError
from runner.core.installation import SOURCES
from runner.core.text import Say
from runner.engines.images.dockerfile import BASE, read_recipe

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as DockerImage

LOCAL_BASE = "phasehub-base:bookworm"
PACKAGES = "ca-certificates,python3,python3-pip,python3-venv"
MADE_AT = 1686355200
"""Date of everything in a base image made here: the release of Debian 12, 2023-06-10."""


def dockerfile_base(dockerfile: Path = SOURCES / "Dockerfile") -> str:
    """The base that the Dockerfile names as its default. Raises ``EngineError`` without one."""
    named = read_recipe(dockerfile).arguments.get(BASE)
    if named is None:
        raise EngineError(f"{dockerfile} names no {BASE}; only files like phasehub's own are built")
    return named


def choose_base(
    client: DockerClient, asked: str | None, say: Say, root: Path = SOURCES
) -> DockerImage:
    """The image to build on, present at the daemon.

    The manifest's (``asked``) or ``$PHASEHUB_BASE_IMAGE`` if there is one, pulled if need be, and
    nothing in its place. Otherwise the default of the Dockerfile at ``root`` if present, else the
    one that ``phasehub base-image`` made, else the default pulled. Raises ``EngineError`` with the
    remedy.
    """
    named = asked or os.environ.get("PHASEHUB_BASE_IMAGE")
    if named:
        return present(client, named) or _pull(client, named, say)
    default = dockerfile_base(root / "Dockerfile")
    image = present(client, default)
    if image is None and (image := present(client, LOCAL_BASE)) is not None:
        say(f"Base image: {LOCAL_BASE}, made on this machine ({default} is not here)")
    return image or _pull(client, default, say)


def present(client: DockerClient, reference: str) -> DockerImage | None:
    """The image of that name, id or digest at the daemon, if it is there."""
    from docker.errors import DockerException, ImageNotFound

    from runner.engines.daemon import reason

    try:
        return client.images.get(reference)
    except ImageNotFound:
        return None
    except DockerException as error:
        raise EngineError(f"no image can be called {reference!r}: {reason(error)}") from None


def _pull(client: DockerClient, reference: str, say: Say) -> DockerImage:
    from docker.errors import DockerException

    from runner.engines.daemon import reason

    say(f"Pulling the base image {reference}")
    try:
        client.images.pull(reference)
        return client.images.get(reference)
    except DockerException as error:
        raise EngineError(
            f"the base image {reference} is not here and cannot be pulled: {reason(error)}. "
            "Where no registry is reachable, `phasehub base-image`, or in a checkout "
            f"`nox -s base_image` makes {LOCAL_BASE} from Debian packages; "
            "another image is named by image.base in the manifest or by PHASEHUB_BASE_IMAGE; "
            "--engine process needs none"
        ) from None


def make_base_image(say: Say) -> str:
    """Make ``phasehub-base:bookworm`` from Debian packages; its name.

    The content follows from the versions of the packages that the mirror has today: dates are
    fixed and what differs between two runs (logs, caches, machine id) is left out.

    Raises ``EngineError`` when mmdebstrap is missing or fails, or no daemon answers.
    """
    from runner.engines.daemon import connect

    client = connect()
    if shutil.which("mmdebstrap") is None:
        raise EngineError(
            "mmdebstrap is not installed; `apt-get install mmdebstrap` and try again. Where a "
            f"registry is reachable it is not needed: `docker pull {dockerfile_base()}`"
        )
    with tempfile.TemporaryDirectory(prefix="phasehub-base-") as folder:
        layer = Path(folder) / "layer.tar"
        say(f"Making {LOCAL_BASE} from Debian packages; takes a minute or two")
        _bootstrap(layer)
        archive = Path(folder) / "image.tar"
        _pack(layer, archive)
        with archive.open("rb") as file:
            client.images.load(file)
    say(f"{LOCAL_BASE}: {client.images.get(LOCAL_BASE).id}")
    return LOCAL_BASE


def _bootstrap(layer: Path) -> None:
    """Write a minimal Debian 12 with Python as a tar file, from this machine's Debian mirror."""
    command = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "--quiet"]
    command += [
        '--customize-hook=rm -rf "$1"/var/log/* "$1"/var/cache/ldconfig/aux-cache',
        '--customize-hook=rm -f "$1"/etc/machine-id "$1"/etc/resolv.conf "$1"/etc/hostname',
    ]
    command += ["bookworm", str(layer)]
    # No file is newer than that: https://reproducible-builds.org/docs/timestamps/
    environment = os.environ | {"SOURCE_DATE_EPOCH": str(MADE_AT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        output = "\n".join(f"  {line}" for line in done.stderr.splitlines()[-8:])
        raise EngineError(
            f"mmdebstrap failed:\n{output}\nIt needs a Debian mirror, and root or unprivileged "
            "user namespaces"
        )


def _pack(layer: Path, archive: Path) -> None:
    """Put one layer and its description into the form that ``docker load`` reads."""
    date = datetime.fromtimestamp(MADE_AT, UTC).isoformat()
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    config: dict[str, Any] = {
        "architecture": "amd64",
        "os": "linux",
        "created": date,
        "config": {"Env": [path], "Cmd": ["python3"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sha256_file(layer)}"]},
        "history": [{"created": date, "created_by": "mmdebstrap --variant=minbase bookworm"}],
    }
    description = json.dumps(config, sort_keys=True).encode()
    name = f"{sha256_bytes(description)}.json"
    manifest = [{"Config": name, "RepoTags": [LOCAL_BASE], "Layers": ["layer.tar"]}]
    texts = {"manifest.json": json.dumps(manifest).encode(), name: description}
    with tarfile.open(archive, "w") as tar:
        for member, content in texts.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        tar.add(layer, "layer.tar")
