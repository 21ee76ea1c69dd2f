"""Where jobs run here and how the queue is used, by the site file of a project or of the user."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from runner.engines.cluster.use import QueueUse
from runner.engines.kinds import EngineName, kind_of
from runner.manifest.model import LoadedManifest
from runner.manifest.site import SlurmSite, find_site, read_site


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The engine that counts, and who names it."""

    name: str
    by: str | None = None
    """``None`` where nobody does."""

    def __str__(self) -> str:
        """For people."""
        return f"Engine: {self.name}, as {self.by} names it" if self.by else f"Engine: {self.name}"


def chosen_engine(asked: str, loaded: LoadedManifest, *, python: Path | None = None) -> Chosen:
    """The engine that was asked for; for ``auto`` what the manifest names, or else the site file.

    An interpreter of the caller's own asks for no containers, whatever the files name. Raises
    ``ManifestError`` for a site file that is wrong.
    """
    if asked != EngineName.auto:
        return Chosen(name=asked, by="--engine")
    named, path = loaded.manifest.engine, loaded.path
    if named in (None, EngineName.auto) and (site := find_site(loaded.project)):
        named, path = read_site(site).engine, site
    if named is None or named == EngineName.auto or (python and kind_of(named).always_contained):
        return Chosen(name=asked)
    return Chosen(name=named, by=str(path))


def queue_use(project: Path | None = None) -> QueueUse:
    """What the site file says, or the defaults. Raises ``ManifestError`` for one that is wrong."""
    path = find_site(project)
    return QueueUse() if path is None else use_of(read_site(path).slurm)


def contains_jobs(engine: str, use: QueueUse) -> bool:
    """Whether the jobs of an engine run in containers here."""
    return kind_of(engine).contains(use.runtime)


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
