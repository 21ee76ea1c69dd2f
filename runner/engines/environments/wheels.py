"""The locked wheels as a folder on this machine: downloaded once, verified on every use.

The locks name the official wheels by digest for one target, CPython 3.11 on x86_64 Linux, which
is the image's; the interpreter that runs this only downloads. Nothing of a package runs by that:
only wheels are taken, which are zip files that need not be built, and pip is not given the lock
but a file that is written from its pins. A wheel's own code can run where it is installed (a
``.pth`` file does when Python starts), which is in the image's build or, for the process engine,
in an environment that is made for nothing else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from filelock import FileLock

from runner.core.caches import mark_used
from runner.core.digest import sha256_file
from runner.core.errors import EngineError
from runner.core.installation import SOURCES
from runner.core.text import Say
from runner.engines.environments.pins import Pin, read_pins, written
from runner.engines.environments.pip_settings import isolated, pip

Variant = Literal["cpu", "cuda"]

PYTHON = "3.11"
GLIBC_MINOR = 28
"""The wheels need glibc 2.28; Debian 12 has 2.36."""

TARGET = (
    *("--implementation", "cp", "--python-version", PYTHON),
    *("--abi", "cp311", "--abi", "abi3", "--abi", "none"),
    *(f"--platform=manylinux_2_{minor}_x86_64" for minor in range(GLIBC_MINOR, 4, -1)),
    *(f"--platform={name}_x86_64" for name in ("manylinux2014", "manylinux2010", "manylinux1")),
    "--platform=linux_x86_64",
    "--only-binary=:all:",
)
"""pip's words for the target; it does not derive older platform tags from newer ones. That nothing
is built from source is the last word, so that no setting of the machine can take it back."""


def lock_path(variant: Variant, root: Path = SOURCES) -> Path:
    """The lock of the container side's packages, beside the code at ``root``."""
    return root / "models" / f"requirements-{variant}.txt"


def read_lock(lock: Path) -> list[Pin]:
    """The packages of a hash-locked requirements file, in its order.

    Raises ``EngineError`` naming the line that pins no exact version or no digest, or holds more.
    """
    try:
        return read_pins(lock)
    except ValueError as error:
        raise EngineError(f"{error}; run `nox -s lock`") from error


def wheelhouse(variant: Variant, *, cache: Path, say: Say, root: Path = SOURCES) -> Path:
    """A folder with exactly the wheels of ``models/requirements-<variant>.txt`` at ``root``.

    pip's configuration decides where they come from (``PIP_INDEX_URL``, ``PIP_EXTRA_INDEX_URL``,
    ``PIP_FIND_LINKS``, ``pip.conf``). Only when nothing there has the locked torch, PyTorch's own
    index is asked as well. Whatever the source, the digests of the lock must match.

    Raises ``EngineError``, leaving nothing behind, when a wheel cannot be had.
    """
    return wheelhouse_of(lock_path(variant, root), name=variant, cache=cache, say=say)


def wheelhouse_of(lock: Path, *, name: str, cache: Path, say: Say) -> Path:
    """``wheelhouse`` for any hash-locked file; ``name`` begins the folder's name."""
    pins = read_lock(lock)
    shelf = cache / "wheels"
    shelf.mkdir(parents=True, exist_ok=True)
    folder = shelf / f"{name}-{sha256_file(lock)[:12]}"
    with FileLock(shelf / ".lock"):
        if folder.is_dir():
            problem = _problem(folder, pins)
            if problem is None:
                mark_used(folder)
                return folder
            say(f"{folder} is damaged ({problem}); downloading it again")
            shutil.rmtree(folder)
        with tempfile.TemporaryDirectory(dir=shelf, prefix=f".{name}-") as made:
            downloaded = Path(made) / "wheels"
            say(f"Downloading the {len(pins)} wheels of {lock.name}, once")
            _download(lock.name, pins, downloaded, say=say)
            if problem := _problem(downloaded, pins):
                raise EngineError(f"pip did not download what {lock} says: {problem}")
            downloaded.rename(folder)
    return folder


