"""What of a hub is not this installation's own, and what the user has agreed to give to it.

A hub's sender decides over its code, packages, Dockerfile, image, command lines and limits. None
of it is run because a hub says so: what is foreign runs in a container, within the limits that a
manifest without a word on them has; what goes beyond needs a consent that names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.core.digest import sha256_file
from runner.core.errors import ConsentError, VerificationError
from runner.core.installation import SOURCES
from runner.core.project import models_digest
from runner.core.reading import shortened
from runner.engines.environments.pins import read_pins
from runner.engines.environments.wheels import Variant, lock_path
from runner.engines.images.base import LOCAL_BASE, dockerfile_base, present
from runner.engines.images.dockerfile import read_recipe
from runner.engines.images.known_dockerfiles import KNOWN
from runner.engines.images.stage import DOCKERFILE
from runner.engines.kinds import KINDS, EngineName
from runner.manifest.tables import Resources
from runner.plan.model import Job, command_of

DEFAULTS = Resources()
NO_LIMITS = frozenset({"checkpoint_every", "determinism", "network", "silent_for_min"})
"""Resources that bound nothing; the network has a consent of its own."""
PROFILES = ("strict", "docker", "unconfined")
"""``resources.seccomp``, from the one that lets a job do least."""
MOST_NAMED = 3
"""Arms, or command lines, that one reason names."""


@dataclass(frozen=True, kw_only=True)
class Consent:
    """What the user has agreed to on the command line, beyond what every hub gets."""

    foreign_code_here: bool = False
    limits: bool = False
    network: bool = False
    dockerfile: bool = False
    base_image: bool = False


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Something that is refused, and the options that allow it."""

    text: str
    options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One resource: the most that any job asks for, and by whom."""

    name: str
    value: float | str
    default: float | str
    jobs: tuple[str, ...]
    """Those that ask for more than the default."""

    @property
    def beyond(self) -> bool:
        """Whether it is more than what a manifest without a word on it has."""
        return bool(self.jobs)


# --- what is foreign -----------------------------------------------------------------------------


def is_own_code(models_sha256: str) -> bool:
    """Whether source with that digest is what this installation would run."""
    return models_sha256 == models_digest(SOURCES)


def is_own_lock(code: Path, variant: Variant) -> bool:
    """Whether the lock in a hub's code has the pins of this installation's.

    Raises ``VerificationError`` naming the line for a lock that is refused.
    """
    try:
        return read_pins(lock_path(variant, code)) == read_pins(lock_path(variant))
    except ValueError as error:
        raise VerificationError(f"a package lock is refused: {error}") from error


def is_known_dockerfile(code: Path) -> bool:
    """Whether the Dockerfile in a hub's code is one that phasehub has had."""
    return sha256_file(code / DOCKERFILE) in KNOWN


def foreign_commands(jobs: Iterable[Job]) -> list[Job]:
    """The jobs that have another command line than the standard one of their experiment."""
    return [job for job in jobs if job.command != command_of(job.experiment)]


def limits_of(jobs: Sequence[Job]) -> list[Limit]:
    """Every limit with the most that the jobs ask for."""
    found = []
    for name in Resources.model_fields:
        if name in NO_LIMITS:
            continue
        default = getattr(DEFAULTS, name)
        asked = [(job.name, getattr(job.resources, name)) for job in jobs]
        beyond = tuple(job for job, value in asked if exceeds(value, default))
        value = max((value for _, value in asked), key=_size, default=default)
        found.append(Limit(name=name, value=value, default=default, jobs=beyond))
    return found


def exceeds(value: float | str, default: float | str) -> bool:
    """Whether a limit lets a job do more than its default; what cannot be compared does."""
    return not _size(value) <= _size(default)


def _size(value: float | str) -> float:
    return PROFILES.index(value) if isinstance(value, str) else value


def in_words(value: float | str) -> str:
    """A limit as a manifest would have it."""
    return value if isinstance(value, str) else f"{value:g}"


def within_defaults(resources: Resources) -> tuple[Resources, list[str]]:
    """The resources with no limit beyond its default, and what was lowered, a sentence each.

    Threads stay: the bits depend on them. So does a GPU, which the user's ``--device`` decides.
    """
    lowered: dict[str, float | str] = {}
    notes = []
    for name in resources.model_fields_set - NO_LIMITS - {"threads", "gpus"}:
        value, default = getattr(resources, name), getattr(DEFAULTS, name)
        if exceeds(value, default):
            lowered[name] = default
            ours = f"the default {in_words(default)}, in place of {in_words(value)}"
            notes.append(f"{name} is held to {ours}")
    return resources.model_copy(update=lowered), sorted(notes)


