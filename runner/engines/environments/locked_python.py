"""The process engine's Python: the locked packages in an environment of their own.

Also what is asked of an interpreter that is used in its place: how it differs from the lock.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from runner.core.caches import mark_used
from runner.core.digest import sha256_file
from runner.core.errors import EngineError
from runner.core.text import Say
from runner.engines.environments import packages
from runner.engines.environments.pins import Pin, written
from runner.engines.environments.pip_settings import pip
from runner.engines.environments.wheels import PYTHON, Variant, lock_path, read_lock, wheelhouse_of

COMPLETE = "installed.json"
"""Written into an environment last: one without it is half made, and is made again."""


def locked_python(variant: Variant, *, cache: Path, say: Say, root: Path) -> Path:
    """The interpreter of an environment with exactly the locked packages, made on first use.

    An environment that no longer holds what its lock says is made again. Raises ``EngineError``
    when there is no Python of the lock's version, or a wheel cannot be had or installed.
    """
    return python_with(lock_path(variant, root), name=variant, cache=cache, say=say)


def python_with(lock: Path, *, name: str, cache: Path, say: Say) -> Path:
    """``locked_python`` for any hash-locked file; ``name`` begins the folder's name."""
    interpreter = _interpreter_of_the_lock()
    version = describe_python(interpreter)["python"]
    shelf = cache / "environments"
    shelf.mkdir(parents=True, exist_ok=True)
    folder = shelf / f"{name}-{sha256_file(lock)[:12]}-py{version}"
    python = folder / "bin" / "python"
    with FileLock(shelf / f".{folder.name}.lock"):
        if (folder / COMPLETE).exists():
            changed = differences(python, lock)
            if not changed:
                mark_used(folder)
                return python
            say(f"{folder} was changed ({'; '.join(changed[:3])}); making it again")
        shutil.rmtree(folder, ignore_errors=True)
        wheels = wheelhouse_of(lock, name=name, cache=cache, say=say)
        say(f"Installing the locked packages of {lock.name}, once")
        _install(interpreter, folder, read_lock(lock), wheels)
        (folder / COMPLETE).write_text(json.dumps(describe_python(python), sort_keys=True))
    return python


def _interpreter_of_the_lock() -> Path:
    """This interpreter if it has the lock's version, else one of that version on ``PATH``."""
    if ".".join(platform.python_version_tuple()[:2]) == PYTHON:
        return Path(sys.executable)
    found = shutil.which(f"python{PYTHON}")
    if found is None:
        raise EngineError(
            f"the packages are locked for Python {PYTHON}; this is {platform.python_version()} "
            f"and there is no python{PYTHON} on PATH. Install it, use the docker engine, or name "
            "another interpreter with --python"
        )
    return Path(found)


def _install(interpreter: Path, folder: Path, pins: Sequence[Pin], wheels: Path) -> None:
    """Make a virtual environment from wheels alone, without index, network or pip in it."""
    python = folder / "bin" / "python"
    _run([str(interpreter), "-I", "-m", "venv", "--without-pip", str(folder)])
    lock = folder / "lock.txt"
    lock.write_text(written(pins), encoding="ascii")
    found = ("--no-index", f"--find-links={wheels}", "--require-hashes", "--no-deps")
    _run(
        pip(
            f"--python={python}", "install", *found, f"--requirement={lock}", "--only-binary=:all:"
        ),
        os.environ | {"PIP_CONFIG_FILE": os.devnull},  # then pip reads no file at all
    )


def _run(command: list[str], environment: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        output = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise EngineError(f"`{' '.join(command)}` failed:\n{output}")


def describe_python(
    python: Path,
    *,
    with_fingerprint: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``packages.describe`` of another interpreter: its version and its packages' versions.

    ``environment`` is the one that the interpreter will run in; by default empty, so that nothing
    of the caller's (``PYTHONPATH``, user site) is taken for the interpreter's own. Raises
    ``EngineError`` when ``python`` cannot be run.
    """
    command = [str(python), "-I", str(Path(packages.__file__))]
    command += ["--fingerprint"] if with_fingerprint else []
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=dict(environment or {})
        )
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise EngineError(
            f"{python} does not run as a Python interpreter ({str(reason).strip()[-300:]}); "
            "give --python the path of one"
        ) from None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def differences(python: Path, lock: Path, installed: Mapping[str, Any] | None = None) -> list[str]:
    """What an interpreter has other than the lock says, a sentence each; empty if nothing.

    A local version counts: ``2.13.0+cpu`` and ``2.13.0`` are two builds. Packages that the lock
    does not name are not looked at. ``installed`` is ``describe_python`` of ``python`` if the
    caller has it.
    """
    found = describe_python(python) if installed is None else installed
    sentences = []
    if ".".join(found["python"].split(".")[:2]) != PYTHON:
        sentences.append(f"Python: locked {PYTHON}, installed {found['python']}")
    for pin in read_lock(lock):
        version = found["packages"].get(packages.normalised(pin.name))
        if version is None:
            sentences.append(f"{pin.name}: locked {pin.version}, not installed")
        elif version != pin.version:
            sentences.append(f"{pin.name}: locked {pin.version}, installed {version}")
    return sentences