def _problem(folder: Path, pins: list[Pin]) -> str | None:
    """What keeps a folder from holding one locked wheel for each pin and nothing else."""
    digests = {sha256_file(path): path.name for path in sorted(folder.iterdir())}
    absent = [str(pin) for pin in pins if not pin.sha256 & digests.keys()]
    locked = frozenset[str]().union(*(pin.sha256 for pin in pins))
    strange = [name for digest, name in digests.items() if digest not in locked]
    problems = _listed("no wheel for", absent) + _listed("not in the lock:", strange)
    return "; ".join(problems) or None


def _listed(label: str, names: list[str]) -> list[str]:
    return [f"{label} {', '.join(names)}"] if names else []


def _download(name: str, pins: list[Pin], to: Path, *, say: Say) -> None:
    """Download the wheels of the lock called ``name``; the folder above ``to`` is for work."""
    wanted = to.parent / "lock.txt"
    wanted.write_text(written(pins), encoding="ascii")
    command = pip("download", "--progress-bar=off", "--require-hashes", "--no-deps")
    command += [f"--requirement={wanted}", f"--dest={to}", *TARGET]
    with isolated() as environment:
        code, lines = _follow(command, environment, len(pins), say)
    torch = next((str(pin) for pin in pins if pin.name == "torch"), None)
    if code != 0 and torch and f"No matching distribution found for {torch}" in "\n".join(lines):
        say(f"No configured index has {torch}; asking PyTorch's own")
        with isolated({"extra-index-url": index_of(torch)}) as environment:
            code, lines = _follow(command, environment, len(pins), say)
    if code != 0:
        raise EngineError(
            f"pip cannot download the wheels of {name}:\n{_end_of(lines)}\n"
            "Check the network; where packages come from a mirror or a folder, name it in "
            "PIP_INDEX_URL, PIP_EXTRA_INDEX_URL or PIP_FIND_LINKS"
        )


def _follow(
    command: list[str], environment: Mapping[str, str], num_wheels: int, say: Say
) -> tuple[int, list[str]]:
    """Run pip and tell of every wheel that it turns to. Returns its exit status and its lines."""
    lines: list[str] = []
    num_seen = 0
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            if found := re.match(r"(?:Collecting|Processing) (?:.*/)?(\S+) \(from", line):
                num_seen += 1
                say(f"  {num_seen}/{num_wheels} {found[1]}")
    return process.returncode, lines


def _end_of(lines: Iterable[str], num_lines: int = 6) -> str:
    """The last lines, each cut: pip names every version that it has seen."""
    return "\n".join(f"  {line[:200]}" for line in list(lines)[-num_lines:])


def index_of(requirement: str) -> str:
    """URL of the index that has ``requirement``, for CPUs; uv knows PyTorch's own indexes.

    Raises ``EngineError`` when uv finds it nowhere.
    """
    from uv import find_uv_bin

    command = [find_uv_bin(), "pip", "compile", "--torch-backend=cpu", "--no-deps"]
    command += ["--emit-index-annotation", f"--python-version={PYTHON}"]
    command += [f"--python-platform=x86_64-manylinux_2_{GLIBC_MINOR}", "--no-build", "-"]
    # Not in the folder that we were started in: a hub's could configure uv.
    done = subprocess.run(
        command, input=requirement, capture_output=True, text=True, check=False, cwd="/"
    )
    found = re.search(r"^\s*# from (\S+)", done.stdout, re.MULTILINE)
    if not found:
        raise EngineError(
            f"no index has {requirement}:\n{_end_of(done.stderr.splitlines())}\n"
            "Check the network, or put its wheel into a folder and name it in PIP_FIND_LINKS"
        )
    return found[1]
