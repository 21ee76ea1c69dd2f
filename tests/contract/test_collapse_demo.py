"""The shipped demonstration, for real: a rate of 2e-2 flattens the network, a norm prevents it."""

import hashlib
import json
from pathlib import Path

import pytest

from models.arm import train_arm
from models.config import Dataset, Parameters
from models.data.grid_lines import simulate
from models.job import Events, read_job
from runner.manifest.model import load
from runner.plan.make import make_plan
from runner.plan.model import InputRef, job_document

MANIFEST = Path(__file__).parents[2] / "manifests" / "collapse-demo.toml"


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """Train an arm of the manifest as it is planned; the tables that it leaves."""
    folder = tmp_path_factory.mktemp("demo")
    plan = make_plan(load(MANIFEST))
    dataset = Dataset.model_validate_json(json.dumps(plan.datasets[0].parameters["dataset"]))
    simulate(dataset, plan.datasets[0].seed, folder / "data")
    inputs = {
        name: InputRef(
            path=f"../data/{name}",
            sha256=hashlib.sha256((folder / "data" / name).read_bytes()).hexdigest(),
        )
        for name in ("train.npz", "test.npz", "metadata.json")
    }
    arms = {job.name: job for job in plan.arms}

    def train(name):
        job_file, out = folder / name / "job.json", folder / name / "out"
        out.mkdir(parents=True)
        job_file.write_bytes(job_document(arms[name], inputs))
        parameters = Parameters.model_validate_json(json.dumps(arms[name].parameters))
        with Events(out / "events.jsonl") as events:
            train_arm(read_job(job_file, "train"), parameters, out, events)
        return {part: json.loads((out / f"{part}.json").read_text()) for part in TABLES}

    return train


TABLES = ("stats", "history")


def test_a_learning_rate_of_2e_2_kills_the_decoder_within_400_steps(left):
    arm = left("too_large")
    stats, history = arm["stats"], arm["history"]
    assert stats["collapsed"]
    assert stats["collapse_reason"].startswith("flat: ")
    assert stats["amp_ssim"] == pytest.approx(stats["constant_amp_ssim"], abs=1e-3)
    assert stats["last_decoder_share_not_positive"] > 0.99, "no path for gradients is left"
    assert history["learning_rate"] == pytest.approx([2e-3, 2e-2, 2e-2 * (0.05 + 0.95 / 2)])
    assert stats["collapse_epoch"] < len(history["learning_rate"]) == 3


def test_an_instance_norm_in_the_decoder_prevents_it_at_the_same_rate(left):
    stats = left("too_large_normed")["stats"]
    assert not stats["collapsed"]
    assert stats["amp_ssim"] > stats["constant_amp_ssim"] + 0.3
    assert 0.05 < stats["last_decoder_share_not_positive"] < 0.95
