"""What decides an arm's content, a digest for each component: arms that have all in common are one.

The same components are taken of an arm that is about to run, and of one in a sealed hub; so a hub
that has reused an arm can be held to what it says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Protocol

from pydantic import JsonValue

from runner.core.digest import digest_json
from runner.core.errors import VerificationError
from runner.engines.kinds import KINDS, is_elsewhere
from runner.hub.records.arm import ArmRecord
from runner.hub.records.data import DatasetRecord
from runner.hub.records.provenance import EngineRecord
from runner.plan.model import Job
from runner.verify.sealed_hub import SealedHub

Components = dict[str, str | None]
"""Component → digest; ``None`` where it is not known, as in hubs of earlier versions."""

WORDS: Mapping[str, str] = {
    "parameters": "the parameters and the seed",
    "command": "the command and its variables",
    "execution": "device, threads and determinism",
    "network": "whether it may reach a network",
    "code": "the code of models/",
    "engine": "the engine and whether it isolates",
    "image": "the content of the image",
    "packages": "the installed packages and their Python",
    "machine": "the processor or the GPU",
    "dataset": "the bytes of the dataset",
    "job": "job.json as a whole",
}
"""Component → what it is, in the order in which differences are named."""

LATER = ("image", "packages", "dataset", "job")
"""What is not known of an arm before the run has its engine and its data."""

OF_IMAGE = (
    "variant",
    "lock_sha256",
    "models_sha256",
    "dockerfile_sha256",
    "base_id",
    "packages_sha256",
)
"""What of an image's identity is content: one that is built again has another id."""


class MachineFacts(Protocol):
    """What of a machine the bits may depend on."""

    @property
    def cpu(self) -> Mapping[str, JsonValue]:
        """The processor: ``model`` and ``flags``."""

    @property
    def gpus(self) -> object:
        """The GPUs, a table each, or why they are not known."""


def of_planned(
    job: Job,
    *,
    job_sha256: str | None,
    models_sha256: str,
    engine: EngineRecord,
    dataset: DatasetRecord | None,
    machine: MachineFacts,
) -> Components:
    """The components of an arm that could be run now."""
    return _components(
        parameters={**job.parameters, "seed": job.seed},
        command=[list(job.command), dict(job.environment)],
        execution=job.execution.model_dump(),
        network=job.resources.network,
        models_sha256=models_sha256,
        engine=engine,
        dataset=dataset,
        machine=machine,
        job_sha256=job_sha256,
    )


def of_plan(
    job: Job, *, models_sha256: str, engine: EngineRecord, machine: MachineFacts
) -> Components:
    """The components of an arm as far as a plan tells them; those of ``LATER`` are not known."""
    known = of_planned(
        job,
        job_sha256=None,
        models_sha256=models_sha256,
        engine=engine,
        dataset=None,
        machine=machine,
    )
    return known | dict.fromkeys(LATER)


def of_sealed(sealed: SealedHub, arm: ArmRecord) -> Components:
    """The components of an arm of a hub. Raises ``VerificationError`` where it cannot be read."""
    jobs = {job.name: job for job in sealed.plan.arms}
    if arm.name not in jobs:
        raise VerificationError(f"{sealed.folder}: arm {arm.name} is not in its plan")
    return _components(
        parameters=arm.plan,
        command=[list(arm.command), arm.environment],
        execution=arm.execution.model_dump(exclude={"gpu_ids"}),
        network=jobs[arm.name].resources.network,
        models_sha256=sealed.record.code.models_sha256,
        engine=sealed.record.engine,
        dataset=sealed.record.datasets_of_arms.get(arm.name),
        machine=sealed.environment.machine,
        job_sha256=arm.job_sha256,
    )


def _components(
    *,
    parameters: object,
    command: object,
    execution: dict[str, Any],
    network: bool,
    models_sha256: str,
    engine: EngineRecord,
    dataset: DatasetRecord | None,
    machine: MachineFacts,
    job_sha256: str | None,
) -> Components:
    facts = engine.facts
    files = {file.path: file.sha256 for file in dataset.files} if dataset else {}
    return {
        "parameters": digest_json(parameters),
        "command": digest_json(command),
        "execution": digest_json(execution),
        "network": digest_json(network),
        "code": models_sha256,
        "engine": digest_json([engine.name, engine.isolated]),
        "image": _of_image(facts.get("image"), engine.name),
        "packages": _known(facts.get("packages_sha256"), _python(facts)),
        "machine": _of_machine(None if is_elsewhere(engine.name) else machine, execution),
        "dataset": digest_json(files) if files else None,
        "job": job_sha256,
    }


def _known(*facts: object) -> str | None:
    return digest_json(list(facts)) if all(isinstance(one, str) for one in facts) else None


def _python(facts: Mapping[str, JsonValue]) -> object:
    image = facts.get("image")
    return image.get("python") if isinstance(image, dict) else facts.get("python")


def _of_image(image: JsonValue, engine: str) -> str | None:
    """Digest of an image's content; a word for an engine without images, which has none."""
    if image is None and engine in KINDS and KINDS[engine].may_lack_image:
        return digest_json("no image")
    if not isinstance(image, dict):
        return None
    return _known(*(image.get(name) for name in OF_IMAGE))


def _of_machine(machine: MachineFacts | None, execution: Mapping[str, Any]) -> str | None:
    """What of a machine counts: nothing for portable numbers of a CPU.

    ``None`` where that is not known; of a cluster's nodes, ``machine`` is not.
    """
    if execution["device"] == "cuda":
        if machine is None:
            return None
        gpus = machine.gpus if isinstance(machine.gpus, list | tuple) else ()
        names = sorted({str(gpu.get("name")) for gpu in gpus if isinstance(gpu, Mapping)})
        return digest_json(names) if names else None
    if execution["determinism"] == "portable":
        return digest_json("any")
    if machine is None:
        return None
    model, flags = machine.cpu.get("model"), machine.cpu.get("flags")
    return digest_json([model, flags]) if model and flags else None


def differing(ours: Components, theirs: Components) -> Iterator[str]:
    """The components that are not the same on both sides, or not known on one, in their order."""
    for name in WORDS:
        if ours[name] is None or ours[name] != theirs[name]:
            yield name


def explained(ours: Components, theirs: Components, later: Collection[str] = ()) -> Iterator[str]:
    """A line for each component: what it is, and both digests, or that they are the same.

    Of those that are known ``later`` it says so.
    """
    wrong = set(differing(ours, theirs))
    for name, words in WORDS.items():
        here, there = ours[name] or "not known", theirs[name] or "not known"
        line = f"differs: {here} here, {there} there" if name in wrong else f"the same, {here}"
        line = "is compared once the run has its engine and its data" if name in later else line
        yield f"{name} ({words}): {line}"
