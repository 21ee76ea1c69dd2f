"""A hub in the words of research data: RO-Crate 1.1 with the profile of Process Run Crate 0.5.

``ro-crate-metadata.json`` makes a hub a crate that repositories and registries can read: what was
run, when, on what, with what result. See https://www.researchobject.org/ro-crate/specification/1.1/
and https://w3id.org/ro/wfrun/process/0.5.
"""

from __future__ import annotations

import mimetypes
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from runner.experiment import EXPERIMENT
from runner.hub.record import HubRecord
from runner.hub.records.arm import ArmRecord
from runner.hub.records.base import FileRecord
from runner.hub.records.data import DatasetRecord
from runner.manifest.dataset_names import ONLY, label_of

CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
]
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SOFTWARE = "#models"
NO_LICENSE = "No license is stated; ask whoever gave you this hub how it may be used."
SIMULATION = "#simulation"
COMPLETED = "http://schema.org/CompletedActionStatus"
FAILED = "http://schema.org/FailedActionStatus"

KINDS = {
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".toml": "application/toml",
}
"""Media types that Python's table of them may lack."""

Entity = dict[str, Any]


class _Files:
    """The files of a hub by name, and by the arm whose they are: there may be 100,000 of them."""

    def __init__(self, files: Sequence[FileRecord]) -> None:
        self._paths = {file.path for file in files}
        self.of_arms: dict[str, list[str]] = defaultdict(list)
        for file in files:
            parts = file.path.split("/")
            if parts[0] == "arms" and len(parts) > 2:
                self.of_arms[parts[1]].append(file.path)

    def references(self, wanted: Sequence[str]) -> Entity | list[Entity]:
        """References to those that are there."""
        return _one_or_many([_to(_path_id(path)) for path in wanted if path in self._paths])


def crate(record: HubRecord, files: Sequence[FileRecord], metadata_name: str) -> Entity:
    """The metadata of a hub that holds ``files``, as JSON-LD."""
    arms = [arm for arm in record.arms if arm.started]
    simulations = [_simulation_id(one) for one in record.datasets]
    actions = [*simulations, *(_action_id(arm) for arm in arms)]
    shown, known = record.datasets_of_arms, _Files(files)
    return {
        "@context": CONTEXT,
        "@graph": [
            {
                "@id": metadata_name,
                "@type": "CreativeWork",
                "about": _to("./"),
                "conformsTo": _to("https://w3id.org/ro/crate/1.1"),
            },
            _root(record, files, actions),
            {
                "@id": PROFILE,
                "@type": "CreativeWork",
                "name": "Process Run Crate",
                "version": "0.5",
            },
            _software(record),
            *(_simulation(one, known) for one in record.datasets),
            *(_arm_action(arm, shown.get(arm.name), known) for arm in arms),
            *map(_file, files),
        ],
    }


def _root(record: HubRecord, files: Iterable[FileRecord], actions: Iterable[str]) -> Entity:
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{record.phase}: {record.title}",
        "description": record.question,
        "datePublished": record.ended,
        "conformsTo": _to(PROFILE),
        "hasPart": [_to(_path_id(file.path)) for file in files],
        "mentions": [_to(action) for action in actions],
        "license": record.license or NO_LICENSE,
    }


def _software(record: HubRecord) -> Entity:
    """The code that the arms ran: ``models/``, known by its commit and the digest of its tree."""
    code = record.code
    return {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "phasehub models",
        "softwareVersion": f"{code.commit or 'not committed'}, tree {code.models_sha256}",
    }


def _simulation(dataset: DatasetRecord, files: _Files) -> Entity:
    whose = "every arm is" if dataset.name == ONLY else "its arms are"
    return {
        "@id": _simulation_id(dataset),
        "@type": "CreateAction",
        "name": f"simulation of the {dataset.name}",
        "description": f"{EXPERIMENT.parameters.data_words} that {whose} shown.",
        "instrument": _to(SOFTWARE),
        "object": files.references((f"{dataset.folder}/job.json",)),
        "result": files.references((f"{dataset.folder}/metadata.json",)),
        **_status(succeeded=dataset.status == "succeeded", message=dataset.message),
    }


def _arm_action(arm: ArmRecord, dataset: DatasetRecord | None, files: _Files) -> Entity:
    folder = f"arms/{arm.name}/"
    data = [f"{dataset.folder}/metadata.json"] if dataset else []
    inputs = (f"{folder}job.json", *data)
    results = [path for path in files.of_arms.get(arm.name, ()) if path not in inputs]
    times = {"startTime": arm.started, "endTime": arm.ended}
    return {
        "@id": _action_id(arm),
        "@type": "CreateAction",
        "name": f"training of {arm.name}",
        "description": f"One {arm.subject} {EXPERIMENT.parameters.subject_word}, fitted with seed "
        f"{arm.seed} and scored.",
        "instrument": _to(SOFTWARE),
        "object": files.references(inputs),
        "result": _one_or_many([_to(_path_id(path)) for path in results]),
        **{name: time for name, time in times.items() if time},
        **_status(succeeded=arm.status == "succeeded", message=arm.message),
    }


def _status(*, succeeded: bool, message: str) -> Entity:
    status: Entity = {"actionStatus": COMPLETED if succeeded else FAILED}
    return status if succeeded or not message else status | {"error": message}


def _file(file: FileRecord) -> Entity:
    suffix = PurePosixPath(file.path).suffix
    kind = KINDS.get(suffix) or mimetypes.guess_type(file.path)[0] or "application/octet-stream"
    return {
        "@id": _path_id(file.path),
        "@type": "File",
        "name": file.path,
        "contentSize": str(file.bytes),
        "sha256": file.sha256,
        "encodingFormat": kind,
    }


def _one_or_many(references: list[Entity]) -> Entity | list[Entity]:
    """A list of one is written as its member, as RO-Crate recommends."""
    return references[0] if len(references) == 1 else references


def _simulation_id(dataset: DatasetRecord) -> str:
    label = label_of(dataset.name)
    return f"{SIMULATION}-{label}" if label else SIMULATION


def _action_id(arm: ArmRecord) -> str:
    return f"#arm-{quote(arm.name)}"


def _path_id(path: str) -> str:
    return quote(path)


def _to(identity: str) -> Entity:
    return {"@id": identity}
