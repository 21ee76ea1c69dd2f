"""What a fit leaves for its audit, and that leaving it changes nothing else."""

import hashlib
import json

import numpy as np
import torch

from models.training.moments import moments_of
from models.training.weights import digest

DIFFERENT = ("audit_", "effective_config.json", "environment.json", "timing.json", "events.jsonl")
"""What an arm that leaves states has other than one that does not: the knob and the clock."""


def trained(workshop, **changes):
    from models.__main__ import main

    job, out = workshop.job(workshop.parameters(**changes)), workshop.fresh()
    assert main(["train", "--job", str(job), "--out", str(out)]) == 0
    return out


def test_leaving_states_changes_no_byte_of_anything_else(workshop):
    """Weights, history, metrics, statistics, gradient norms, pictures: the same bytes."""
    plain, audited = (
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in trained(workshop, diagnostics={"audit_steps": steps}).rglob("*.*")
            if not path.name.startswith((*DIFFERENT, "result"))
        }
        for steps in (0, 2)
    )
    assert plain == audited
    assert {"model.pt", "history.json", "metrics.json", "stats.json"} <= plain.keys()


def test_states_are_left_of_the_chosen_moments_and_no_others(workshop):
    parameters = workshop.parameters(diagnostics={"audit_steps": 2})
    out = trained(workshop, diagnostics={"audit_steps": 2})
    moments = moments_of(parameters, 20260128)
    left = {int(path.stem[-6:]) for path in out.glob("audit_step_*.pt")}
    assert left == set(moments.steps)
    assert {0, 1, 2} <= left
    assert len(left) > 3
    assert (
        json.loads((out / "effective_config.json").read_text())["parameters"]["diagnostics"][
            "audit_steps"
        ]
        == 2
    )


def test_nothing_is_left_unless_asked_for(workshop):
    assert not list(trained(workshop).glob("audit_*"))


def test_the_trace_holds_every_sample_and_every_step(workshop):
    """49 patches, 2 of them held out, 3 epochs of 5 batches."""
    out = trained(workshop, diagnostics={"audit_steps": 1})
    with np.load(out / "audit_trace.npz", allow_pickle=False) as stored:
        trace = dict(stored)
    assert trace["batch_sizes"].tolist() == [10, 10, 10, 10, 7] * 3
    assert trace["batches_by_step"].tolist() == list(range(1, 16))
    assert trace["steps_by_epoch"].tolist() == [5, 10, 15]
    for epoch in trace["samples"].reshape(3, 47):
        assert len(set(epoch.tolist())) == 47
    last = torch.load(out / "model.pt", weights_only=True)
    assert trace["weights_at_end"][-1] == digest(last)
    assert trace["weights_at_start"][1:].tolist() == trace["weights_at_end"][:-1].tolist()


def test_a_state_holds_weights_memory_and_what_is_optimized(workshop):
    out = trained(workshop, diagnostics={"audit_steps": 1})
    before, after = (
        torch.load(out / f"audit_step_{step:06d}.pt", weights_only=True) for step in (0, 1)
    )
    assert before["state"] == {}
    assert set(after["optimized"]) == set(after["weights"]) == set(after["state"])
    assert set(after["state"]["lifter.convolution_1.bias"]) == {"step", "exp_avg", "exp_avg_sq"}


def test_moments_follow_from_parameters_and_seed_alone(workshop):
    parameters = workshop.parameters(diagnostics={"audit_steps": 3}, train={"epochs": 40})
    assert moments_of(parameters, 1) == moments_of(parameters, 1)
    chosen = {tuple(sorted(moments_of(parameters, seed).steps)) for seed in range(8)}
    assert len(chosen) > 4
