"""pip as it is run here: isolated, with nothing of the user's settings but where packages are.

`--isolated` keeps out the user's file and all `PIP_*` variables, which could switch to building
from source; of the machine's own file what a command line says has the last word. Where packages
are found is handed over in a configuration file, the only one that an isolated pip still reads
(`PIP_CONFIG_FILE`). It is for its owner alone and is named by its path: addresses of indexes may
hold passwords, which must stand neither in a command line nor in a message.
"""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner.core.errors import EngineError

LISTS = frozenset({"extra-index-url", "find-links", "trusted-host"})
WHERE = LISTS | {
    *("index-url", "pypi-url", "no-index"),
    *("cert", "client-cert", "proxy", "timeout", "default-timeout", "retries"),
}
"""The settings that say where packages are found and how that place is reached."""
SECTIONS = ("global", "download", ":env:")
"""Where `pip download` takes settings from; what is later wins."""


def pip(*arguments: str) -> list[str]:
    """A command line of this interpreter's pip. Raises ``EngineError`` when it has none.

    ``-I``: the folder that it is started in, which can be a hub's, gives it no modules.
    """
    if importlib.util.find_spec("pip") is None:
        raise EngineError(
            f"{sys.executable} has no pip; `{sys.executable} -m ensurepip` gives it one"
        )
    plain = ("--isolated", "--disable-pip-version-check", "--no-input")
    return [sys.executable, "-I", "-m", "pip", *plain, *arguments]


def configured() -> dict[str, str]:
    """Where the user's pip finds packages: its files and variables together, as pip itself reads.

    Raises ``EngineError`` when pip cannot read them.
    """
    command = [word for word in pip("config", "list") if word != "--isolated"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineError(
            "pip cannot read its own settings; `python -m pip config list` says what is wrong"
        )
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in done.stdout.splitlines():
        section, _, setting = line.partition(".")
        key, _, value = setting.partition("=")
        if section in found and key in WHERE:
            found[section][key] = str(ast.literal_eval(value))
    merged = {key: value for section in SECTIONS for key, value in found[section].items() if value}
    return {key: merged[key] for key in sorted(merged)}


@contextmanager
def isolated(also: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """The environment for an isolated pip that finds packages where the user's finds them.

    ``also`` is added to the settings; lists go on where the user's end.
    """
    settings = configured()
    for key, value in (also or {}).items():
        settings[key] = f"{settings.get(key, '')} {value}" if key in LISTS else value
    lines = [f"{key} = {_in_a_line(value)}" for key, value in settings.items()]
    with tempfile.TemporaryDirectory(prefix="phasehub-pip-") as folder:
        file = Path(folder) / "pip.conf"
        file.touch(mode=0o600)
        # A section of the command's own in the machine's file would go before [global].
        file.write_text("\n".join(["[global]", *lines, "[download]", *lines, ""]), "utf-8")
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        yield kept | {"PIP_CONFIG_FILE": str(file)}


def _in_a_line(value: str) -> str:
    """A setting on one line; pip takes the words of a list apart wherever there is space."""
    return re.sub(r"\s+", " ", value).strip()
