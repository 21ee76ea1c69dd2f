"""Where jobs run. Each engine is a module behind the protocol of :mod:`runner.engines.base`.

What is known of an engine before it is opened is its row in :mod:`runner.engines.kinds`; the module
of its name has ``open_engine(needs) -> Engine`` and is imported on use.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core.errors import EngineError
from runner.engines.kinds import ENGINES, EngineName

if TYPE_CHECKING:
    from runner.core.text import Say
    from runner.engines.base import Engine
    from runner.engines.cluster.use import QueueUse
    from runner.engines.environments.wheels import Variant
    from runner.engines.images.build import BuiltImage
    from runner.engines.images.snapshot import Snapshot


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What an engine is opened with."""

    variant: Variant
    cache: Path
    say: Say
    code: Snapshot
    """The code that jobs run, ``models/`` with its locks and the Dockerfile."""
    base: str | None = None
    """Base image that the manifest names."""
    python: Path | None = None
    """Interpreter to use in place of the locked environment; not in containers."""
    queue: QueueUse | None = None
    """How the queue of a cluster is used; slurm engine only."""
    image: BuiltImage | None = None
    """Image to use in place of one that is built from ``code``; docker engine only."""


def open_engine(name: str, needs: Needs) -> Engine:
    """The engine of that name, ready to run jobs; it prepares what it needs on first use.

    ``auto`` is docker where a usable daemon answers and process otherwise, or where ``--python``
    asks for it; which of the two, and why, is said once. Raises ``EngineError`` with the remedy.
    """
    name = choose(name, python=needs.python, say=needs.say)
    if name not in ENGINES:
        raise EngineError(f"there is no engine {name!r}; choose {', '.join(EngineName)}")
    engine: Engine = import_module(f"{__name__}.{name}").open_engine(needs)
    engine.check()
    return engine


def has_gpus(name: str, use: QueueUse) -> bool:
    """Whether the machines of an engine have GPUs whose jobs run elsewhere; yes if none can say."""
    any_gpus: bool = import_module(f"{__name__}.{name}").has_gpus(use)
    return any_gpus


def choose(name: str, *, python: Path | None, say: Say) -> str:
    """The engine that ``auto`` means on this machine, said with its reason; any other as it is."""
    if name != EngineName.auto:
        return name
    if python is not None:
        say("Engine: process, not isolated, as --python asks for")
        return EngineName.process
    from runner.engines.daemon import usable

    try:
        usable()
    except EngineError as error:
        say(f"Engine: process; arms are NOT isolated from this machine ({error})")
        return EngineName.process
    say("Engine: docker; arms run in containers")
    return EngineName.docker
