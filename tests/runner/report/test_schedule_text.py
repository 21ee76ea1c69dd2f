"""The order of arms and the length of a phase, by the very rule that a run follows."""

import pytest

from runner.jobs.slots import Shares
from runner.manifest.model import load
from runner.plan.estimates import longest_first, needed_bytes, needed_s
from runner.plan.make import make_plan
from runner.report.schedule_text import expect, render_schedule
from tests.runner.conftest import TINY

GIB = 2**30
THREE = TINY.partition("[[arms]]")[0] + "".join(
    f'[[arms]]\nname = "{name}"\ntrain.epochs = {epochs}\n'
    for name, epochs in (("short", 1), ("long", 4), ("middle", 2))
)


@pytest.fixture
def arms(tmp_path):
    (tmp_path / "tiny.toml").write_text(THREE)
    return make_plan(load(tmp_path / "tiny.toml")).arms


def shares(cores=8, memory=64 * GIB):
    return Shares(cores=cores, memory_bytes=memory, of_machine=8, folder=None)


def test_the_longest_begins_first_and_what_is_unknown_before_it(arms):
    own = arms[0].model_copy(update={"name": "own", "command": ("/bin/true",)})
    ordered = longest_first((*arms, own), lambda arm: arm)
    assert [arm.name for arm in ordered] == ["own", "long", "middle", "short"]


def test_the_whole_takes_as_long_as_cores_and_memory_let_it(arms):
    short, long, middle = map(needed_s, arms)
    one = expect(arms, None, shares(cores=1), 0)
    assert one.ends_s == pytest.approx(short + long + middle)
    assert [arm.name for arm, _ in one.begins] == ["long", "middle", "short"]
    two = expect(arms, None, shares(cores=2), 0)
    assert [begins for _, begins in two.begins] == [0, 0, middle]
    assert two.ends_s == pytest.approx(max(long, middle + short))
    little = shares(memory=needed_bytes(arms[0]) + 1)
    assert expect(arms, None, little, 0).ends_s == pytest.approx(one.ends_s)
    # Whoever asks for a number gets it.
    assert expect(arms, 3, little, 0).ends_s == long
    assert expect(arms, 1, shares(), 0).ends_s == pytest.approx(one.ends_s)


@pytest.fixture
def on_gpu(arms):
    return [
        arm.model_copy(
            update={
                "execution": arm.execution.model_copy(update={"device": "cuda"}),
                "resources": arm.resources.model_copy(update={"gpus": 1}),
            }
        )
        for arm in arms
    ]


def test_on_gpus_as_many_run_as_there_are(on_gpu):
    at_once = [begins for _, begins in expect(on_gpu, None, shares(cores=1), 2).begins].count(0)
    assert at_once == 2


def test_arms_of_a_queue_wait_for_no_core_of_this_machine(tmp_path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(THREE.replace("train.epochs = ", "train.epochs = 1000"))
    arms = make_plan(load(tmp_path / "tiny.toml")).arms
    monkeypatch.setattr("runner.report.schedule_text.shares_of", lambda _: shares(cores=1))
    here = render_schedule(arms, None)
    assert here.startswith("Schedule: longest first, as many as fit 1 cores")
    assert here.count("begins after ~0 s") == 1
    queued = render_schedule(arms, None, 64)
    assert queued.startswith("Schedule: longest first, at most 64 in the queue, as if none had to")
    assert queued.count("begins after ~0 s") == len(arms)
    assert render_schedule(arms, 2, 64).count("begins after ~0 s") == 2


def test_arms_of_a_queue_need_no_gpu_of_this_machine(on_gpu):
    assert "no estimate of the whole" in render_schedule(on_gpu, None, 64)
