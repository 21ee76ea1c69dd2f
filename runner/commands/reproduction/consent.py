"""Before anything foreign runs: one screen that says what would, and what needs the user's word."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.archive import image_file
from runner.commands.reproduction.original import Original
from runner.core.digest import sha256_file
from runner.core.errors import VerificationError
from runner.core.installation import state_dir
from runner.core.reading import shortened
from runner.core.text import visible
from runner.engines.environments.wheels import Variant, lock_path
from runner.engines.images.base import dockerfile_base
from runner.engines.images.build import BuiltImage, Place, find_image, recorded_base
from runner.engines.images.stage import DOCKERFILE
from runner.engines.kinds import kind_of
from runner.hub import signing
from runner.hub.checksums import SIGNATURE
from runner.plan.model import Job
from runner.verify import trust

MOST_COMMANDS = 5
"""Command lines that the screen shows."""
PLACES = {
    "daemon": "at the Docker daemon already",
    "archive": "out of the hub's archive: the sender's own, loaded without its names",
}


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is about to run, as the hub and the command line say it."""

    original: Original
    jobs: tuple[Job, ...]
    """Those that will run: no arm that is taken over as it is."""
    engine: str
    asked: str
    """``--engine``."""
    contained: bool
    """Whether that engine's jobs run in containers here."""
    variant: Variant
    python: Path | None
    consent: trust.Consent
    signers: Path | None


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the image comes from; for the process engine from nowhere."""

    identity: BuiltImage | None = None
    place: Place = "nowhere"
    base: str | None = None
    """The base to build on, as the hub has it; ``None`` for this installation's own."""
    pulled: str | None = None
    """The base if it would be fetched from where the hub says."""


def ask(order: Order) -> Sources:
    """Print the screen to stderr, and go on only with what the user has agreed to.

    Raises ``ConsentError`` that names everything else and what allows it, ``VerificationError``
    where a signature is asked for and is not valid, and ``EngineError`` where no daemon answers.
    """
    signature = signature_of(order)
    foreign = foreign_code(order)
    reasons = trust.code_reasons(
        foreign,
        engine=order.engine,
        asked=order.asked,
        consent=order.consent,
        contained=order.contained,
    )
    reasons += trust.limit_reasons(order.jobs, order.consent)
    sources = Sources()
    if order.contained:
        sources, refused = image_sources(order)
        reasons += refused
    lines = [f"  {label:10} {text}" for label, text in screen(order, signature, foreign, sources)]
    print(visible("\n".join(["Before anything of this hub runs:", *lines])), file=sys.stderr)
    trust.refuse(str(order.original.folder), reasons)
    return sources


def signature_of(order: Order) -> str:
    """Who has sealed the hub, in words. Raises as ``ask``."""
    folder = order.original.folder
    if order.signers is None:
        there = (folder / SIGNATURE).is_file()
        return "signed, not checked: give --signers" if there else "unsigned"
    found = signing.check(folder, order.signers)
    if found.status != "valid":
        raise VerificationError(found.message)
    return f"{found.message}, valid according to {order.signers}"


def foreign_code(order: Order) -> list[str]:
    """What is not this installation's own of the code that runs, a few words each."""
    original = order.original
    foreign = []
    if not trust.is_own_code(original.record.code.models_sha256):
        foreign.append("its code is not this installation's")
    if order.python is None and not trust.is_own_lock(original.code, order.variant):
        foreign.append("its packages are not this installation's")
    if commands := trust.foreign_commands(order.jobs):
        names = trust.named([job.name for job in commands])
        foreign.append(f"it has command lines of its own for {names}")
    return foreign


def image_sources(order: Order) -> tuple[Sources, list[trust.Reason]]:
    """Where the image comes from, and what of that was not agreed to."""
    original = order.original
    identity = original.image
    place: Place = "nowhere"
    if identity is not None:
        place = find_image(identity, image_file(original.sha256, state_dir()))
    base = recorded_base(identity) if identity is not None else None
    base = base or original.loaded.manifest.image.base
    if place != "nowhere":
        return Sources(identity=identity, place=place, base=base), []
    if refused := trust.dockerfile_reasons(original.code, order.consent):
        return Sources(identity=identity, base=base), refused
    pulled = trust.pulled_base(base, original.code)
    refused = trust.base_reasons(pulled, order.consent)
    return Sources(identity=identity, base=base, pulled=pulled), refused


def screen(
    order: Order, signature: str, foreign: Sequence[str], sources: Sources
) -> Iterator[tuple[str, str]]:
    """The lines of the screen: a label and what is to be known."""
    original = order.original
    code = original.record.code
    own = "this installation's" if trust.is_own_code(code.models_sha256) else "NOT THIS ONE'S"
    lock = lock_path(order.variant, original.code)
    packages = "NOT THIS ONE'S" if "its packages" in " ".join(foreign) else "this installation's"
    yield "hub", f"{original.name}, digest {original.sha256}"
    yield "sealed by", signature
    yield "code", f"{own}, digest {code.models_sha256}, commit {shortened(str(code.commit))}"
    if order.python is not None:
        yield "packages", f"those of {order.python}"
    else:
        yield "packages", f"{packages}, {lock.name}, digest {sha256_file(lock)}"
    yield "engine", engine_in_words(order)
    if order.contained:
        yield "image", image_in_words(order, sources)
    yield from commands_in_words(order.jobs)
    yield "limits", limits_in_words(order.jobs)
    online = trust.on_network(order.jobs)
    yield "network", f"REACHED by {trust.named(online)}" if online else "none"


def engine_in_words(order: Order) -> str:
    """Where it runs, and what that keeps apart."""
    kind = kind_of(order.engine)
    if not order.contained:
        return f"{order.engine}: {kind.place.upper()}, as you, not isolated"
    return f"{order.engine}: in containers{f', {kind.place}' if kind.elsewhere else ''}"


def image_in_words(order: Order, sources: Sources) -> str:
    """Which image, and where it comes from."""
    if sources.identity is not None and sources.place != "nowhere":
        return f"{sources.identity.id}, {PLACES[sources.place]}"
    code = order.original.code
    digest = sha256_file(code / DOCKERFILE)
    if not trust.is_known_dockerfile(code):
        built = f"to be built by the hub's OWN DOCKERFILE, {digest}"
    else:
        built = f"to be built by phasehub's Dockerfile {digest}"
    base = shortened(sources.base or dockerfile_base())
    fetched = ", FETCHED FROM A REGISTRY THAT THE HUB NAMES" if sources.pulled else ""
    return f"{built} on {base}{fetched}"


def commands_in_words(jobs: Sequence[Job]) -> Iterator[tuple[str, str]]:
    """The command lines, if any is not the standard one."""
    commands = trust.foreign_commands(jobs)
    if not commands:
        yield "commands", "the standard ones"
    for job in commands[:MOST_COMMANDS]:
        yield "commands", f"{job.name}: {shortened(' '.join(job.command))!r}"
    if (more := len(commands) - MOST_COMMANDS) > 0:
        yield "commands", f"and {more:,} more"


def limits_in_words(jobs: Sequence[Job]) -> str:
    """Every limit; what is beyond the defaults stands in capitals."""
    return ", ".join(
        f"{limit.name} {trust.in_words(limit.value)}"
        + (
            f" BEYOND {trust.in_words(limit.default)} ({trust.named(limit.jobs)})"
            if limit.beyond
            else ""
        )
        for limit in trust.limits_of(jobs)
    )
