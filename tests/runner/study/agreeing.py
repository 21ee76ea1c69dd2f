"""A record and the files of its arms, made to agree with each other as those of a run do."""

import json

from models.config import Parameters
from runner.core.digest import pretty_json, sha256_bytes
from runner.hub.records.arm import MEASURED
from runner.hub.records.base import FileRecord
from runner.manifest.rule_parser import parse
from runner.manifest.tables import Resources
from runner.plan.model import Job, PlannedExecution, command_of
from runner.verify.verdict import identical_arms, judge
from tests.runner.verify.test_effective import shown

COLLAPSE = ("collapsed", "collapse_epoch", "collapse_reason", "collapse_kind")


def agreeing(record, contents):
    """The record, and the content of every file of its arms by path in the hub.

    ``contents`` has what arms left beside their results, by arm.
    """
    arms, files = [], {}
    for arm in record.arms:
        if arm.status in MEASURED:
            arm, own = _with_results(arm, contents.get(arm.name, {}))
            files |= {f"arms/{arm.name}/{path}": content for path, content in own.items()}
        arms.append(arm)
    same = identical_arms(
        {arm.name: arm.plan for arm in arms}, {arm.name: arm.final_weights_sha256 for arm in arms}
    )
    record = record.model_copy(update={"arms": tuple(arms), "identical_arms": same})
    return record, files | {"plan.json": pretty_json(_plan(record))}


def _with_results(arm, contents):
    """The arm as its own files tell of it, and these files."""
    known = {name: value for name in COLLAPSE if (value := getattr(arm, name)) is not None}
    stats = known | arm.stats
    effective = _effective(arm)
    observed = effective["observed"]
    history = {name: observed[f"{name}_by_epoch"] for name in ("learning_rate", "val_loss")}
    tables = {
        "stats": stats,
        "timing": arm.timing,
        "history": history,
        "effective_config": effective,
    }
    own = contents | {f"{name}.json": pretty_json(table) for name, table in tables.items()}
    facts = {name: stats.get(name) for name in COLLAPSE} | {
        "stats": stats,
        "rules": judge([parse(rule.rule) for rule in arm.rules], stats),
        "files": tuple(_file(path, content) for path, content in sorted(own.items())),
    }
    return arm.model_copy(update=facts), own


def _file(path, content):
    return FileRecord(
        path=path, sha256=sha256_bytes(content), bytes=len(content),
        deterministic=path != "timing.json",
    )  # fmt: skip


def _effective(arm):
    """What live objects showed: the plan, but for the knobs that the record says are missing."""
    effective = shown(Parameters.model_validate_json(json.dumps(arm.parameters)))
    effective["seed"] = arm.seed
    effective["execution"] |= {
        name: getattr(arm.execution, name) for name in ("device", "threads", "determinism")
    }
    effective["observed"]["final_weights_sha256"] = arm.final_weights_sha256
    for difference in arm.differences:
        *path, last = difference.knob.split(".")
        table = effective["parameters"]
        for name in path:
            table = table[name]
        del table[last]
    return effective


def _plan(record):
    (data,) = record.datasets
    return {
        "schema_version": 1, "phase": record.phase, "profile": record.profile,
        "set_knobs": record.set_knobs,
        "dataset": _job(
            "dataset", "simulate", data.parameters, data.seed, command_of("simulate")
        ),
        "arms": [
            _job(arm.name, "train", arm.parameters, arm.seed, arm.command, arm)
            for arm in record.arms
        ],
    }  # fmt: skip


def _job(name, experiment, parameters, seed, command, arm=None):
    execution = {"device": "cpu", "threads": 1, "determinism": "native"}
    if arm is not None:
        execution = arm.execution.model_dump(exclude={"gpu_ids"})
    return Job(
        name=name, experiment=experiment, parameters=parameters, seed=seed,
        execution=PlannedExecution(**execution), resources=Resources(), command=command,
        environment=arm.environment if arm else {}, num_parameters=None, steps=None,
    ).model_dump(mode="json")  # fmt: skip
