"""One arm from its job to its files, in this process: what the study's regression tests map to."""

import json

import pytest
import torch

from models.arm import train_arm
from models.diagnosis import report_on_checkpoint
from models.job import Events, read_job
from models.training.weights import CheckpointError


@pytest.fixture(scope="module")
def trained(workshop):
    """A LayerScale network trained for real, and the folder that it left."""
    parameters = workshop.parameters(
        model={"architecture": "stable_hybrid"},
        train={"optimizer": {"kind": "adamw", "weight_decay": 0.01}},
        diagnostics={"activations": True},
    )
    job, out = read_job(workshop.job(parameters), "train"), workshop.fresh()
    with Events(out / "events.jsonl") as events:
        train_arm(job, parameters, out, events)
    return parameters, out


def read(path):
    return json.loads(path.read_text())


def test_stable_hybrid_is_accepted_from_the_job_to_the_scores(trained):
    parameters, out = trained
    model = read(out / "effective_config.json")["parameters"]["model"]
    assert model["architecture"] == "stable_hybrid"
    assert model["stable_block"] == "layerscale"
    stats = read(out / "stats.json")
    assert stats["n_epochs"] == parameters.train.epochs
    assert 0 < stats["amp_mae"] < float("inf")
    state = torch.load(out / "model.pt", weights_only=True)
    scales = [name for name in state if "scale" in name]
    assert len(scales) == parameters.model.fno_blocks + 1, "one LayerScale for each block"


def test_the_optimizer_of_the_job_stepped(trained):
    _, out = trained
    effective = read(out / "effective_config.json")
    assert effective["observed"]["optimizer_class"].endswith("AdamW")
    assert effective["parameters"]["train"]["optimizer"]["weight_decay"] == pytest.approx(0.01)
    observed = effective["observed"]
    assert observed["initial_weights_sha256"] != observed["final_weights_sha256"]


def test_an_activation_report_loads_a_checkpoint_that_was_trained(trained, workshop):
    parameters, out = trained
    report = report_on_checkpoint(
        out / "model.pt",
        parameters,
        workshop.dataset(parameters) / "test.npz",
        device="cpu",
        threads=1,
    )
    assert report == read(out / "activation_report.json")
    assert report["summary"]["architecture"] == "stable_hybrid"


def test_a_checkpoint_of_another_network_is_not_loaded(trained, workshop):
    _, out = trained
    other = workshop.parameters(model={"architecture": "hybrid"})
    with pytest.raises(CheckpointError, match="does not fit the network"):
        report_on_checkpoint(
            out / "model.pt",
            other,
            workshop.dataset(other) / "test.npz",
            device="cpu",
            threads=1,
        )
