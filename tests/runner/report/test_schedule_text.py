"""The order of arms and the length of a phase, by the very rule that a run follows."""

import pytest

from runner.jobs.slots import Shares
from runner.manifest.model import load
from runner.plan.estimates import longest_first, needed_bytes, needed_s
from runner.plan.make import make_plan
from runner.report.schedule_text import expect
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


def test_on_gpus_as_many_run_as_there_are(arms):
    on_gpu = [
        arm.model_copy(
            update={
                "execution": arm.execution.model_copy(update={"device": "cuda"}),
                "resources": arm.resources.model_copy(update={"gpus": 1}),
            }
        )
        for arm in arms
    ]
    at_once = [begins for _, begins in expect(on_gpu, None, shares(cores=1), 2).begins].count(0)
    assert at_once == 2
