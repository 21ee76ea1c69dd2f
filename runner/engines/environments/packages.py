"""What is installed beside an interpreter: versions, and one digest over the packages' files.

Standard library only, so that an interpreter in a container or on a cluster can run this very
file: ``python -I packages.py [--fingerprint]`` prints JSON. Nothing that it looks at is imported.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import sys
import sysconfig
from importlib import metadata
from pathlib import Path
from typing import Any

INSTALLER_NOTES = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
"""Files of a ``.dist-info`` that tell how a package was installed, not what it does."""


def normalised(name: str) -> str:
    """A package's name as locks spell it: ``Lightning.Utilities`` → ``lightning-utilities``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def versions() -> dict[str, str]:
    """Normalised name → version of every package that the running interpreter finds."""
    found: dict[str, str] = {}
    for package in metadata.distributions():
        name = package.metadata["Name"]
        if name:
            found.setdefault(normalised(name), package.version)
    return found


def package_files(folder: Path) -> list[str]:
    """Paths relative to ``folder`` of the files that decide what its packages do, sorted.

    Compiled caches and the installer's notes are left out: they differ between two installations
    of the same wheels. A file that belongs to no package counts, as it would be imported too.
    """
    chosen = []
    root = str(folder)
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != "__pycache__"]
        omitted = INSTALLER_NOTES if parent.endswith(".dist-info") else frozenset()
        inner = parent[len(root) :].lstrip("/")
        before = f"{inner}/" if inner else ""
        chosen += [f"{before}{name}" for name in names if name not in omitted]
    return sorted(chosen)


def folder_fingerprint(folder: Path) -> str:
    """SHA-256 of what ``sha256sum`` prints for the files of ``package_files``, in their order."""
    whole = hashlib.sha256()
    block = memoryview(bytearray(1 << 20))
    for name in package_files(folder):
        content = hashlib.sha256()
        # Tens of thousands of files, most of them small: no buffer and no path object for each.
        with io.FileIO(f"{folder}/{name}") as file:
            while size := file.readinto(block):
                content.update(block[:size])
        whole.update(os.fsencode(f"{content.hexdigest()}  {name}\n"))
    return whole.hexdigest()


def describe(*, with_fingerprint: bool) -> dict[str, Any]:
    """Version of the interpreter, versions of its packages and, if asked for, their digest.

    ``packages_sha256`` covers the folder where the interpreter keeps compiled packages; in an
    environment made from wheels that is where all of them are.
    """
    found: dict[str, Any] = {"python": platform.python_version(), "packages": versions()}
    if with_fingerprint:
        found["packages_sha256"] = folder_fingerprint(Path(sysconfig.get_paths()["platlib"]))
    return found


if __name__ == "__main__":
    json.dump(describe(with_fingerprint="--fingerprint" in sys.argv), sys.stdout, sort_keys=True)
