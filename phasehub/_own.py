"""phasehub's own ``runner`` and ``models``, imported under the name of this module.

``phasehub._own.runner.hub`` is the module that phasehub's own process knows as ``runner.hub``. It
is compiled from the same file; where the source says ``from runner.core import …``, it gets the
module below this one. So a program has them beside packages of its own that are called ``runner``
and ``models``, in whichever order they are imported. See docs/adr/0019.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGE = Path(__file__).resolve().parent
BUNDLE = PACKAGE / "sources"
"""What ``setup.py`` puts into a wheel; a checkout has none, and is used itself."""
NAMES = ("runner", "models")


def sources() -> Path:
    """The folder that holds ``runner/``, ``models/`` and the Dockerfile."""
    return BUNDLE if BUNDLE.is_dir() else PACKAGE.parent


__path__ = [str(sources())]


def own(name: str) -> Any:  # noqa: ANN401 - whatever the module has
    """The module that phasehub's own process calls ``name``, as ``runner.hub.layout``."""
    return import_module(f"{__name__}.{name}")


def _import(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 - the names of ``__import__``
    locals: Mapping[str, object] | None = None,  # noqa: A002
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """``__import__`` as these sources see it: ``runner`` and ``models`` are the ones below here."""
    if level or name.partition(".")[0] not in NAMES:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    found = builtins.__import__(f"{__name__}.{name}", globals, locals, fromlist or (), 0)
    return found if fromlist else sys.modules[f"{__name__}.{name.partition('.')[0]}"]


class _Loader(SourceFileLoader):
    """Runs a module whose builtins have another ``__import__``."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = vars(builtins) | {"__import__": _import}
        super().exec_module(module)


class _Finder:
    """Finds what is below this module, and nothing else."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        _target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        inner = fullname.removeprefix(f"{__name__}.")
        if path is None or inner == fullname or inner.partition(".")[0] not in NAMES:
            return None
        found = (FileFinder(one, (_Loader, SOURCE_SUFFIXES)).find_spec(fullname) for one in path)
        return next((spec for spec in found if spec is not None), None)


sys.meta_path.insert(0, _Finder())
