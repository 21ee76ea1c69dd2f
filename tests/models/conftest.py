"""Real fits that take a fraction of a second: 16×16 patches, two channels, a few steps."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SEED = 20260128

TINY = {
    "dataset": {
        "object_size": 64,
        "patch_size": 16,
        "train_stride": 8,
        "test_stride": 4,
    },
    "model": {"hidden_channels": 2, "modes": 4, "fno_blocks": 3},
    "train": {"epochs": 3, "batch_size": 10, "inference_batch_size": 4},
}
"""49 training patches, of which 2 are held out: five batches an epoch, the last one of 7."""


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with tables changed; a table that names its ``kind`` replaces the former one."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested and "kind" not in value else value
    return result


@dataclass(frozen=True)
class Fitted:
    """A finished fit with its data, in a folder of its own."""

    parameters: Any
    fit: Any
    data: Any
    out: Path

    def effective(self) -> dict[str, Any]:
        """What ``effective_config.json`` would hold, after a way through JSON."""
        from models.diagnostics.effective import effective_config

        return json.loads(json.dumps(effective_config(self.fit, self.data, self.out)))


class Workshop:
    """Makes datasets, which it keeps, jobs and fits."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self.probes: dict[str | None, Path] = {}

    def fresh(self) -> Path:
        """A new empty folder."""
        self.count += 1
        folder = self.folder / str(self.count)
        folder.mkdir()
        return folder

    def parameters(self, **changes: Any) -> Any:
        """The tiny parameters with changes: ``parameters(train={"epochs": 1})``."""
        from models.config import Parameters

        return Parameters.model_validate_json(json.dumps(merged(TINY, changes)))

    def dataset(self, parameters: Any, seed: int = SEED) -> Path:
        """Folder of the simulated dataset; a seed of its own goes before ``seed``, as in a plan."""
        from models.data.grid_lines import simulate

        seed = seed if parameters.dataset.seed is None else parameters.dataset.seed
        text = f"{seed} {parameters.dataset.model_dump_json()}"
        folder = self.folder / hashlib.sha256(text.encode()).hexdigest()
        if not folder.exists():
            probe = self.probes.get(parameters.dataset.probe_sha256)
            simulate(parameters.dataset, seed, folder, probe_file=probe)
        return folder

    def keep_probe(self, content: bytes) -> str:
        """Keep the file of a measured probe for the datasets that name it; its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.probes[digest] = self.folder / f"{digest}.npz"
        self.probes[digest].write_bytes(content)
        return digest

    def job(self, parameters: Any, *, seed: int = SEED, threads: int = 1) -> Path:
        """A ``job.json`` for training, in a folder beside its dataset."""
        inputs = {
            name: {
                "path": f"../{self.dataset(parameters).name}/{name}",
                "sha256": hashlib.sha256(
                    (self.dataset(parameters) / name).read_bytes()
                ).hexdigest(),
            }
            for name in ("train.npz", "test.npz", "metadata.json")
        }
        path = self.fresh() / "job.json"
        table = {
            "schema_version": 1,
            "experiment": "train",
            "name": "tiny",
            "parameters": parameters.model_dump(mode="json"),
            "seed": seed,
            "execution": {"device": "cpu", "threads": threads, "determinism": "native"},
            "inputs": inputs,
        }
        path.write_text(json.dumps(table, sort_keys=True, indent=2) + "\n")
        return path

    def data(self, parameters: Any, seed: int = SEED) -> Any:
        """The loaded dataset."""
        from models.arm import load_data
        from models.job import read_job

        return load_data(read_job(self.job(parameters, seed=seed), "train"))

    def prepared(self, parameters: Any, seed: int = SEED) -> Any:
        """A fit that has not been run; its events go to a folder of their own."""
        from models.job import Events
        from models.seeding import make_deterministic
        from models.training.fit import prepare

        make_deterministic(1)
        data = self.data(parameters)
        events = Events(self.fresh() / "events.jsonl")
        return prepare(
            parameters,
            seed,
            data.train,
            data.test,
            device="cpu",
            events=events,
            evidence_to=self.fresh(),
        )

    def fit(self, parameters: Any, seed: int = SEED) -> Fitted:
        """Fit and evaluate in this process as ``train`` does, with its activation report."""
        from models.arm import diagnose_fit, evaluate, keep_checkpoints
        from models.training.weights import state_of

        fit, data, out = self.prepared(parameters, seed), self.data(parameters), self.fresh()
        fit.run()
        evaluate(fit.net, state_of(fit.net), data, parameters)
        checkpoints = keep_checkpoints(fit, out, collapsed=False)
        diagnose_fit(fit, data, parameters, checkpoints, out)
        return Fitted(parameters, fit, data, out)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))
