"""Real sealed hubs that the mutations begin with, small enough to lie beside the tests.

Their pictures and weights are stand-ins of a few bytes, and the seal was brought up to date; all
else is as a run left it. `python -m tests.fuzz.seeds HUB NAME [KEY]` makes one out of a hub.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from backports import zstd

from tests.fuzz.folders import digests, files_of, inodes, put, reseal
from tests.fuzz.values import words

HERE = Path(__file__).parent / "seeds"
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c63680000008200814cd17c080000000049454e44ae426082"
)
LARGE = (".png", ".npz", ".pt")


@dataclass(frozen=True)
class Seed:
    """A sealed hub, ``<artifacts>/<phase>/<stamp>``."""

    folder: Path

    @property
    def name(self) -> str:
        """Its phase and its own name."""
        return f"{self.folder.parent.name}/{self.folder.name}"

    @cached_property
    def digests(self) -> dict[str, str]:
        """Of every file."""
        return digests(self.folder)

    @cached_property
    def inodes(self) -> dict[int, str]:
        """The same by inode, for copies that are links."""
        return inodes(self.folder, self.digests)

    @cached_property
    def files(self) -> list[str]:
        """Paths of all files but those of the code, which are many and alike."""
        found = files_of(self.folder)
        few = [name for name in found if name.startswith("code/models/")]
        kept = {name for name in few if name.endswith((".txt", "__init__.py"))} | set(few[:3])
        return [name for name in found if name not in few or name in kept]

    @cached_property
    def texts(self) -> dict[str, bytes]:
        """The JSON files by path."""
        return {
            name: (self.folder / name).read_bytes()
            for name in self.files
            if name.endswith((".json", ".jsonl"))
        }

    @cached_property
    def record(self) -> dict[str, Any]:
        """``hub.json``."""
        table: dict[str, Any] = json.loads(self.texts["hub.json"])
        return table

    @cached_property
    def words(self) -> tuple[str, ...]:
        """What the hub's parts call each other."""
        return words({k: v for k, v in self.record.items() if k != "artifacts"})


def unpacked(below: Path) -> list[Seed]:
    """The seeds as folders below ``below``, unpacked once."""
    found = []
    for file in sorted(HERE.glob("*.tar.zst")):
        target = below / file.name.partition(".")[0]
        if not target.exists():
            with zstd.open(file, "rb") as stream, tarfile.open(fileobj=stream) as tar:
                tar.extractall(target, filter="data")
        found += [Seed(path.parent) for path in sorted(target.glob("*/*/SHA256SUMS"))]
    return [*found, *(slim(seed, below / "slim") for seed in found)]


def slim(seed: Seed, below: Path) -> Seed:
    """The same hub with less code and of fewer arms' pictures, sealed anew; it takes less time."""
    folder = below / seed.name
    for name in seed.digests:
        code = name.startswith("code/models/") and not name.endswith(("/__init__.py", "-cpu.txt"))
        if not code and not name.endswith(".png"):
            put(folder / name, (seed.folder / name).read_bytes())
    for path in folder.glob("audits/*/job.json"):
        job = json.loads(path.read_bytes())
        job["inputs"] = {key: one for key, one in job["inputs"].items() if not key.endswith(".png")}
        put(path, json.dumps(job).encode())
    lock = folder / "code/models/requirements-cpu.txt"
    put(lock, b"\n".join(lock.read_bytes().split(b"\n")[:40]) + b"\n")
    reseal(folder, seed.digests)
    return Seed(folder)


def pack(folder: Path, file: Path) -> None:
    """Keep the hub ``<artifacts>/<phase>/<stamp>`` in ``file``; nothing depends on the time."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name in files_of(folder):
            info = tarfile.TarInfo(f"{folder.parent.name}/{folder.name}/{name}")
            info.size, info.mode = (folder / name).stat().st_size, 0o644
            with (folder / name).open("rb") as stream:
                tar.addfile(info, stream)
    file.write_bytes(zstd.compress(raw.getvalue(), level=19))


def shrink(hub: Path, target: Path) -> None:
    """Copy a hub with stand-ins for what is large, sealed anew."""
    shutil.copytree(hub, target)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    before = digests(target)
    for name in files_of(target):
        if name.endswith(LARGE):
            put(target / name, PIXEL if name.endswith(".png") else before[name].encode())
    reseal(target, before)


def make(hub: Path, name: str, key: Path | None = None) -> Path:
    """Make the seed ``name`` out of a sealed hub; signed with ``key`` if one is given."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made, hub.parent.name, hub.name)
        folder.parent.mkdir()
        shrink(hub.resolve(), folder)
        if key is not None:
            (folder / "SHA256SUMS.sig").unlink(missing_ok=True)
            words = (
                "-Y",
                "sign",
                "-q",
                "-f",
                str(key),
                "-n",
                "phasehub",
                str(folder / "SHA256SUMS"),
            )
            subprocess.run(["ssh-keygen", *words], check=True)
        HERE.mkdir(exist_ok=True)
        pack(folder, HERE / f"{name}.tar.zst")
        if key is not None:
            public = key.with_suffix(".pub").read_text().split()
            (HERE / "signers").write_text(f"somebody@example.org {public[0]} {public[1]}\n")
    return HERE / f"{name}.tar.zst"


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]) if sys.argv[3:] else None))
