"""Manifest → plan: overrides merged, defaults spelled out, seeds and names fixed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner.core.errors import ManifestError
from runner.experiment import EXPERIMENT, Dataset
from runner.manifest.arms import PlannedArm, Variant
from runner.manifest.dataset_names import (
    ONLY,
    name_of,
)
from runner.manifest.manifest_errors import did_you_mean, listed
from runner.manifest.model import (
    LoadedManifest,
)
from runner.manifest.tables import Resources
from runner.plan.model import (
    ArmJob,
    DatasetJob,
    Device,
    Job,
    Plan,
    Simulation,
    beside_the_arms,
    command_of,
    environment_of,
    execution_of,
    is_ours,
)


def make_plan(
    loaded: LoadedManifest,
    *,
    profile: str | None = None,
    only: Sequence[str] = (),
    with_optional: bool = False,
    device: Device = "cpu",
) -> Plan:
    """What a run of the manifest will do.

    Args:
        loaded: The manifest.
        profile: Name of the variant; none for the phase as it is written.
        only: Names of the arms to run; all but the optional ones when empty.
        with_optional: Whether the optional arms run, too.
        device: ``"cuda"`` runs the arms that ask for a GPU on one, and all of them when none asks;
            ``"cpu"`` runs everything on the CPU.

    Raises:
        ManifestError: When there is no such profile or arm, or no optional one.
    """
    manifest, variant = loaded.manifest, loaded.variant(profile)
    arms = _arms(loaded, variant.arms, only, with_optional=with_optional)
    names = {arm.name for arm in arms}
    insisted = not _wants_gpu(variant)
    datasets = _dataset_jobs(
        [arm.parameters.dataset for arm in variant.arms],
        seed=manifest.phase.seed,
        resources=variant.resources,
    )
    return Plan(
        phase=manifest.phase.name,
        profile=profile,
        set_knobs=dict(variant.set_knobs),
        datasets=_shown_to(arms, datasets),
        arms=tuple(_arm_job(arm, device if insisted else _device(arm, device)) for arm in arms),
        tests=_tests_job(
            manifest.tests.select, seed=manifest.phase.seed, resources=variant.resources
        ),
        audit=manifest.audit,
        steps=manifest.steps,
        left_out=tuple(
            arm.name for arm in variant.arms if arm.optional and arm.name not in names and not only
        ),
    )


def asks_for_gpu(loaded: LoadedManifest, profile: str | None = None) -> bool:
    """Whether any arm asks for a GPU. Raises ``ManifestError`` when there is no such profile."""
    return _wants_gpu(loaded.variant(profile))


def _wants_gpu(variant: Variant) -> bool:
    return any(arm.resources.gpus for arm in variant.arms)


def _arms(
    loaded: LoadedManifest,
    declared: Sequence[PlannedArm],
    only: Sequence[str],
    *,
    with_optional: bool,
) -> list[PlannedArm]:
    """The arms that were asked for, in the manifest's order."""
    names = [arm.name for arm in declared]
    for name in only:
        if name not in names:
            raise ManifestError(
                f"{loaded.path}: no arm {name!r}; arms are {listed(names)}"
                f"{did_you_mean(name, names)}"
            )
    if with_optional and not any(arm.optional for arm in declared):
        raise ManifestError(
            f"{loaded.path}: --with-optional, and no arm is optional; leave it out, or mark an arm "
            "with `optional = true`"
        )
    asked = [
        arm
        for arm in declared
        if arm.name in only or (arm.optional and with_optional) or not (only or arm.optional)
    ]
    if not asked:
        raise ManifestError(
            f"{loaded.path}: every arm is optional; run them with --with-optional, or one with "
            f"--only {names[0]}"
        )
    return asked


def _dataset_jobs(
    declared: Iterable[Dataset], *, seed: int, resources: Resources
) -> dict[Dataset, DatasetJob]:
    """The simulations, one for each dataset: on the CPU, within the phase's bounds."""
    distinct = list(dict.fromkeys(declared))
    return {each: _dataset_job(each, len(distinct) == 1, seed, resources) for each in distinct}


def _dataset_job(
    dataset: Dataset, alone: bool, phase_seed: int, resources: Resources
) -> DatasetJob:
    seed = phase_seed if dataset.seed is None else dataset.seed
    job = DatasetJob(
        name=ONLY,
        experiment="simulate",
        parameters=Simulation(dataset=dataset),
        **beside_the_arms("simulate", seed, resources),
    )
    return job if alone else job.model_copy(update={"name": name_of(job.parameters, seed)})


def _shown_to(
    arms: Iterable[PlannedArm], datasets: Mapping[Dataset, DatasetJob]
) -> tuple[DatasetJob, ...]:
    """The simulations that these arms need, in the order of the first that needs each."""
    return tuple(datasets[each] for each in dict.fromkeys(arm.parameters.dataset for arm in arms))


def _tests_job(select: Sequence[str], *, seed: int, resources: Resources) -> Job | None:
    """The regression tests, in one job; ``None`` where the phase names none."""
    if not select:
        return None
    return Job(
        name="regression_tests",
        experiment="test",
        parameters={"select": list(select)},
        **beside_the_arms("test", seed, resources),
    )


def _arm_job(arm: PlannedArm, device: Device) -> ArmJob:
    command, resources = arm.command or command_of("train"), arm.resources
    return ArmJob(
        name=arm.name,
        experiment="train",
        parameters=arm.parameters,
        seed=arm.seed,
        execution=execution_of(device, resources),
        resources=resources.model_copy(
            update={"gpus": max(1, arm.resources.gpus) if device == "cuda" else 0}
        ),
        command=command,
        environment=environment_of(resources),
        num_parameters=EXPERIMENT.costs.size(arm.parameters).live if is_ours(command) else None,
        steps=EXPERIMENT.costs.steps(arm.parameters) if is_ours(command) else None,
    )


def _device(arm: PlannedArm, device: Device) -> Device:
    """The device, for an arm that asks for a GPU; the CPU for any other."""
    return device if arm.resources.gpus else "cpu"