def on_network(jobs: Iterable[Job]) -> list[str]:
    """The jobs that reach the network."""
    return [job.name for job in jobs if job.resources.network]


def pulled_base(asked: str | None, root: Path) -> str | None:
    """The base image that a build would fetch from a registry because a hub says so.

    ``asked`` is the hub's base, ``root`` where its Dockerfile is. ``None`` for one that is here,
    that the user names, or that is of the repository that this installation's Dockerfile names.
    """
    from runner.engines.daemon import connect

    if asked is None and os.environ.get("PHASEHUB_BASE_IMAGE"):
        return None
    base, client = asked or dockerfile_base(root / DOCKERFILE), connect()
    if _repository(base) == _repository(dockerfile_base()) or present(client, base):
        return None
    return None if asked is None and present(client, LOCAL_BASE) else base


def _repository(reference: str) -> str:
    name = reference.partition("@")[0]
    folder, slash, last = name.rpartition("/")
    return f"{folder}{slash}{last.partition(':')[0]}".removeprefix("docker.io/library/")


# --- what is refused -----------------------------------------------------------------------------


def code_reasons(
    foreign: Sequence[str],
    *,
    engine: str,
    asked: str,
    consent: Consent,
    contained: bool,
) -> list[Reason]:
    """Foreign code outside of a container: only by two words of the user.

    ``foreign`` says what is, ``engine`` where it would run, ``asked`` is ``--engine``, and
    ``contained`` whether the engine is known to run jobs in containers here.
    """
    agreed = asked == engine and engine in KINDS and consent.foreign_code_here
    if contained or not foreign or agreed:
        return []
    engine = engine if engine in KINDS else EngineName.process
    place = KINDS[engine].place
    return [
        Reason(
            text=f"{'; '.join(foreign)}; and the {engine} engine would run that {place} "
            "as you, outside of any container. `--engine docker` runs it in one",
            options=(f"--engine {engine}", "--run-foreign-code-on-this-machine"),
        )
    ]


def limit_reasons(jobs: Sequence[Job], consent: Consent) -> list[Reason]:
    """Limits beyond the defaults, and the network, that were not agreed to."""
    reasons = []
    beyond = [limit for limit in limits_of(jobs) if limit.beyond]
    if beyond and not consent.limits:
        limits = ", ".join(
            f"{limit.name} = {in_words(limit.value)} (default {in_words(limit.default)}) for "
            f"{named(limit.jobs)}"
            for limit in beyond
        )
        reasons.append(
            Reason(text=f"limits beyond the defaults: {limits}", options=("--allow-limits",))
        )
    if (online := on_network(jobs)) and not consent.network:
        reasons.append(
            Reason(text=f"the network for {named(online)}", options=("--allow-network",))
        )
    return reasons


def dockerfile_reasons(code: Path, consent: Consent) -> list[Reason]:
    """A Dockerfile that phasehub never had. Raises ``EngineError`` for one that is never built."""
    if is_known_dockerfile(code):
        return []
    if consent.dockerfile:
        read_recipe(code / DOCKERFILE)
        return []
    digest = sha256_file(code / DOCKERFILE)
    return [
        Reason(
            text=f"an image built by its own Dockerfile, {digest}, which is none of phasehub's",
            options=("--allow-dockerfile",),
        )
    ]


def base_reasons(pulled: str | None, consent: Consent) -> list[Reason]:
    """A base image that would be fetched from wherever the hub says."""
    if pulled is None or consent.base_image:
        return []
    return [
        Reason(
            text=f"the base image {shortened(pulled)} out of a registry that it names",
            options=("--allow-base-image",),
        )
    ]


def refuse(name: str, reasons: Sequence[Reason]) -> None:
    """Raise ``ConsentError`` that names every reason and what allows it all; none, no error."""
    if not reasons:
        return
    lines = "\n".join(f"  - {reason.text}" for reason in reasons)
    options = " ".join(dict.fromkeys(option for reason in reasons for option in reason.options))
    raise ConsentError(
        f"nothing was run. {name} asks for more than a hub of others is given:\n{lines}\n"
        f"If you trust its sender with that, add {options}"
    )


def named(names: Sequence[str]) -> str:
    """The first few of many names."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")
