"""Whether containers start on a cluster's nodes as ``phasehub.toml`` says, tried by one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from runner.commands.site_job import launch_in, wait_for
from runner.core.errors import EngineError
from runner.core.installation import SOURCES, state_dir
from runner.core.reading import read_table, typed
from runner.core.text import Say
from runner.engines import Needs
from runner.engines.cluster.use import QueueUse
from runner.engines.images.snapshot import take
from runner.engines.runtimes.container import SUPPLIED
from runner.engines.slurm import SlurmEngine, open_runtime
from runner.engines.views import view_of

SCRIPT = """
import json, os, pathlib, socket, sys
job, out = map(pathlib.Path, sys.argv[1:])
def writable(place):
    try:
        (pathlib.Path(place) / ".phasehub").write_text("")
    except OSError:
        return False
    return True
status = pathlib.Path("/proc/self/status").read_text().splitlines()
powers = next(line.split()[1] for line in status if line.startswith("CapEff"))
found = {
    "word": (job / "word").read_text(),
    "network": [name for _, name in socket.if_nameindex() if name != "lo"],
    "writable": [place for place in ("/", "/etc", "/job", "/opt") if writable(place)],
    "capabilities": powers.strip("0"),
    "uid": os.getuid(),
    "foreign": sorted(name for name in os.environ if name.startswith(("SLURM", "SBATCH"))),
}
(out / "result.json").write_text(json.dumps(found))
"""
"""What runs in the container."""


class FoundInside(BaseModel):
    """What the job found in its container."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    word: str
    network: tuple[str, ...]
    writable: tuple[str, ...]
    capabilities: str
    uid: int
    foreign: tuple[str, ...]


class Supplied(BaseModel):
    """How the image came to the node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loaded_s: float | None


def runtime_tried(
    use: QueueUse, folder: Path, *, wait_s: float, say: Say
) -> Iterator[tuple[str, str]]:
    """Run a container of the image that runs would have, and say what came of it.

    Raises ``EngineError`` where the image cannot be made, or no container comes to its end.
    """
    needs = Needs(
        variant="cpu",
        cache=state_dir(),
        say=say,
        code=take(SOURCES, state_dir()),
        queue=use,
    )
    engine = SlurmEngine(open_runtime(needs, use.runtime), use, say)
    word = secrets.token_hex(8)
    launch = launch_in(folder, word, SCRIPT)
    handle = engine.start(launch)
    try:
        outcome = wait_for(engine, handle, wait_s)
        if outcome.status != "succeeded":
            raise EngineError(f"no container ran by {use.runtime}: {outcome.message}")
        found = typed(FoundInside, read_table(launch.out_dir, "result.json"), "result.json")
        supplied = typed(Supplied, read_table(view_of(launch.out_dir), SUPPLIED), SUPPLIED)
    except ValueError as error:
        raise EngineError(f"the container of the check left {error}") from None
    finally:
        engine.stop(handle)
    there = "was there"
    if supplied.loaded_s is not None:
        there = f"was loaded in {supplied.loaded_s:.1f} s, and has the packages of the plan"
    yield "runtime", f"{use.runtime} runs containers on the node; the image {there}"
    yield "isolation", isolation_in_words(found, word)


def isolation_in_words(found: FoundInside, word: str) -> str:
    """What the container was kept from, and what it was not."""
    broken = [
        *(f"NETWORK {name}" for name in found.network),
        *(f"{place} CAN BE WRITTEN" for place in found.writable),
        *([f"CAPABILITIES {found.capabilities}"] if found.capabilities else []),
        *(f"SEES {name}" for name in found.foreign),
        *([] if found.word == word else ["ANOTHER JOB'S FOLDER"]),
    ]
    kept = "no network, no capabilities, all but its outputs read-only"
    return f"{', '.join(broken) or kept}; uid {found.uid}"
