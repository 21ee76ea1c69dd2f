"""How to repeat one arm of a hub by hand, as a script for the shell."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.hub.layout import JOB, arm_dir
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.data import DatasetRecord
from runner.plan.model import command_of

HARDENED = (
    "--rm --init --network none --read-only --tmpfs /tmp --env HOME=/tmp",
    '--cap-drop ALL --security-opt no-new-privileges --user "$(id -u):$(id -g)"',
)
SIMULATE = command_of("simulate")
CONTINUED = " \\\n    "


@dataclass(frozen=True, kw_only=True)
class HowToRepeat:
    """What to type, and for which arm."""

    arm: str
    in_container: bool
    script: str


def how_to_repeat(record: HubRecord, folder: Path) -> HowToRepeat | None:
    """The recipe for the first arm that succeeded; ``None`` where none did.

    It works in the hub's ``folder``, writes to a temporary folder only, simulates its dataset again
    unless the hub holds it, and compares what comes out with the files that are declared
    deterministic.
    """
    shown = record.datasets_of_arms
    arm = next((a for a in record.arms if a.status == "succeeded" and a.name in shown), None)
    if arm is None:
        return None
    image = str((record.image or {}).get("reference") or "")
    return HowToRepeat(
        arm=arm.name,
        in_container=bool(image),
        script="\n".join(_steps(shown[arm.name], arm, image, folder)),
    )


def _steps(data: DatasetRecord, arm: ArmRecord, image: str, folder: Path) -> Iterator[str]:
    yield 'hub=$PWD && try=$(mktemp -d) && mkdir "$try/job" "$try/out"'
    if not image:
        yield "checkout=/path/to/phasehub"
    if all((folder / data.folder / file.path).is_file() for file in data.files):
        place = f"$hub/{data.folder}"
    else:
        place = "$try/data"
        places = {"job": f"$hub/{data.folder}", "out": place}
        yield 'mkdir "$try/data"'
        yield _command(SIMULATE, arm, image, places)
        yield from (
            f"echo '{file.sha256}  '\"$try/data/\"{shlex.quote(file.path)}"
            " | sha256sum --check --quiet"
            for file in data.files
        )
    places = {"job": "$try/job", "data": place, "out": "$try/out"}
    yield f'cp {arm_dir(arm.name)}/{JOB} "$try/job/"'
    yield _command(arm.command, arm, image, places)
    kept = " ".join(shlex.quote(file.path) for file in arm.files if file.deterministic)
    yield f'for file in {kept}; do cmp "{arm_dir(arm.name)}/$file" "$try/out/$file"; done'


def _command(
    command: tuple[str, ...], arm: ArmRecord, image: str, places: Mapping[str, str]
) -> str:
    """One job, in a container as the runner would start it, or as a process of the checkout."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in sorted(arm.environment.items())]
    if not image:
        words = [_placed(word, places["job"], places["out"]) for word in command]
        beside = places.get("data", "$try/data")
        link = f'ln -sfn "{beside}" "$try/data" && ' if beside != "$try/data" else ""
        job = CONTINUED.join([" ".join(variables), " ".join(words)])
        return f'{link}(cd "$checkout" && env {job})'
    mounts = [
        f'--volume "{place}:/{name}{"" if name == "out" else ":ro"}"'
        for name, place in places.items()
    ]
    gpu = ["--gpus all"] if arm.execution.device == "cuda" else []
    words = [_placed(word, "/job", "/out") for word in command]
    settings = " ".join(f"--env {variable}" for variable in variables)
    parts = ["docker run", *HARDENED, *gpu, *mounts, settings, shlex.quote(image), " ".join(words)]
    return CONTINUED.join(part for part in parts if part)


def _placed(word: str, job: str, out: str) -> str:
    """A word of the command with the folders in place of their names, for the shell."""
    places = {"{job}": f'"{job}"', "{out}": f'"{out}"'}
    parts = re.split(r"(\{job\}|\{out\})", word)
    return "".join(places.get(part) or shlex.quote(part) for part in parts if part) or "''"
