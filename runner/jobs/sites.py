"""How the queue is used here, by the site file of a project or of the user."""

from __future__ import annotations

from pathlib import Path

from runner.engines import EngineName
from runner.engines.cluster.use import QueueUse
from runner.manifest.site import SlurmSite, find_site, read_site


def queue_use(project: Path | None = None) -> QueueUse:
    """What the site file says, or the defaults. Raises ``ManifestError`` for one that is wrong."""
    path = find_site(project)
    return QueueUse() if path is None else use_of(read_site(path).slurm)


def contains_jobs(engine: str, use: QueueUse) -> bool:
    """Whether the jobs of an engine run in containers here."""
    return engine == EngineName.docker or (engine == EngineName.slurm and use.runtime != "process")


def use_of(site: SlurmSite) -> QueueUse:
    """The table of a site file as the engine has it."""
    named = {
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint,
    }
    words = [f"--{name}={value}" for name, value in named.items() if value is not None]
    return QueueUse(
        options=(*words, *site.options),
        runtime=site.runtime,
        shared=None if site.shared is None else Path(site.shared),
        side_by_side=site.concurrency,
        every_s=site.look_every_s,
        settle_s=site.result_within_s,
        held_s=site.held_at_most_s,
        patience_s=site.controller_within_s,
    )
